/* Migration 4: an index for each way to filter the audit log and one to verify it; counts in its
 * rows. */
#include "models/migrations/migrations.h"

/* An older version does not mind them. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0004 = {
    .number = 4,
    .name = "audit_indexes",
    .revision = "1",
    .structure = true,
    .down = down,
};
