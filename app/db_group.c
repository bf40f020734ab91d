/* Counting and summing by groups, in the database. */
#include "app/db.h"

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
