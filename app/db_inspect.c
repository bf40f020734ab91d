/*
 * Looking at structure: indexes and validators as they are beside those that this version wants,
 * and which collections of tenants there are. Changes nothing.
 */
#include "app/db.h"

#include <string.h>

#include "app/db_internal.h"

#define PLACE_BATCH  500
#define PLACE_PREFIX "users_" /* see db_place */

static bool is_true(const bson_t *doc, const char *name)
{
    bson_iter_t it;

    return bson_iter_init_find(&it, doc, name) && bson_iter_as_bool(&it);
}

/* The first entry of a cursor's answer; further ones by bson_iter_next. */
static bool open_entries(const bson_t *reply, bson_iter_t *ret_entries)
{
    bson_iter_t top, batch;

    return bson_iter_init(&top, reply) &&
           bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) &&
           bson_iter_recurse(&batch, ret_entries);
}

static bool next_entry(bson_iter_t *entries, bson_t *ret_doc, const char **ret_name)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t it;

    if (!bson_iter_next(entries) || !BSON_ITER_HOLDS_DOCUMENT(entries))
        return false;
    bson_iter_document(entries, &size, &data);
    if (!bson_init_static(ret_doc, data, size) || !bson_iter_init_find(&it, ret_doc, "name") ||
        !BSON_ITER_HOLDS_UTF8(&it))
        return false;
    *ret_name = bson_iter_utf8(&it, NULL);
    return true;
}

/* --- indexes --- */

static bool same_number(const bson_t *found, const char *name, int64_t expected)
{
    bson_iter_t it;

    if (!bson_iter_init_find(&it, found, name))
        return expected < 0;
    return bson_iter_as_int64(&it) == expected;
}

static bool same_document(const bson_t *found, const char *name, const bson_t *expected)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t it;
    bson_t doc;

    if (!bson_iter_init_find(&it, found, name) || !BSON_ITER_HOLDS_DOCUMENT(&it))
        return bson_empty(expected);
    bson_iter_document(&it, &size, &data);
    return bson_init_static(&doc, data, size) && bson_equal(&doc, expected);
}

static bool has_collation(const bson_t *found, bool ignores_case)
{
    bson_iter_t it, locale, strength;

    if (!bson_iter_init_find(&it, found, "collation"))
        return !ignores_case;
    return ignores_case && bson_iter_recurse(&it, &locale) && bson_iter_find(&locale, "locale") &&
           BSON_ITER_HOLDS_UTF8(&locale) &&
           strcmp(bson_iter_utf8(&locale, NULL), DB_COLLATION_LOCALE) == 0 &&
           bson_iter_recurse(&it, &strength) && bson_iter_find(&strength, "strength") &&
           bson_iter_as_int64(&strength) == DB_COLLATION_STRENGTH;
}

static bool is_index(const bson_t *found, const struct db_index *index)
{
    bson_t keys_bytes = BSON_INITIALIZER, partial_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *keys = &keys_bytes;
    AUTO(bson_destroy) bson_t *partial = &partial_bytes;

    db_put_index_keys(index, keys);
    db_put_index_partial(index, partial);
    return same_document(found, "key", keys) &&
           same_document(found, "partialFilterExpression", partial) &&
           is_true(found, "unique") == index->unique && has_collation(found, index->ignores_case) &&
           same_number(found, "expireAfterSeconds",
                       index->ttl_seconds >= 0 ? index->ttl_seconds : -1);
}

/* The index as listIndexes tells of it; false when there is none of that name. */
static bool find_index(const bson_t *reply, const char *name, bson_t *ret_index)
{
    const char *found = NULL;
    bson_iter_t entries;

    if (!open_entries(reply, &entries))
        return false;
    while (next_entry(&entries, ret_index, &found)) {
        if (strcmp(found, name) == 0)
            return true;
    }
    return false;
}

static enum err list_indexes(struct db_call *call, bson_t *reply)
{
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;

