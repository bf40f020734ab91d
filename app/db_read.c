/* Reading: one document, a bounded list, a count. Answers are taken from the first batch. */
#include "app/db.h"

#include <string.h>

#include "app/db_internal.h"

#define WALK_BATCH 500

/* The documents of an answer: cursor.firstBatch or cursor.nextBatch. */
static bool open_batch(const bson_t *reply, const char *path, bson_iter_t *ret_it)
{
    bson_iter_t top, batch;

    return bson_iter_init(&top, reply) && bson_iter_find_descendant(&top, path, &batch) &&
           bson_iter_recurse(&batch, ret_it);
}

static bool next_document(bson_iter_t *batch, bson_t *ret_doc)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (!bson_iter_next(batch) || !BSON_ITER_HOLDS_DOCUMENT(batch))
        return false;
    bson_iter_document(batch, &size, &data);
    return bson_init_static(ret_doc, data, size);
}

static int64_t cursor_id(const bson_t *reply)
{
    bson_iter_t top, id;

    if (bson_iter_init(&top, reply) && bson_iter_find_descendant(&top, "cursor.id", &id))
        return bson_iter_as_int64(&id);
    return 0;
}

static enum err append_filter(const struct db_call *call, const char *name, const bson_t *filter,
                              bson_t *command)
{
    bson_t child;

    bson_append_document_begin(command, name, -1, &child);
    enum err err = db_filter(call, filter, &child);
    bson_append_document_end(command, &child);
    return err;
}

/* Of a command that begins with find and filter. */
static enum err run_find_one(struct db_call *call, bson_t *command, void *ret_struct)
{
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    bson_iter_t batch;
    bson_t doc;

    bson_put_int(command, "limit", 1);
    bson_put_bool(command, "singleBatch", true);
    TRY(db_run(call, command, reply));
    if (!open_batch(reply, "cursor.firstBatch", &batch) || !next_document(&batch, &doc))
        return ERR_NOT_FOUND;
    return schema_from_bson(call->ctx, call->schema, &doc, ret_struct);
}

enum err db_find_one(struct ctx *ctx, const struct schema *schema, const bson_t *filter,
                     void *ret_struct)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    bson_put_text(command, "find", call.collection);
    TRY(append_filter(&call, "filter", filter, command));
    return run_find_one(&call, command, ret_struct);
}

enum err db_find_by_id_any_tenant(struct ctx *ctx, const struct schema *schema, const char *id,
                                  void *ret_struct)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, filter;
    AUTO(bson_destroy) bson_t *command = &command_bytes;

    TRY(db_call_begin(ctx, schema, DB_LOOK_UP, &call));
    bson_put_text(command, "find", call.collection);
    bson_append_document_begin(command, "filter", -1, &filter);
    bson_put_text(&filter, "_id", id);
    bson_append_document_end(command, &filter);
    return run_find_one(&call, command, ret_struct);
}

static void append_read_concern(const struct db_call *call, const struct db_find *find,
                                bson_t *command)
{
    bson_t concern;

    if (!find->linearizable || call->transaction != NULL)
        return;
    bson_append_document_begin(command, "readConcern", -1, &concern);
    bson_put_text(&concern, "level", "linearizable");
    bson_append_document_end(command, &concern);
}

static bool is_full(struct db_call *call, const bson_t *doc, const struct list *list)
{
    call->bytes += doc->len;
    call->cut = call->most_bytes > 0 && call->bytes > call->most_bytes && list->count > 0;
    return call->cut;
}

/* The list's array grows by whole batches. */
enum err db_decode_batch(struct db_call *call, const bson_t *reply, const char *path,
                         struct list *list)
{
    struct ctx *ctx = call->ctx;
    size_t size = call->schema->size, count = 0;
    bson_iter_t batch, counting;
    bson_t doc;

    if (!open_batch(reply, path, &batch))
        return fail_internal(ctx, ERR_INTERNAL, "%s: no %s", call->collection, path);
    for (counting = batch; bson_iter_next(&counting);)
        count++;
    if (count == 0)
        return ERR_OK;

    char *items = arena_array(ctx->arena, list->count + count, size);
    if (items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "%s: a list of %zu", call->collection,
                             list->count + count);
    if (list->count > 0)
        memcpy(items, list->items, list->count * size);
    list->items = items;
    while (next_document(&batch, &doc) && !is_full(call, &doc, list)) {
        TRY(schema_from_bson(ctx, call->schema, &doc, items + list->count * size));
        list->count++;
    }
    return ERR_OK;
}

/* Documents are up to 16 MB in one answer; the rest comes in further ones. */
static enum err fetch_rest(struct db_call *call, bson_t *reply, struct list *list)
{
    while (cursor_id(reply) != 0 && !call->cut) {
        bson_t bytes = BSON_INITIALIZER;
        AUTO(bson_destroy) bson_t *command = &bytes;

        bson_put_int(command, "getMore", cursor_id(reply));
        bson_put_text(command, "collection", call->collection);
        TRY(db_run(call, command, reply));
        TRY(db_decode_batch(call, reply, "cursor.nextBatch", list));
    }
    return ERR_OK;
}

