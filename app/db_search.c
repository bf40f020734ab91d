/* Searches: a find while the index gives the order and nothing is bounded, else a pipeline. */
#include "app/db.h"

#include <string.h>

#include "app/db_internal.h"

/* ---- the command ---- */

struct pipeline {
    bson_t stages;
    uint32_t count;
};

static void begin_stage(struct pipeline *pipeline, bson_t *ret_stage)
{
    const char *key;
    char room[16];

    bson_uint32_to_string(pipeline->count++, &key, room, sizeof room);
    BSON_APPEND_DOCUMENT_BEGIN(&pipeline->stages, key, ret_stage);
}

static void end_stage(struct pipeline *pipeline, bson_t *stage)
{
    bson_append_document_end(&pipeline->stages, stage);
}

static void put_stage(struct pipeline *pipeline, const char *name, const bson_t *document)
{
    bson_t stage;

    begin_stage(pipeline, &stage);
    (void)bson_append_document(&stage, name, -1, document);
    end_stage(pipeline, &stage);
}

static void put_number(struct pipeline *pipeline, const char *name, int64_t number)
{
    bson_t stage;

    begin_stage(pipeline, &stage);
    bson_put_int(&stage, name, number);
    end_stage(pipeline, &stage);
}

static void put_after(struct pipeline *pipeline, const bson_t *after)
{
    bson_t stage, match;

    begin_stage(pipeline, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$match", &match);
    (void)bson_append_document(&match, "$expr", -1, after);
    bson_append_document_end(&stage, &match);
    end_stage(pipeline, &stage);
}

/* {$and: [access, filter]} behind the tenant, or one of them. */
static enum err put_whole(const struct db_call *call, const struct db_search *search, bson_t *out)
{
    bson_t parts;

    if (search->access == NULL || search->filter == NULL)
        return db_filter(call, search->access != NULL ? search->access : search->filter, out);
    TRY(db_filter(call, NULL, out));
    BSON_APPEND_ARRAY_BEGIN(out, "$and", &parts);
    BSON_APPEND_DOCUMENT(&parts, "0", search->access);
    BSON_APPEND_DOCUMENT(&parts, "1", search->filter);
    bson_append_array_end(out, &parts);
    return ERR_OK;
}

/* The first stage: with a budget what an index serves alone, so that it counts what is examined. */
static enum err put_match(const struct db_call *call, const struct db_search *search,
                          struct pipeline *pipeline)
{
    bson_t stage, match;

    begin_stage(pipeline, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$match", &match);

    const enum err put = search->budget > 0 ? db_filter(call, search->access, &match)
                                            : put_whole(call, search, &match);

    bson_append_document_end(&stage, &match);
    end_stage(pipeline, &stage);
    return put;
}

static enum err put_stages(const struct db_call *call, const struct db_search *search,
                           struct pipeline *pipeline)
{
    TRY(put_match(call, search, pipeline));
    if (search->keys == NULL && search->sort != NULL)
        put_stage(pipeline, "$sort", search->sort);
    if (search->budget > 0)
        put_number(pipeline, "$limit", search->budget);
    if (search->skip > 0)
        put_number(pipeline, "$skip", search->skip);
    if (search->budget > 0 && search->filter != NULL)
        put_stage(pipeline, "$match", search->filter);
    if (search->keys != NULL) {
        put_stage(pipeline, "$set", search->keys);
        if (search->after != NULL)
            put_after(pipeline, search->after);
        put_stage(pipeline, "$sort", search->sort);
    }
    put_number(pipeline, "$limit", search->limit);
    return ERR_OK;
}

static enum err put_aggregate(const struct db_call *call, const struct db_search *search,
                              bson_t *command)
{
    struct pipeline pipeline = {.count = 0};
    bson_t cursor;

    bson_put_text(command, "aggregate", call->collection);
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &pipeline.stages);

    const enum err put = put_stages(call, search, &pipeline);

    bson_append_array_end(command, &pipeline.stages);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &cursor);
    bson_put_int(&cursor, "batchSize", search->limit);
    bson_append_document_end(command, &cursor);
    return put;
}

static enum err put_find(const struct db_call *call, const struct db_search *search,
                         bson_t *command)
{
    bson_t filter;

    bson_put_text(command, "find", call->collection);
    BSON_APPEND_DOCUMENT_BEGIN(command, "filter", &filter);

    const enum err put = put_whole(call, search, &filter);

    bson_append_document_end(command, &filter);
    if (search->sort != NULL)
        BSON_APPEND_DOCUMENT(command, "sort", search->sort);
    bson_put_int(command, "limit", search->limit);
    bson_put_int(command, "batchSize", search->limit);
    return put;
}

static void put_options(const struct db_search *search, bson_t *command)
{
    bson_t collation;

    if (search->index != NULL)
        bson_put_text(command, "hint", search->index);
    if (!search->ignores_case)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(command, "collation", &collation);
    bson_put_text(&collation, "locale", "en");
    (void)bson_append_int32(&collation, "strength", -1, 2);
    bson_append_document_end(command, &collation);
}

