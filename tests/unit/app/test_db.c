/*
 * The door to data: whose documents a call can reach (TI-4, TI-5), what it writes with (OP-1), how
 * it names what went wrong, and what it does with structure (OP-4, OP-16). Needs a real MongoDB.
 */
#include "app/db.h"

#include <stdlib.h>

#include "app/migrate.h"
#include "models/user.h"
#include "support/database.h"
#include "support/thing.h"
#include "support/unit.h"

/* Beside the thing of a tenant: a global one, one in the tenants' own collections. */
/* clang-format off */
static const struct schema global_schema = {
    .name = "global_thing", .collection = "global_things", .global = true,
    .size = sizeof(struct thing), SCHEMA_FIELDS(thing_fields),
};
static const struct schema own_schema = {
    .name = "own_thing", .per_tenant_collection = true,
    .size = sizeof(struct thing), SCHEMA_FIELDS(thing_fields),
};
static const struct schema unstored_schema = {
    .name = "unstored", .size = sizeof(struct thing), SCHEMA_FIELDS(thing_fields),
};
static const struct db_index thing_indexes[] = {
    {.name = "tenant_id_1_name_1", .keys = (const char *const[]){"tenant_id", "name", NULL}, .unique = true, .partial_exists = "name", .ttl_seconds = -1},
    {.name = "tenant_id_1_count_-1", .keys = (const char *const[]){"tenant_id", "-count", NULL}, .ttl_seconds = -1},
};
/* clang-format on */

static struct database database;
static struct uuid tenant_a, tenant_b;

static int setup(void **state)
{
    (void)state;
    if (!database_begin(&database, NULL))
        return 0;
    tenant_a = uuid_new();
    tenant_b = uuid_new();
    return db_ensure_collection(&database.ctx, &thing_schema, thing_indexes,
                                COUNT_OF(thing_indexes)) == ERR_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    if (database.app.db == NULL)
        return 0;
    database_forget(&database);
    fail_clear(&database.ctx);
    database.ctx.tenant_id = tenant_a;
    return 0;
}

static struct thing insert(const struct uuid *tenant, const char *name, int64_t count)
{
    struct uuid before = database.ctx.tenant_id;

    database.ctx.tenant_id = *tenant;
    struct thing thing = thing_insert(&database.ctx, name, count);
    database.ctx.tenant_id = before;
    return thing;
}

static bson_t *by_id(const struct uuid *id)
{
    bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return filter;
}

/* --- isolation --- */

