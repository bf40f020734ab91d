/* Migration 3: the records of requests with an Idempotency-Key, found by _id, gone after a day. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/idempotency.h"

static enum err down(struct ctx *ctx)
{
    return db_drop_collection(ctx, &idempotency_schema);
}

const struct migration migration_0003 = {
    .number = 3,
    .name = "idempotency_keys",
    .revision = "1",
    .structure = true,
    .down = down,
};
