/* Migration 9: OAuth clients. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/oauth_client.h"

/* An older version would forget them, and what they were issued would end. */
static enum err down(struct ctx *ctx)
{
    TRY(migrations_refuse_if_any(ctx, &oauth_client_schema, NULL,
                                 "there are OAuth clients: delete them first"));
    return db_drop_collection(ctx, &oauth_client_schema);
}

const struct migration migration_0009 = {
    .number = 9,
    .name = "oauth_clients",
    .revision = "1",
    .up = migrations_ensure,
    .down = down,
};