/* TI-5: by any means, a document of B is as good as absent for A, and stays as it was. */
static void test_foreign_documents_are_absent(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing foreign = insert(&tenant_b, "foreign", 7), found = {0};
    AUTO(bson_destroy) bson_t *filter = by_id(&foreign.id);
    AUTO(bson_destroy) bson_t *inc = BCON_NEW("$inc", "{", "count", BCON_INT64(1), "}");
    const struct db_change change = {.filter = filter, .update = inc};
    const struct db_find find = {.filter = filter};
    struct list list = {0};
    int64_t count = -1;

    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &found), ERR_NOT_FOUND);
    assert_int_equal(db_find_many(ctx, &thing_schema, &find, &list), ERR_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(db_count(ctx, &thing_schema, filter, 0, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(db_update_one(ctx, &thing_schema, filter, inc), ERR_NOT_FOUND);
    assert_int_equal(db_update_many(ctx, &thing_schema, filter, inc, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(db_find_and_update(ctx, &thing_schema, &change, &found), ERR_NOT_FOUND);
    assert_int_equal(db_delete_one(ctx, &thing_schema, filter), ERR_NOT_FOUND);
    assert_int_equal(db_delete_many(ctx, &thing_schema, NULL, &count), ERR_OK);
    assert_int_equal(count, 0);

    ctx->tenant_id = tenant_b;
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &found), ERR_OK);
    assert_int_equal(found.count, 7);
    assert_string_equal(found.name, "foreign");
}

/* The filter of a command, wherever it stands. */
static bool filter_of(const bson_t *command, bson_iter_t *ret_filter)
{
    static const char *const paths[] = {"filter", "query", "updates.0.q", "deletes.0.q",
                                        "pipeline.0.$match"};

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        bson_iter_t top, at;

        if (bson_iter_init(&top, command) && bson_iter_find_descendant(&top, paths[i], &at))
            return bson_iter_recurse(&at, ret_filter);
    }
    return false;
}

static void assert_leads_with(const bson_t *command, const struct uuid *tenant)
{
    bson_iter_t filter;
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_subtype_t subtype;

    assert_true(filter_of(command, &filter));
    assert_true(bson_iter_next(&filter));
    assert_string_equal(bson_iter_key(&filter), "tenant_id");
    bson_iter_binary(&filter, &subtype, &size, &data);
    assert_int_equal(subtype, BSON_SUBTYPE_UUID);
    assert_int_equal(size, 16);
    assert_memory_equal(data, tenant->bytes, 16);
}

/* TI-5: on the wire, the tenant leads every filter. OP-1: every write asks for majority and
 * journal. */
static void test_every_command_on_the_wire(void **state)
{
    NEEDS_DATABASE();
    static const struct schema *const schemas[] = {&thing_schema, &own_schema};
    struct ctx *ctx = &database.ctx;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("count", BCON_INT64(3));
    AUTO(bson_destroy) bson_t *set = BCON_NEW("$set", "{", "count", BCON_INT64(4), "}");
    const struct db_change change = {.filter = filter, .update = set};
    const struct db_find find = {.filter = filter, .limit = 10, .linearizable = true};
    struct thing thing = {0};
    struct list list = {0};
    int64_t count = 0;

    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        const struct schema *schema = schemas[i];

        (void)!db_find_one(ctx, schema, NULL, &thing);
        (void)!db_find_one(ctx, schema, filter, &thing);
        assert_int_equal(db_find_many(ctx, schema, &find, &list), ERR_OK);
        assert_int_equal(db_count(ctx, schema, NULL, 5, &count), ERR_OK);
        (void)!db_update_one(ctx, schema, filter, set);
        assert_int_equal(db_update_many(ctx, schema, NULL, set, &count), ERR_OK);
        (void)!db_find_and_update(ctx, schema, &change, &thing);
        (void)!db_delete_one(ctx, schema, filter);
        assert_int_equal(db_delete_many(ctx, schema, NULL, &count), ERR_OK);
    }
    assert_int_equal(database.seen_count, 2 * 9);
    for (size_t i = 0; i < database.seen_count; i++) {
        const struct seen *seen = &database.seen[i];
        bool write = strcmp(seen->name, "find") != 0 && strcmp(seen->name, "aggregate") != 0;
        bson_iter_t top, at;

        assert_leads_with(seen->command, &tenant_a);
        assert_true(bson_has_field(seen->command, "maxTimeMS"));
        assert_int_equal(bson_has_field(seen->command, "writeConcern"), write);
        if (!write)
            continue;
        assert_true(bson_iter_init(&top, seen->command));
        assert_true(bson_iter_find_descendant(&top, "writeConcern.w", &at));
        assert_string_equal(bson_iter_utf8(&at, NULL), "majority");
        assert_true(bson_iter_init(&top, seen->command));
        assert_true(bson_iter_find_descendant(&top, "writeConcern.j", &at));
        assert_true(bson_iter_bool(&at));
    }
}

/* TI-4: the collection's name has exactly one form, made of the tenant's id. */
static void test_users_collection_name(void **state)
{
    NEEDS_DATABASE();
    struct thing thing = {0};
    char hex[UUID_HEX_SIZE], expected[64];
    bson_iter_t it;

    (void)!db_find_one(&database.ctx, &own_schema, NULL, &thing);
    assert_true(bson_iter_init_find(&it, database.seen[0].command, "find"));
    uuid_hex(&tenant_a, hex);
    assert_int_equal(snprintf(expected, sizeof expected, "users_%s", hex), 38);
    assert_string_equal(bson_iter_utf8(&it, NULL), expected);
}

