/*
 * The view of a tenant's users, and the role of the database that reads it and nothing else. Both
 * are structure: made by commands, never by requests.
 */
#include "app/db.h"

#include <string.h>

#include "app/db_internal.h"

enum err db_view_name(struct ctx *ctx, const char **ret_name)
{
    char name[DB_COLLECTION_SIZE];

    TRY(db_place_of_view(ctx, name));
    *ret_name = arena_strdup(ctx->arena, name);
    return *ret_name != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a name");
}

/* ---- looking ---- */

/* The pipeline of the one entry of listCollections; false when there is none. */
static bool find_pipeline(const bson_t *reply, bson_t *ret_pipeline)
{
    bson_iter_t top, at;
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (!bson_iter_init(&top, reply) ||
        !bson_iter_find_descendant(&top, "cursor.firstBatch.0.options.pipeline", &at) ||
        !BSON_ITER_HOLDS_ARRAY(&at))
        return false;
    bson_iter_array(&at, &size, &data);
    return bson_init_static(ret_pipeline, data, size);
}

enum err db_view_look(struct ctx *ctx, const struct schema *schema, const bson_t *pipeline,
                      enum db_view_state *ret_state)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, filter, found;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    char name[DB_COLLECTION_SIZE];

    TRY(db_place_of_view(ctx, name));
    TRY(db_call_begin(ctx, schema, DB_INSPECT, &call));
    bson_put_int(command, "listCollections", 1);
    BSON_APPEND_DOCUMENT_BEGIN(command, "filter", &filter);
    bson_put_text(&filter, "name", name);
    bson_append_document_end(command, &filter);
    TRY(db_run(&call, command, reply));
    if (!find_pipeline(reply, &found))
        *ret_state = DB_VIEW_ABSENT;
    else
        *ret_state = bson_equal(&found, pipeline) ? DB_VIEW_SAME : DB_VIEW_DIFFERENT;
    return ERR_OK;
}

/* ---- making ---- */

/* Sends it; *ret_expected: the server refused with that code. */
static enum err run(struct db_call *call, bson_t *command, int64_t code, bool *ret_expected)
{
    bson_t reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    call->expected_code = code;
    *ret_expected = false;

    const enum err done = db_run(call, command, reply);

    if (done == ERR_OK || db_reply_int(reply, "code") != code)
        return done;
    fail_clear(call->ctx);
    *ret_expected = true;
    return ERR_OK;
}

static enum err put_view(struct db_call *call, const char *verb, const bson_t *pipeline,
                         bool *ret_exists)
{
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;
    char name[DB_COLLECTION_SIZE];

    TRY(db_place_of_view(call->ctx, name));
    bson_put_text(command, verb, name);
    bson_put_text(command, "viewOn", call->collection);
    (void)bson_append_array(command, "pipeline", -1, pipeline);
    return run(call, command, DB_CODE_NAMESPACE_EXISTS, ret_exists);
}

enum err db_view_put(struct ctx *ctx, const struct schema *schema, const bson_t *pipeline)
{
    AUTO(db_call_end) struct db_call call = {0};
    bool exists = false;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    TRY(put_view(&call, "create", pipeline, &exists));
    return exists ? put_view(&call, "collMod", pipeline, &exists) : ERR_OK;
}

enum err db_view_drop(struct ctx *ctx, const struct schema *schema)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;
    char name[DB_COLLECTION_SIZE];
    bool absent = false;

    TRY(db_place_of_view(ctx, name));
    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    bson_put_text(command, "drop", name);
    return run(&call, command, DB_CODE_NO_NAMESPACE, &absent);
}

/* ---- roles ---- */

static void put_privilege(bson_t *privileges, const char *key, const struct db_call *call,
                          const char *collection, const char *const *actions)
{
    bson_t privilege, resource, list;

    bson_append_document_begin(privileges, key, -1, &privilege);
    BSON_APPEND_DOCUMENT_BEGIN(&privilege, "resource", &resource);
    bson_put_text(&resource, "db", db_name(call->db));
    bson_put_text(&resource, "collection", collection);
    bson_append_document_end(&privilege, &resource);
    BSON_APPEND_ARRAY_BEGIN(&privilege, "actions", &list);
    for (int i = 0; actions[i] != NULL; i++)
        bson_put_text(&list, i == 0 ? "0" : "1", actions[i]);
    bson_append_array_end(&privilege, &list);
    bson_append_document_end(privileges, &privilege);
}

static enum err describe_role(struct db_call *call, const char *verb, const struct db_role *role,
                              bson_t *out)
{
    static const char *const reads[] = {"find", NULL};
    static const char *const follows[] = {"find", "changeStream", NULL};
    char view[DB_COLLECTION_SIZE];
    bson_t list;

    TRY(db_place_of_view(call->ctx, view));
    bson_put_text(out, verb, role->name);
    BSON_APPEND_ARRAY_BEGIN(out, "privileges", &list);
    put_privilege(&list, "0", call, view, reads);
    if (role->watches)
        put_privilege(&list, "1", call, call->collection, follows);
    bson_append_array_end(out, &list);
    BSON_APPEND_ARRAY_BEGIN(out, "roles", &list);
    bson_append_array_end(out, &list);
    return ERR_OK;
}

enum err db_role_command(struct ctx *ctx, const struct schema *schema, const struct db_role *role,
                         const char **ret_json)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;

    TRY(db_call_begin(ctx, schema, DB_INSPECT, &call));
    TRY(describe_role(&call, "createRole", role, command));

    char *text = bson_as_relaxed_extended_json(command, NULL);

    *ret_json = text != NULL ? arena_strdup(ctx->arena, text) : NULL;
    bson_free(text);
    return *ret_json != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a role");
}

/* *ret_code: the refusal that the caller knows what to do with, or 0. */
static enum err send_role(struct db_call *call, const char *verb, const struct db_role *role,
                          int64_t *ret_code)
{
    bson_t bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(describe_role(call, verb, role, command));

    const enum err done = db_run(call, command, reply);
    const int64_t code = db_reply_int(reply, "code");

    *ret_code = 0;
    if (done == ERR_OK || (code != DB_CODE_UNAUTHORIZED && code != DB_CODE_ROLE_EXISTS))
        return done;
    fail_clear(call->ctx);
    *ret_code = code;
    return ERR_OK;
}

enum err db_role_put(struct ctx *ctx, const struct schema *schema, const struct db_role *role,
                     bool *ret_allowed)
{
    AUTO(db_call_end) struct db_call call = {0};
    int64_t code = 0;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    call.expected_code = DB_CODE_ROLE_EXISTS;
    TRY(send_role(&call, "createRole", role, &code));
    if (code == DB_CODE_ROLE_EXISTS)
        TRY(send_role(&call, "updateRole", role, &code));
    *ret_allowed = code == 0;
    return ERR_OK;
}
