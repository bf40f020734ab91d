/* Removing what has expired, of all tenants at once: ids by the index of the time, then these. */
#include "app/db.h"

#include "app/db_internal.h"

/* {field: {$gt: 0, $lt: before}} */
static void put_expired(const struct db_expired *expired, bson_t *out)
{
    bson_t range;

    bson_append_document_begin(out, expired->field, -1, &range);
    (void)bson_append_date_time(&range, "$gt", -1, 0);
    (void)bson_append_date_time(&range, "$lt", -1, expired->before);
    bson_append_document_end(out, &range);
}

static enum err find_ids(struct ctx *ctx, const struct schema *schema,
                         const struct db_expired *expired, bson_t *reply)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t bytes = BSON_INITIALIZER, child;
    AUTO(bson_destroy) bson_t *command = &bytes;

    TRY(db_call_begin(ctx, schema, DB_READ_ANY_TENANT, &call));
    bson_put_text(command, "find", call.collection);
    bson_append_document_begin(command, "filter", -1, &child);
    put_expired(expired, &child);
    bson_append_document_end(command, &child);
    bson_append_document_begin(command, "projection", -1, &child);
    bson_put_int(&child, "_id", 1);
    bson_append_document_end(command, &child);
    bson_put_int(command, "limit", expired->limit);
    bson_put_int(command, "batchSize", expired->limit);
    bson_put_bool(command, "singleBatch", true);
    return db_run(&call, command, reply);
}

/* Appends {_id: {$in: […]}} and the time again: what was used meanwhile stays. */
static int64_t put_found(const bson_t *reply, const struct db_expired *expired, bson_t *filter)
{
    bson_iter_t top, batch, entry, id;
    bson_t in, ids;
    int64_t count = 0;

    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &ids);
    if (bson_iter_init(&top, reply) &&
        bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) &&
        bson_iter_recurse(&batch, &entry)) {
        while (bson_iter_next(&entry)) {
            if (!BSON_ITER_HOLDS_DOCUMENT(&entry) || !bson_iter_recurse(&entry, &id) ||
                !bson_iter_find(&id, "_id"))
                continue;
            (void)bson_append_iter(&ids, bson_iter_key(&entry), -1, &id);
            count++;
        }
    }
    bson_append_array_end(&in, &ids);
    bson_append_document_end(filter, &in);
    put_expired(expired, filter);
    return count;
}

static enum err delete_found(struct db_call *call, const struct db_expired *expired,
                             const bson_t *found, bson_t *reply)
{
    bson_t filter_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *filter = &filter_bytes;

    return put_found(found, expired, filter) > 0 ? db_run_delete(call, filter, true, reply)
                                                 : ERR_OK;
}

enum err db_delete_expired_any_tenant(struct ctx *ctx, const struct schema *schema,
                                      const struct db_expired *expired, int64_t *ret_deleted)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t found_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *found = &found_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(find_ids(ctx, schema, expired, found));
    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    TRY(delete_found(&call, expired, found, reply));
    *ret_deleted = db_reply_int(reply, "n");
    return ERR_OK;
}

static void put_stage(bson_t *stages, const char *index, const char *name, const bson_t *content)
{
    bson_t stage;

    bson_append_document_begin(stages, index, -1, &stage);
    if (content != NULL)
        (void)bson_append_document(&stage, name, -1, content);
    else
        bson_put_text(&stage, name, "n");
    bson_append_document_end(stages, &stage);
}

enum err db_count_expired_any_tenant(struct ctx *ctx, const struct schema *schema,
                                     const struct db_expired *expired, int64_t *ret_count)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    bson_t filter_bytes = BSON_INITIALIZER, stages, empty;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    AUTO(bson_destroy) bson_t *filter = &filter_bytes;
    bson_iter_t top, number;

    TRY(db_call_begin(ctx, schema, DB_READ_ANY_TENANT, &call));
    put_expired(expired, filter);
    bson_put_text(command, "aggregate", call.collection);
    bson_append_array_begin(command, "pipeline", -1, &stages);
    put_stage(&stages, "0", "$match", filter);
    put_stage(&stages, "1", "$count", NULL);
    bson_append_array_end(command, &stages);
    bson_append_document_begin(command, "cursor", -1, &empty);
    bson_append_document_end(command, &empty);
    TRY(db_run(&call, command, reply));
    *ret_count = bson_iter_init(&top, reply) &&
                         bson_iter_find_descendant(&top, "cursor.firstBatch.0.n", &number)
                     ? bson_iter_as_int64(&number)
                     : 0;
    return ERR_OK;
}