/* TI-4: no tenant, no documents; and nothing is sent. */
static void test_without_a_tenant(void **state)
{
    NEEDS_DATABASE();
    static const struct schema *const schemas[] = {&thing_schema, &own_schema, &unstored_schema};
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_make(&tenant_a, "x", 1);
    const struct db_find find = {0};
    struct list list = {0};
    int64_t count = 0;

    ctx->tenant_id = (struct uuid){0};
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        assert_int_equal(db_find_one(ctx, schemas[i], NULL, &thing), ERR_INTERNAL);
        assert_int_equal(db_find_many(ctx, schemas[i], &find, &list), ERR_INTERNAL);
        assert_int_equal(db_count(ctx, schemas[i], NULL, 0, &count), ERR_INTERNAL);
        assert_int_equal(db_insert(ctx, schemas[i], &thing), ERR_INTERNAL);
        assert_int_equal(db_delete_many(ctx, schemas[i], NULL, &count), ERR_INTERNAL);
    }
    assert_int_equal(database.seen_count, 0);
}

/* TI-4, TI-5: what would name another tenant, or bring a document under one, is refused unsent. */
static void test_refused_writes(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing foreign = thing_make(&tenant_b, "f", 1), nobodys = thing_make(&tenant_b, "n", 1);
    struct thing mixed[] = {thing_make(&tenant_a, "m1", 1), thing_make(&tenant_b, "m2", 1)};
    const struct list list = {.items = mixed, .count = 2};
    AUTO(bson_destroy) bson_t *named = by_id(&foreign.id);
    bson_t *const updates[] = {
        BCON_NEW("$set", "{", "tenant_id", BCON_INT64(1), "}"),
        BCON_NEW("$unset", "{", "tenant_id", BCON_INT64(1), "}"),
        BCON_NEW("$inc", "{", "count", BCON_INT64(1), "}", "$setOnInsert", "{", "tenant_id",
                 BCON_INT64(1), "}"),
        BCON_NEW("$rename", "{", "name", BCON_UTF8("tenant_id"), "}"),
        BCON_NEW("name", BCON_UTF8("replaced")),
        BCON_NEW("0", "{", "$set", "{", "tenant_id", BCON_INT64(1), "}", "}"),
        BCON_NEW("0", "{", "$unset", BCON_UTF8("tenant_id"), "}"),
        BCON_NEW("0", "{", "$replaceWith", "{", "a", BCON_INT64(1), "}", "}"),
        BCON_NEW("0", "{", "$set", "{", "a", BCON_INT64(1), "}", "}", "1", "{", "$replaceRoot", "{",
                 "newRoot", BCON_UTF8("$x"), "}", "}"),
        bson_new(),
    };

    nobodys.tenant_id = (struct uuid){0};
    assert_int_equal(db_insert(ctx, &thing_schema, &foreign), ERR_INTERNAL);
    assert_int_equal(db_insert(ctx, &thing_schema, &nobodys), ERR_INTERNAL);
    assert_int_equal(db_insert_many(ctx, &thing_schema, &list), ERR_INTERNAL);
    bson_put_uuid(named, "tenant_id", &tenant_b);
    assert_int_equal(db_find_one(ctx, &thing_schema, named, &foreign), ERR_INTERNAL);
    for (size_t i = 0; i < COUNT_OF(updates); i++) {
        const struct db_change change = {.update = updates[i], .upsert = true};

        assert_int_equal(db_update_one(ctx, &thing_schema, NULL, updates[i]), ERR_INTERNAL);
        assert_int_equal(db_find_and_update(ctx, &thing_schema, &change, &foreign), ERR_INTERNAL);
        bson_destroy(updates[i]);
    }
    assert_int_equal(database.seen_count, 0);
}

/* Global documents have no tenant, with or without one in the ctx. */
static void test_global(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_make(&(struct uuid){0}, "global", 2), found = {0};
    AUTO(bson_destroy) bson_t *filter = by_id(&thing.id);

    ctx->tenant_id = (struct uuid){0};
    assert_int_equal(db_insert(ctx, &global_schema, &thing), ERR_OK);
    assert_int_equal(db_find_one(ctx, &global_schema, filter, &found), ERR_OK);
    ctx->tenant_id = tenant_a;
    assert_int_equal(db_find_one(ctx, &global_schema, filter, &found), ERR_OK);
    assert_int_equal(found.count, 2);
    for (size_t i = 0; i < database.seen_count; i++)
        assert_false(bson_has_field(database.seen[i].command, "filter.tenant_id"));
}