/* The server would keep the cursor for ten minutes. */
static void kill_cursor(struct db_call *call, int64_t id)
{
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, ids;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct failure failure = call->ctx->failure;

    if (id == 0 || failure.code == ERR_DB_UNAVAILABLE)
        return;
    bson_put_text(command, "killCursors", call->collection);
    bson_append_array_begin(command, "cursors", -1, &ids);
    bson_put_int(&ids, "0", id);
    bson_append_array_end(command, &ids);
    if (db_run(call, command, reply) != ERR_OK)
        call->ctx->failure = failure;
}

enum err db_read_list(struct db_call *call, bson_t *command, bson_t *reply, struct list *ret_list)
{
    struct list list = {0};

    TRY(db_run(call, command, reply));

    int64_t id = cursor_id(reply);
    enum err err = db_decode_batch(call, reply, "cursor.firstBatch", &list);
    if (err == ERR_OK)
        err = fetch_rest(call, reply, &list);
    if (err != ERR_OK) {
        kill_cursor(call, id);
        return err;
    }
    if (call->cut)
        kill_cursor(call, cursor_id(reply));
    *ret_list = list;
    return ERR_OK;
}

enum err db_find_many(struct ctx *ctx, const struct schema *schema, const struct db_find *find,
                      struct list *ret_list)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    int64_t limit = find->limit > 0 && find->limit < DB_MAX_RESULTS ? find->limit : DB_MAX_RESULTS;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    bson_put_text(command, "find", call.collection);
    TRY(append_filter(&call, "filter", find->filter, command));
    if (find->sort != NULL)
        (void)bson_append_document(command, "sort", -1, find->sort);
    bson_put_int(command, "limit", limit);
    bson_put_int(command, "batchSize", limit);
    append_read_concern(&call, find, command);
    call.most_bytes = find->most_bytes;
    TRY(db_read_list(&call, command, reply, ret_list));
    if (find->ret_cut != NULL)
        *find->ret_cut = call.cut;
    return ERR_OK;
}

static enum err each_document(struct db_call *call, const bson_t *reply, const char *path,
                              db_document_fn each, void *arg)
{
    bson_iter_t batch;
    bson_t doc;

    if (!open_batch(reply, path, &batch))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: no %s", call->collection, path);
    while (next_document(&batch, &doc))
        TRY(each(call->ctx, &doc, arg));
    return ERR_OK;
}

static enum err walk_rest(struct db_call *call, bson_t *reply, db_document_fn each, void *arg)
{
    while (cursor_id(reply) != 0) {
        bson_t bytes = BSON_INITIALIZER;
        AUTO(bson_destroy) bson_t *command = &bytes;

        bson_put_int(command, "getMore", cursor_id(reply));
        bson_put_text(command, "collection", call->collection);
        bson_put_int(command, "batchSize", WALK_BATCH);
        TRY(db_run(call, command, reply));
        TRY(each_document(call, reply, "cursor.nextBatch", each, arg));
    }
    return ERR_OK;
}

enum err db_walk(struct db_call *call, bson_t *command, db_document_fn each, void *arg)
{
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &bytes;

    TRY(db_run(call, command, reply));

    int64_t id = cursor_id(reply);
    enum err err = each_document(call, reply, "cursor.firstBatch", each, arg);
    if (err == ERR_OK)
        err = walk_rest(call, reply, each, arg);
    if (err != ERR_OK)
        kill_cursor(call, id);
    return err;
}

enum err db_walk_any_tenant(struct ctx *ctx, const struct schema *schema, const bson_t *sort,
                            db_document_fn each, void *arg)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;

    TRY(db_call_begin(ctx, schema, DB_READ_ANY_TENANT, &call));
    bson_put_text(command, "find", call.collection);
    (void)bson_append_document(command, "sort", -1, sort);
    bson_put_int(command, "batchSize", WALK_BATCH);
    return db_walk(&call, command, each, arg);
}

/* [{$match: filter}, {$limit: n}, {$count: "n"}]: unlike the command count it may be part of a
 * transaction and is exact. */
static enum err append_count_stages(const struct db_call *call, const bson_t *filter, int64_t limit,
                                    bson_t *command)
{
    bson_t stages, stage;

    bson_append_array_begin(command, "pipeline", -1, &stages);
    bson_append_document_begin(&stages, "0", -1, &stage);
    enum err err = append_filter(call, "$match", filter, &stage);
    bson_append_document_end(&stages, &stage);
    if (limit > 0) {
        bson_append_document_begin(&stages, "1", -1, &stage);
        bson_put_int(&stage, "$limit", limit);
        bson_append_document_end(&stages, &stage);
    }
    bson_append_document_begin(&stages, limit > 0 ? "2" : "1", -1, &stage);
    bson_put_text(&stage, "$count", "n");
    bson_append_document_end(&stages, &stage);
    bson_append_array_end(command, &stages);
    return err;
}

enum err db_count(struct ctx *ctx, const struct schema *schema, const bson_t *filter, int64_t limit,
                  int64_t *ret_count)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, cursor, doc;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    bson_iter_t batch;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    bson_put_text(command, "aggregate", call.collection);
    TRY(append_count_stages(&call, filter, limit, command));
    bson_append_document_begin(command, "cursor", -1, &cursor);
    bson_append_document_end(command, &cursor);
    TRY(db_run(&call, command, reply));

    bool any = open_batch(reply, "cursor.firstBatch", &batch) && next_document(&batch, &doc);
    *ret_count = any ? db_reply_int(&doc, "n") : 0;
    return ERR_OK;
}
