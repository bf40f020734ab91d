/* Migration 8: closed accounts are found by their tenant when it is purged. */
#include "models/migrations/migrations.h"

/* An older version does not mind one index more. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0008 = {
    .number = 8,
    .name = "removals_by_tenant",
    .revision = "1",
    .structure = true,
    .down = down,
};