/* --- results --- */

static void test_changes(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = insert(&tenant_a, "changes", 1), found = {0};
    struct uuid absent = uuid_new();
    AUTO(bson_destroy) bson_t *filter = by_id(&thing.id);
    AUTO(bson_destroy) bson_t *other = by_id(&absent);
    AUTO(bson_destroy) bson_t *inc = BCON_NEW("$inc", "{", "count", BCON_INT64(1), "}");
    AUTO(bson_destroy)
    bson_t *pipeline = BCON_NEW("0", "{", "$set", "{", "name", BCON_UTF8("made"), "count",
                                BCON_INT64(9), "}", "}");
    struct db_change change = {.filter = filter, .update = inc};

    assert_int_equal(db_find_and_update(ctx, &thing_schema, &change, &found), ERR_OK);
    assert_int_equal(found.count, 2);
    change.before = true;
    assert_int_equal(db_find_and_update(ctx, &thing_schema, &change, &found), ERR_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(db_update_one(ctx, &thing_schema, filter, inc), ERR_OK);
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &found), ERR_OK);
    assert_int_equal(found.count, 4);

    /* An upsert makes a document of this tenant; "before" shows that it is new. */
    change = (struct db_change){
        .filter = other, .update = pipeline, .pipeline = true, .upsert = true, .before = true};
    assert_int_equal(db_find_and_update(ctx, &thing_schema, &change, &found), ERR_OK);
    assert_true(uuid_is_zero(&found.id));
    assert_int_equal(db_find_one(ctx, &thing_schema, other, &found), ERR_OK);
    assert_true(uuid_equal(&found.tenant_id, &tenant_a));
    assert_int_equal(found.count, 9);

    assert_int_equal(db_delete_one(ctx, &thing_schema, filter), ERR_OK);
    assert_int_equal(db_delete_one(ctx, &thing_schema, filter), ERR_NOT_FOUND);
    assert_int_equal(ctx->failure.code, ERR_OK);
}

/* More documents than one answer of 16 MB would need a second batch; the order and limit hold. */
static void test_lists(void **state)
{
    NEEDS_DATABASE();
    enum { MANY = 300 };
    struct ctx *ctx = &database.ctx;
    struct uuid tenant = uuid_new();
    static struct thing things[MANY];
    static char names[MANY][16];
    const struct list all = {.items = things, .count = MANY};
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("count", BCON_INT32(-1));
    struct db_find find = {.sort = sort};
    struct list list = {0};
    int64_t count = 0;

    ctx->tenant_id = tenant;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        things[i] = thing_make(&tenant, names[i], i);
    }
    assert_int_equal(db_insert_many(ctx, &thing_schema, &all), ERR_OK);
    assert_int_equal(db_find_many(ctx, &thing_schema, &find, &list), ERR_OK);
    assert_int_equal(list.count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(((struct thing *)list.items)[i].count, MANY - 1 - i);
    find.limit = 7;
    assert_int_equal(db_find_many(ctx, &thing_schema, &find, &list), ERR_OK);
    assert_int_equal(list.count, 7);
    assert_int_equal(db_count(ctx, &thing_schema, NULL, 0, &count), ERR_OK);
    assert_int_equal(count, MANY);
    assert_int_equal(db_count(ctx, &thing_schema, NULL, 10, &count), ERR_OK);
    assert_int_equal(count, 10);
    assert_int_equal(db_delete_many(ctx, &thing_schema, NULL, &count), ERR_OK);
    assert_int_equal(count, MANY);
}

/* OP-4: uniqueness is the index's, within the tenant; the failure names the index, not the value.
 */
static void test_duplicates(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing first = insert(&tenant_a, "twice", 1), second = thing_make(&tenant_a, "twice", 2);

    (void)insert(&tenant_b, "twice", 1);
    assert_int_equal(db_insert(ctx, &thing_schema, &second), ERR_CONFLICT);
    assert_string_equal(ctx->failure.field, "tenant_id_1_name_1");
    assert_null(ctx->failure.internal);
    second = first;
    second.name = "other";
    assert_int_equal(db_insert(ctx, &thing_schema, &second), ERR_CONFLICT);
    assert_string_equal(ctx->failure.field, "_id_");
}

