/* Schemas of custom fields: kept, found, obeyed. Publishing stands in custom_schema_put.c. */
#include "models/custom_schema.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/db.h"
#include "app/value_bson.h"
#include "models/tenant.h"

/* clang-format off */
static const struct field custom_schema_fields[] = {
    FIELD_UUID(struct custom_schema, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct custom_schema, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_INT(struct custom_schema, version, "version", F_READONLY | F_REQUIRED, 1, INT64_MAX),
    FIELD_DOC(struct custom_schema, schema, "schema", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct custom_schema, created_by, "created_by", F_READONLY),
    FIELD_TIME(struct custom_schema, created_at, "created_at", F_READONLY | F_REQUIRED),
};
const struct schema custom_schema_schema = {
    .name = "custom_schema", .collection = "custom_schemas",
    .size = sizeof(struct custom_schema), SCHEMA_FIELDS(custom_schema_fields),
};
/* clang-format on */

enum err custom_schema_version(struct ctx *ctx, int64_t version, struct custom_schema *ret_schema)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_int(filter, "version", version);
    return db_find_one(ctx, &custom_schema_schema, filter, ret_schema);
}

enum err custom_schema_find(struct ctx *ctx, struct custom_schema *ret_schema)
{
    const int64_t version = ctx->tenant != NULL ? ctx->tenant->schema_version : 0;

    return version > 0 ? custom_schema_version(ctx, version, ret_schema) : ERR_NOT_FOUND;
}

/* ---- compiled ---- */

/* A version never changes, so an entry is never wrong. */
struct shape_key {
    struct uuid tenant_id;
    int64_t version;
};

enum err custom_schema_compile(struct ctx *ctx, const struct bytes *schema,
                               const struct shape **ret_shape)
{
    struct value value;

    TRY(value_from_bson(ctx, schema, &value));
    return shape_compile(ctx, &value, ret_shape);
}

enum err custom_schema_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct custom_schema stored = {0};
    const struct shape *shape = NULL;
    struct shape_key wanted;

    if (size != sizeof wanted)
        return ERR_INTERNAL;
    memcpy(&wanted, key, sizeof wanted);
    TRY(custom_schema_version(ctx, wanted.version, &stored));
    TRY(custom_schema_compile(ctx, &stored.schema, &shape));
    *ret_data = shape;
    return ERR_OK;
}

enum err custom_schema_shape(struct ctx *ctx, const struct shape **ret_shape)
{
    const struct shape_key key = {
        .tenant_id = ctx->tenant_id,
        .version = ctx->tenant != NULL ? ctx->tenant->schema_version : 0,
    };
    const void *data = NULL;

    if (key.version == 0)
        return ERR_NOT_FOUND;

    const enum err found = cache_get(ctx->app->shapes, ctx, &key, sizeof key, &data);

    /* Without it nothing may be written: a mistake of ours, or somebody changed the database. */
    if (found == ERR_NOT_FOUND || found == ERR_SCHEMA)
        return fail_internal(ctx, ERR_INTERNAL, "version %lld of the tenant's schema is unusable",
                             (long long)key.version);
    TRY(found);
    *ret_shape = data;
    return ERR_OK;
}
