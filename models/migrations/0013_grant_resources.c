/* Migration 13: grants and consents tell whom access tokens are for, grants which claims were asked
 * for by name; tenants name the services that tokens may be for. */
#include "models/migrations/migrations.h"

/* An older version passes over what it does not know. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0013 = {
    .number = 13,
    .name = "grant_resources",
    .revision = "1",
    .structure = true,
    .down = down,
};
