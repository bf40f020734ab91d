/* Migration 15: schemas of custom fields, by tenant and version. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/custom_schema.h"
#include "models/tenant.h"

/* An older version obeys none; what was published would be forgotten. */
static enum err down(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("schema_version", "{", "$gt", BCON_INT64(0), "}");

    TRY(migrations_refuse_if_any(ctx, &tenant_schema, filter,
                                 "tenants have published schemas of custom fields"));
    return db_drop_collection(ctx, &custom_schema_schema);
}

const struct migration migration_0015 = {
    .number = 15,
    .name = "custom_schemas",
    .revision = "1",
    .structure = true,
    .down = down,
};
