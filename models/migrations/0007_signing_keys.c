/* Migration 7: signing keys tell from when they sign. */
#include "models/migrations/migrations.h"

/* An older version signs with the key that is called "current", which stays published for a day. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0007 = {
    .number = 7,
    .name = "signing_keys",
    .revision = "1",
    .structure = true,
    .down = down,
};
