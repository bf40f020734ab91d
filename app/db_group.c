/* Grouping in the database: counting, summing, and finding what is not unique. */
#include "app/db.h"

#include <string.h>

#include "app/db_internal.h"

static void put_reference(bson_t *out, const char *name, const char *field)
{
    char path[72];

    (void)snprintf(path, sizeof path, "$%s", field);
    bson_put_text(out, name, path);
}

/* {_id: {a: "$a"}, a: {$first: "$a"}, s: {$sum: "$s"}, n: {$sum: 1}}: the fields stand beside the
 * sums, so that a row is decoded like any document. */
static void put_group(const struct db_group *group, bson_t *stage)
{
    bson_t fields, child;

    BSON_APPEND_DOCUMENT_BEGIN(stage, "$group", &fields);
    BSON_APPEND_DOCUMENT_BEGIN(&fields, "_id", &child);
    for (const char *const *by = group->by; *by != NULL; by++)
        put_reference(&child, *by, *by);
    bson_append_document_end(&fields, &child);
    for (const char *const *by = group->by; *by != NULL; by++) {
        bson_append_document_begin(&fields, *by, -1, &child);
        put_reference(&child, "$first", *by);
        bson_append_document_end(&fields, &child);
    }
    for (const char *const *sum = group->sums; *sum != NULL; sum++) {
        bson_append_document_begin(&fields, *sum, -1, &child);
        put_reference(&child, "$sum", *sum);
        bson_append_document_end(&fields, &child);
    }
    BSON_APPEND_DOCUMENT_BEGIN(&fields, "n", &child);
    bson_put_int(&child, "$sum", 1);
    bson_append_document_end(&fields, &child);
    bson_append_document_end(stage, &fields);
}

enum err db_group(struct ctx *ctx, const struct schema *schema, const struct db_group *group,
                  struct list *ret_list)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, stages, stage, child;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    bson_put_text(command, "aggregate", call.collection);
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &stages);
    BSON_APPEND_DOCUMENT_BEGIN(&stages, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$match", &child);
    enum err err = db_filter(&call, group->filter, &child);
    bson_append_document_end(&stage, &child);
    bson_append_document_end(&stages, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stages, "1", &stage);
    put_group(group, &stage);
    bson_append_document_end(&stages, &stage);
    bson_append_array_end(command, &stages);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &child);
    bson_put_int(&child, "batchSize", DB_MAX_RESULTS);
    bson_append_document_end(command, &child);
    TRY(err);
    TRY(db_run(&call, command, reply));
    *ret_list = (struct list){0};
    call.schema = group->result;
    return db_decode_batch(&call, reply, "cursor.firstBatch", ret_list);
}

/* --- what is not unique --- */

static void put_stage(bson_t *stages, uint32_t *count, const bson_t *stage)
{
    char text[16];
    const char *key = NULL;

    (void)bson_uint32_to_string((*count)++, &key, text, sizeof text);
    (void)bson_append_document(stages, key, -1, stage);
}

static void put_duplicate_stages(const struct db_duplicates *duplicates, const char *value,
                                 const bson_t *match, bson_t *stages)
{
    AUTO(bson_destroy)
    bson_t *several = BCON_NEW("$match", "{", "n", "{", "$gt", BCON_INT32(1), "}", "}");
    AUTO(bson_destroy) bson_t *limit = BCON_NEW("$limit", BCON_INT64(duplicates->limit));
    uint32_t count = 0;

    AUTO(bson_destroy)
    bson_t *group = BCON_NEW("$group", "{", "_id", BCON_UTF8(value), "n", "{", "$sum",
                             BCON_INT32(1), "}", "ids", "{", "$firstN", "{", "input",
                             BCON_UTF8("$_id"), "n", BCON_INT32(2), "}", "}", "}");
    put_stage(stages, &count, match);
    put_stage(stages, &count, group);
    put_stage(stages, &count, several);
    put_stage(stages, &count, limit);
}

static enum err read_ids(struct ctx *ctx, const bson_t *reply, int64_t limit, struct list *ret_ids)
{
    struct uuid *ids = arena_array(ctx->arena, (size_t)limit * 2, sizeof *ids);
    bson_iter_t top, batch, group, item;
    size_t count = 0;

    if (ids == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for what is not unique");
    if (bson_iter_init(&top, reply) &&
        bson_iter_find_descendant(&top, "cursor.firstBatch", &group) &&
        bson_iter_recurse(&group, &batch)) {
        while (bson_iter_next(&batch)) {
            if (!bson_iter_recurse(&batch, &group) || !bson_iter_find(&group, "ids") ||
                !bson_iter_recurse(&group, &item))
                continue;
            while (bson_iter_next(&item) && count < (size_t)limit * 2) {
                const uint8_t *data = NULL;
                uint32_t size = 0;

                bson_iter_binary(&item, NULL, &size, &data);
                if (size == sizeof ids->bytes)
                    memcpy(ids[count++].bytes, data, size);
            }
        }
    }
    *ret_ids = (struct list){.items = ids, .count = count};
    return ERR_OK;
}

enum err db_find_duplicates(struct ctx *ctx, const struct schema *schema,
                            const struct db_duplicates *duplicates, struct list *ret_ids)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    AUTO(bson_destroy) bson_t *command = bson_new();
    AUTO(bson_destroy) bson_t *match = bson_new();
    AUTO(bson_destroy) bson_t *stages = bson_new();
    AUTO(bson_destroy)
    bson_t *exists = BCON_NEW(duplicates->path, "{", "$exists", BCON_BOOL(true), "}");
    const char *value = arena_printf(ctx->arena, "$%s", duplicates->path);
    bson_t child;
    enum err err;

    if (value == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for what is not unique");
    TRY(db_call_begin(ctx, schema, DB_READ_LONG, &call));
    BSON_APPEND_DOCUMENT_BEGIN(match, "$match", &child);
    err = db_filter(&call, exists, &child);
    bson_append_document_end(match, &child);
    TRY(err);
    put_duplicate_stages(duplicates, value, match, stages);
    bson_put_text(command, "aggregate", call.collection);
    BSON_APPEND_ARRAY(command, "pipeline", stages);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &child);
    bson_put_int(&child, "batchSize", DB_MAX_RESULTS);
    bson_append_document_end(command, &child);
    bson_put_bool(command, "allowDiskUse", true);
    if (duplicates->ignores_case) {
        BSON_APPEND_DOCUMENT_BEGIN(command, "collation", &child);
        bson_put_text(&child, "locale", DB_COLLATION_LOCALE);
        bson_put_int(&child, "strength", DB_COLLATION_STRENGTH);
        bson_append_document_end(command, &child);
    }
    TRY(db_run(&call, command, reply));
    return read_ids(ctx, reply, duplicates->limit, ret_ids);
}
