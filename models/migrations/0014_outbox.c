/* Migration 14: the outbox, and the clients that got something by a session. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/outbox.h"

/* An older version tells nobody; what waits would be forgotten. */
static enum err down(struct ctx *ctx)
{
    TRY(migrations_refuse_if_any(ctx, &outbox_schema, NULL,
                                 "messages wait in the outbox: let them be delivered first"));
    return db_drop_collection(ctx, &outbox_schema);
}

const struct migration migration_0014 = {
    .number = 14,
    .name = "outbox",
    .revision = "1",
    .structure = true,
    .down = down,
};
