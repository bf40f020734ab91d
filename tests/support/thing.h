/* A small document for tests of the data layer: one of a tenant in a central collection. */
#pragma once

#include "app/db.h"
#include "support/unit.h"

struct thing {
    struct uuid id;
    struct uuid tenant_id;
    const char *name;
    int64_t count;
};

/* clang-format off */
static const struct field thing_fields[] = {
    FIELD_UUID(struct thing, id, "id", F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct thing, tenant_id, "tenant_id", F_NONE),
    FIELD_STR(struct thing, name, "name", F_REQUIRED, 1, 50),
    FIELD_INT(struct thing, count, "count", F_NONE, 0, 1000000),
};
static const struct schema thing_schema = {
    .name = "thing", .collection = "things", .size = sizeof(struct thing), SCHEMA_FIELDS(thing_fields),
};
/* clang-format on */

static inline struct thing thing_make(const struct uuid *tenant, const char *name, int64_t count)
{
    return (struct thing){.id = uuid_new(), .tenant_id = *tenant, .name = name, .count = count};
}

/* Inserts one for the ctx's tenant. */
static inline struct thing thing_insert(struct ctx *ctx, const char *name, int64_t count)
{
    struct thing thing = thing_make(&ctx->tenant_id, name, count);

    assert_int_equal(db_insert(ctx, &thing_schema, &thing), ERR_OK);
    return thing;
}

static inline bson_t *thing_filter(const struct thing *thing)
{
    bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", &thing->id);
    return filter;
}

/* Its count as stored, -1 when it is not there. */
static inline int64_t thing_count(struct ctx *ctx, const struct thing *thing)
{
    AUTO(bson_destroy) bson_t *filter = thing_filter(thing);
    struct thing found = {0};

    if (db_find_one(ctx, &thing_schema, filter, &found) != ERR_OK)
        return -1;
    return found.count;
}

static inline enum err thing_add(struct ctx *ctx, const struct thing *thing, int64_t add)
{
    AUTO(bson_destroy) bson_t *filter = thing_filter(thing);
    AUTO(bson_destroy) bson_t *inc = BCON_NEW("$inc", "{", "count", BCON_INT64(add), "}");

    return db_update_one(ctx, &thing_schema, filter, inc);
}
