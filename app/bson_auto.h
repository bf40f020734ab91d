/* Scoped cleanup for BSON documents: AUTO(bson_destroy) bson_t *filter = BCON_NEW(...). */
#pragma once

#include <bson/bson.h>

#include "app/auto.h"

DEFINE_AUTO(bson_t, bson_destroy)
