/* The steps, one file each; list.c puts them in order. */
#pragma once

#include "app/migrate.h"

extern const struct migration migration_0001;