/* OP-16: the validator refuses what the table does not allow, and lets unknown fields be. */
static void test_validator(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = insert(&tenant_a, "valid", 1), nameless = thing_make(&tenant_a, NULL, 1);
    AUTO(bson_destroy) bson_t *filter = by_id(&thing.id);
    AUTO(bson_destroy) bson_t *wrong = BCON_NEW("$set", "{", "count", BCON_UTF8("many"), "}");
    AUTO(bson_destroy) bson_t *unknown = BCON_NEW("$set", "{", "newer", BCON_INT32(1), "}");

    assert_int_equal(db_insert(ctx, &thing_schema, &nameless), ERR_INTERNAL);
    assert_int_equal(db_update_one(ctx, &thing_schema, filter, wrong), ERR_INTERNAL);
    assert_false(db_outcome_unknown(ctx));
    assert_int_equal(db_update_one(ctx, &thing_schema, filter, unknown), ERR_OK);
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &thing), ERR_OK);
}

/* --- structure --- */

static void test_structure(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    int64_t before = 0, after = 0, files = -1;

    assert_int_equal(db_collection_count(ctx, &before), ERR_OK);
    assert_int_equal(db_verify_indexes(ctx, &own_schema, user_indexes, user_index_count),
                     ERR_NOT_FOUND);
    assert_int_equal(db_ensure_collection(ctx, &user_schema, user_indexes, user_index_count),
                     ERR_OK);
    assert_int_equal(db_ensure_collection(ctx, &user_schema, user_indexes, user_index_count),
                     ERR_OK);
    assert_int_equal(db_verify_indexes(ctx, &user_schema, user_indexes, user_index_count), ERR_OK);
    assert_int_equal(db_collection_count(ctx, &after), ERR_OK);
    assert_int_equal(after, before + 1);
    assert_int_equal(db_drop_collection(ctx, &user_schema), ERR_OK);
    assert_int_equal(db_drop_collection(ctx, &user_schema), ERR_OK);
    assert_int_equal(db_open_file_limit(ctx, &files), ERR_OK);
    assert_true(files > 0);
}

/* OP-4: an index that is missing or another one is seen. */
static void test_verifying(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct db_index index = thing_indexes[0];

    assert_int_equal(db_verify_indexes(ctx, &thing_schema, thing_indexes, 2), ERR_OK);
    index.unique = false;
    assert_int_equal(db_verify_indexes(ctx, &thing_schema, &index, 1), ERR_NOT_FOUND);
    index = thing_indexes[0];
    index.partial_exists = NULL;
    assert_int_equal(db_verify_indexes(ctx, &thing_schema, &index, 1), ERR_NOT_FOUND);
    index = thing_indexes[0];
    index.ttl_seconds = 0;
    assert_int_equal(db_verify_indexes(ctx, &thing_schema, &index, 1), ERR_NOT_FOUND);
    index = thing_indexes[0];
    index.keys = (const char *const[]){"name", "tenant_id", NULL};
    assert_int_equal(db_verify_indexes(ctx, &thing_schema, &index, 1), ERR_NOT_FOUND);
    index.name = "none";
    assert_int_equal(db_verify_indexes(ctx, &thing_schema, &index, 1), ERR_NOT_FOUND);
    assert_non_null(strstr(ctx->failure.internal, "none"));
    assert_int_equal(db_verify_indexes(ctx, &global_schema, NULL, 0), ERR_OK);
}

static void test_ping(void **state)
{
    NEEDS_DATABASE();
    assert_int_equal(db_ping(&database.ctx), ERR_OK);
}

#define CASE(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_global),
        CASE(test_foreign_documents_are_absent),
        CASE(test_every_command_on_the_wire),
        CASE(test_users_collection_name),
        CASE(test_without_a_tenant),
        CASE(test_refused_writes),
        CASE(test_changes),
        CASE(test_lists),
        CASE(test_duplicates),
        CASE(test_validator),
        CASE(test_structure),
        CASE(test_verifying),
        CASE(test_ping),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