    call->expected_code = DB_CODE_NO_NAMESPACE;
    bson_put_text(command, "listIndexes", call->collection);
    enum err err = db_run(call, command, reply);
    if (err == ERR_INTERNAL && db_reply_int(reply, "code") == DB_CODE_NO_NAMESPACE)
        return fail_internal(call->ctx, ERR_NOT_FOUND, "the collection %s is missing: run migrate",
                             call->collection);
    return err;
}

enum err db_verify_indexes(struct ctx *ctx, const struct schema *schema,
                           const struct db_index *indexes, size_t count)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER, found;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_INSPECT, &call));
    TRY(list_indexes(&call, reply));
    for (size_t i = 0; i < count; i++) {
        if (!find_index(reply, indexes[i].name, &found))
            return fail_internal(ctx, ERR_NOT_FOUND, "the index %s of %s is missing: run migrate",
                                 indexes[i].name, call.collection);
        if (!is_index(&found, &indexes[i]))
            return fail_internal(ctx, ERR_NOT_FOUND,
                                 "the index %s of %s is not as this version needs it: drop it and "
                                 "run migrate",
                                 indexes[i].name, call.collection);
    }
    return ERR_OK;
}

/* --- everything that differs --- */

struct inspection {
    struct db_call *call;
    const struct db_structure *wanted;
    struct db_difference *found; /* room for all that there can be */
    size_t found_count;
};

static enum err note(struct inspection *inspection, enum db_wrong what, const char *index,
                     bool is_unique)
{
    struct ctx *ctx = inspection->call->ctx;
    struct db_difference *difference = &inspection->found[inspection->found_count++];

    *difference = (struct db_difference){
        .what = what,
        .collection = arena_strdup(ctx->arena, inspection->call->collection),
        .index = index != NULL ? arena_strdup(ctx->arena, index) : NULL,
        .is_unique = is_unique,
    };
    return difference->collection == NULL || (index != NULL && difference->index == NULL)
               ? ERR_MEMORY
               : ERR_OK;
}

static bool is_wanted(const struct inspection *inspection, const char *name)
{
    for (size_t i = 0; i < inspection->wanted->count; i++) {
        if (strcmp(inspection->wanted->indexes[i].name, name) == 0)
            return true;
    }
    return strcmp(name, "_id_") == 0;
}

static enum err compare_indexes(struct inspection *inspection, const bson_t *reply)
{
    const char *name = NULL;
    bson_iter_t entries;
    bson_t found;

    for (size_t i = 0; i < inspection->wanted->count; i++) {
        const struct db_index *index = &inspection->wanted->indexes[i];

        if (!find_index(reply, index->name, &found))
            TRY(note(inspection, DB_INDEX_MISSING, index->name, index->unique));
        else if (!is_index(&found, index))
            TRY(note(inspection, DB_INDEX_DIFFERENT, index->name, is_true(&found, "unique")));
    }
    if (!open_entries(reply, &entries))
        return ERR_OK;
    while (next_entry(&entries, &found, &name)) {
        if (!is_wanted(inspection, name))
            TRY(note(inspection, DB_INDEX_SURPLUS, name, is_true(&found, "unique")));
    }
    return ERR_OK;
}

static bool has_word(const bson_t *reply, const char *path, const char *word)
{
    bson_iter_t top, it;

    if (!bson_iter_init(&top, reply) || !bson_iter_find_descendant(&top, path, &it))
        return true; /* it is the server's default */
    return BSON_ITER_HOLDS_UTF8(&it) && strcmp(bson_iter_utf8(&it, NULL), word) == 0;
}

#define OPTIONS "cursor.firstBatch.0.options."

static enum err compare_validator(struct inspection *inspection, const bson_t *reply)
{
    AUTO(bson_destroy)
    bson_t *wanted = inspection->wanted->validator != NULL
                         ? bson_copy(inspection->wanted->validator)
                         : schema_validator(inspection->call->schema);
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t top, it;
    bson_t found;