static enum err put_command(const struct db_call *call, const struct db_search *search,
                            bson_t *command)
{
    TRY(search->budget > 0 || search->keys != NULL ? put_aggregate(call, search, command)
                                                   : put_find(call, search, command));
    put_options(search, command);
    return ERR_OK;
}

/* ---- running ---- */

/* The index that was to be used is not there. */
static bool is_without_index(const struct db_search *search, const bson_t *reply)
{
    bson_iter_t it;

    return search->index != NULL && db_reply_int(reply, "code") == DB_CODE_BAD_VALUE &&
           bson_iter_init_find(&it, reply, "errmsg") && BSON_ITER_HOLDS_UTF8(&it) &&
           strstr(bson_iter_utf8(&it, NULL), "hint provided") != NULL;
}

enum err db_search(struct ctx *ctx, const struct schema *schema, const struct db_search *search,
                   bool *ret_over, struct list *ret_list)
{
    AUTO(db_call_end) struct db_call call = {.expected_code = 0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    *ret_over = false;
    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    TRY(put_command(&call, search, command));
    if (search->most_ms > 0) {
        call.most_ms = search->most_ms;
        call.expected_code = DB_CODE_TIME_OVER;
    }
    call.most_bytes = search->most_bytes;

    const enum err read = db_read_list(&call, command, reply, ret_list);

    if (search->ret_cut != NULL)
        *search->ret_cut = call.cut;
    if (read == ERR_INTERNAL && is_without_index(search, reply))
        return fail_retry(ctx, ERR_DOCUMENT_REFUSED, 1);
    if (read != ERR_INTERNAL || call.expected_code == 0 ||
        db_reply_int(reply, "code") != call.expected_code)
        return read;
    fail_clear(ctx);
    *ret_over = true;
    return ERR_OK;
}

enum err db_search_size(struct ctx *ctx, const struct schema *schema,
                        const struct db_search *search, int64_t *ret_size)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, stage;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct pipeline pipeline = {.count = 0};
    bson_iter_t top, size;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    bson_put_text(command, "aggregate", call.collection);
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &pipeline.stages);

    const enum err put = put_match(&call, search, &pipeline);

    put_number(&pipeline, "$limit", search->budget + 1);
    begin_stage(&pipeline, &stage);
    bson_put_text(&stage, "$count", "n");
    end_stage(&pipeline, &stage);
    bson_append_array_end(command, &pipeline.stages);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &stage);
    bson_append_document_end(command, &stage);
    put_options(search, command);
    TRY(put);
    TRY(db_run(&call, command, reply));
    *ret_size = bson_iter_init(&top, reply) &&
                        bson_iter_find_descendant(&top, "cursor.firstBatch.0.n", &size)
                    ? bson_iter_as_int64(&size)
                    : 0;
    return ERR_OK;
}

/* ---- what it cost ---- */

#define EXPLAIN_DEPTH 12

/* The first member of that name: a find and a pipeline tell it in different places. */
static bool find_figure(const bson_iter_t *at, const char *name, unsigned depth,
                        int64_t *ret_figure)
{
    bson_iter_t it;

    if (depth > EXPLAIN_DEPTH || !bson_iter_recurse(at, &it))
        return false;
    while (bson_iter_next(&it)) {
        if (strcmp(bson_iter_key(&it), name) == 0 &&
            (BSON_ITER_HOLDS_INT(&it) || BSON_ITER_HOLDS_DOUBLE(&it))) {
            *ret_figure = bson_iter_as_int64(&it);
            return true;
        }
        if ((BSON_ITER_HOLDS_DOCUMENT(&it) || BSON_ITER_HOLDS_ARRAY(&it)) &&
            find_figure(&it, name, depth + 1, ret_figure))
            return true;
    }
    return false;
}

enum err db_search_explain(struct ctx *ctx, const struct schema *schema,
                           const struct db_search *search, int64_t *ret_examined)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, explained;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    bson_iter_t it;

    TRY(db_call_begin(ctx, schema, DB_READ, &call));
    BSON_APPEND_DOCUMENT_BEGIN(command, "explain", &explained);

    const enum err put = put_command(&call, search, &explained);

    bson_append_document_end(command, &explained);
    TRY(put);
    bson_put_text(command, "verbosity", "executionStats");
    TRY(db_run(&call, command, reply));
    if (!bson_iter_init(&it, reply))
        return fail_internal(ctx, ERR_INTERNAL, "the database's explanation is no document");
    while (bson_iter_next(&it)) {
        if ((BSON_ITER_HOLDS_DOCUMENT(&it) || BSON_ITER_HOLDS_ARRAY(&it)) &&
            find_figure(&it, "totalDocsExamined", 0, ret_examined))
            return ERR_OK;
    }
    return fail_internal(ctx, ERR_INTERNAL, "the database explains without totalDocsExamined");
}
