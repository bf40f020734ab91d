/* Migration 6: the accounts that were closed and wait for their removal, by the time it is due. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/user_removal.h"

/* An older version would forget them. */
static enum err down(struct ctx *ctx)
{
    TRY(migrations_refuse_if_any(ctx, &user_removal_schema, NULL,
                                 "closed accounts wait for their removal: make them active again, "
                                 "or wait until they are gone"));
    return db_drop_collection(ctx, &user_removal_schema);
}

const struct migration migration_0006 = {
    .number = 6,
    .name = "user_removals",
    .revision = "1",
    .structure = true,
    .down = down,
};