    if (wanted == NULL)
        return ERR_MEMORY;
    if (!bson_iter_init(&top, reply) || !bson_iter_find_descendant(&top, OPTIONS "validator", &it))
        return note(inspection, DB_VALIDATOR_MISSING, NULL, false);
    bson_iter_document(&it, &size, &data);
    if (bson_init_static(&found, data, size) && bson_equal(&found, wanted) &&
        has_word(reply, OPTIONS "validationLevel", "strict") &&
        has_word(reply, OPTIONS "validationAction", "error"))
        return ERR_OK;
    return note(inspection, DB_VALIDATOR_DIFFERENT, NULL, false);
}

static enum err inspect_validator(struct inspection *inspection)
{
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, filter;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    bson_put_int(command, "listCollections", 1);
    bson_append_document_begin(command, "filter", -1, &filter);
    bson_put_text(&filter, "name", inspection->call->collection);
    bson_append_document_end(command, &filter);
    TRY(db_run(inspection->call, command, reply));
    return compare_validator(inspection, reply);
}

enum err db_inspect(struct ctx *ctx, const struct schema *schema, const struct db_structure *wanted,
                    struct list *ret_differences)
{
    AUTO(db_call_end) struct db_call call = {0};
    struct inspection inspection = {.call = &call, .wanted = wanted};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    inspection.found =
        arena_array(ctx->arena, DB_INDEXES_MAX + wanted->count + 1, sizeof *inspection.found);
    if (inspection.found == NULL)
        return ERR_MEMORY;
    TRY(db_call_begin(ctx, schema, DB_INSPECT, &call));

    const enum err listed = list_indexes(&call, reply);

    if (listed == ERR_NOT_FOUND) {
        fail_clear(ctx);
        TRY(note(&inspection, DB_COLLECTION_MISSING, NULL, false));
    } else {
        TRY(listed);
        TRY(inspect_validator(&inspection));
        TRY(compare_indexes(&inspection, reply));
    }
    *ret_differences = (struct list){.items = inspection.found, .count = inspection.found_count};
    return ERR_OK;
}

/* --- collections of tenants --- */

struct place_walk {
    db_tenant_fn each;
    void *arg;
};

static enum err visit_place(struct ctx *ctx, const bson_t *doc, void *arg)
{
    const size_t prefix = sizeof PLACE_PREFIX - 1;
    const struct place_walk *walk = arg;
    struct uuid id;
    bson_iter_t it;

    if (!bson_iter_init_find(&it, doc, "name") || !BSON_ITER_HOLDS_UTF8(&it))
        return ERR_OK;

    const char *name = bson_iter_utf8(&it, NULL);

    if (strlen(name) != prefix + UUID_HEX_SIZE - 1 || !uuid_parse_hex(name + prefix, &id))
        return ERR_OK;
    return walk->each(ctx, &id, walk->arg);
}

enum err db_walk_user_collections(struct ctx *ctx, db_tenant_fn each, void *arg)
{
    AUTO(db_call_end) struct db_call call = {.collection = "$cmd.listCollections"};
    bson_t bytes = BSON_INITIALIZER, child, pattern;
    AUTO(bson_destroy) bson_t *command = &bytes;
    struct place_walk walk = {.each = each, .arg = arg};

    TRY(db_call_begin(ctx, NULL, DB_READ_ANY_TENANT, &call));
    bson_put_int(command, "listCollections", 1);
    bson_put_bool(command, "nameOnly", true);
    bson_append_document_begin(command, "filter", -1, &child);
    bson_append_document_begin(&child, "name", -1, &pattern);
    bson_put_text(&pattern, "$regex", "^" PLACE_PREFIX);
    bson_append_document_end(&child, &pattern);
    bson_append_document_end(command, &child);
    bson_append_document_begin(command, "cursor", -1, &child);
    bson_put_int(&child, "batchSize", PLACE_BATCH);
    bson_append_document_end(command, &child);
    return db_walk(&call, command, visit_place, &walk);
}

enum err db_collection_size(struct ctx *ctx, const struct schema *schema, int64_t *ret_documents)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_INSPECT, &call));
    TRY(list_indexes(&call, reply)); /* of a missing one the count below would be 0 */
    bson_reinit(reply);
    bson_put_text(command, "count", call.collection);
    TRY(db_run(&call, command, reply));
    *ret_documents = db_reply_int(reply, "n");
    return ERR_OK;
}
