/* Migration 5: the shared part of rate limits. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/rate_limit.h"

static enum err down(struct ctx *ctx)
{
    return db_drop_collection(ctx, &rate_limit_schema);
}

const struct migration migration_0005 = {
    .number = 5,
    .name = "rate_limits",
    .revision = "1",
    .structure = true,
    .down = down,
};
