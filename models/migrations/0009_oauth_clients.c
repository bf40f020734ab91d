/* Migration 9: OAuth clients. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/oauth_client.h"
#include "models/tenant.h"

/* An older version would forget them, and what they were issued would end. */
static enum err down(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("clients", "{", "$gt", BCON_INT64(0), "}");

    TRY(migrations_refuse_if_any(ctx, &tenant_usage_schema, filter,
                                 "there are OAuth clients: delete them first"));
    return db_drop_collection(ctx, &oauth_client_schema);
}

const struct migration migration_0009 = {
    .number = 9,
    .name = "oauth_clients",
    .revision = "1",
    .structure = true,
    .down = down,
};
