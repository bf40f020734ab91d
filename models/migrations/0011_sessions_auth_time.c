/* Migration 11: sessions tell when their user was proven, where that is not when they were opened.
 */
#include "models/migrations/migrations.h"

/* An older version takes the opening for it. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0011 = {
    .number = 11,
    .name = "sessions_auth_time",
    .revision = "1",
    .structure = true,
    .down = down,
};
