/* Migration 12: grants are found by the browser session that they end with. */
#include "models/migrations/migrations.h"

/* An older version does not mind one index more. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0012 = {
    .number = 12,
    .name = "grants_by_session",
    .revision = "1",
    .structure = true,
    .down = down,
};
