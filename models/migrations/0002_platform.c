/*
 * Migration 2: what the platform administers tenants with: states beyond active and suspended,
 * searches by name, the counter of places, platform keys.
 */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/platform_key.h"
#include "models/tenant.h"
#include "models/tenant_places.h"

/* The canonical form that the service writes differs for capital letters beyond ASCII only; the
 * next change of such a name puts it right. */
static enum err fill_name_keys(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("name_key", "{", "$exists", BCON_BOOL(false), "}", "status", "{",
                              "$ne", BCON_UTF8("deleted"), "}");
    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW("0", "{", "$set", "{", "name_key", "{", "$toLower", "$name", "}", "}", "}");
    int64_t count = 0;

    return db_update_many(ctx, &tenant_schema, filter, update, &count);
}

static enum err up(struct ctx *ctx)
{
    TRY(fill_name_keys(ctx));
    return tenant_places_repair(ctx);
}

/* An older version does not know these states. */
static enum err down(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter =
        BCON_NEW("status", "{", "$in", "[", BCON_UTF8("deleting"), BCON_UTF8("purging"), "]", "}");

    TRY(migrations_refuse_if_any(
        ctx, &tenant_schema, filter,
        "tenants are being deleted: restore them, or wait until they are gone"));
    TRY(db_drop_collection(ctx, &platform_key_schema));
    return db_drop_collection(ctx, &platform_counter_schema);
}

const struct migration migration_0002 = {
    .number = 2,
    .name = "platform",
    .revision = "1",
    .structure = true,
    .up = up,
    .down = down,
};
