/* The steps, one file each; list.c puts them in order. */
#pragma once

#include "app/migrate.h"

extern const struct migration migration_0001;
extern const struct migration migration_0002;
extern const struct migration migration_0003;
extern const struct migration migration_0004;
extern const struct migration migration_0005;

/* Makes or completes all central collections with validators and indexes, as this version wants
 * them: the whole of a step that only adds some. */
CHECKED enum err migrations_ensure(struct ctx *ctx);
/* Their schemas, one after the other; NULL behind the last. */
const struct schema *migrations_central(size_t index);
