/*
 * Structure and state: collections with their validators and indexes, and what the server is;
 * db_inspect.c compares.
 * Changes of structure use a client of their own with long time-outs.
 */
#include "app/db.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "app/clock.h"
#include "app/db_internal.h"

#define WIRE_VERSION_OF_6_0 17
#define CLOCK_SAMPLES       3

/* --- the server --- */

static bool is_true(const bson_t *reply, const char *name)
{
    bson_iter_t it;

    return bson_iter_init_find(&it, reply, name) && bson_iter_as_bool(&it);
}

static bool is_router(const bson_t *hello)
{
    bson_iter_t it;

    return bson_iter_init_find(&it, hello, "msg") && BSON_ITER_HOLDS_UTF8(&it) &&
           strcmp(bson_iter_utf8(&it, NULL), "isdbgrid") == 0;
}

static const char *text_of(const bson_t *reply, const char *name)
{
    bson_iter_t it;

    return bson_iter_init_find(&it, reply, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : NULL;
}

static const char *host_name(const struct db_call *call)
{
    const mongoc_host_list_t *hosts = mongoc_uri_get_hosts(call->db->uri);

    return hosts != NULL ? hosts->host_and_port : "the given address";
}

static enum err judge_hello(const struct db_call *call, const bson_t *hello)
{
    struct ctx *ctx = call->ctx;
    const char *where = host_name(call), *set = text_of(hello, "setName");
    const char *wanted = mongoc_uri_get_replica_set(call->db->uri);

    if (!is_router(hello) && set == NULL) {
        /* Started as a member, but nobody has made the set yet: that may come. */
        bool coming = is_true(hello, "isreplicaset");

        return fail_internal(
            ctx, coming ? ERR_DB_UNAVAILABLE : ERR_INTERNAL,
            "MongoDB at %s is not a replica set; tenantd needs one for transactions "
            "and change streams: %s run rs.initiate()",
            where, coming ? "please" : "start mongod with --replSet rs0 and");
    }
    if (wanted != NULL && set != NULL && strcmp(set, wanted) != 0)
        return fail_internal(ctx, ERR_INTERNAL,
                             "MongoDB at %s belongs to the replica set %s, but database.uri says "
                             "replicaSet=%s",
                             where, set, wanted);
    if (db_reply_int(hello, "maxWireVersion") < WIRE_VERSION_OF_6_0)
        return fail_internal(ctx, ERR_INTERNAL,
                             "MongoDB at %s is too old; tenantd needs version 6.0 or later", where);
    if (!is_true(hello, "isWritablePrimary"))
        return fail_internal(ctx, ERR_DB_UNAVAILABLE, "MongoDB at %s has no primary now", where);
    return ERR_OK;
}

/*
 * With replicaSet in the URI the driver does not talk to a server that is in no such set, and calls
 * it unreachable. So the first host is asked alone, without login: it may be able to say what is
 * wrong.
 */
static enum err ask_directly(struct db_call *call, const struct db_error *error)
{
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(call->db->uri);
    const int32_t limit = (int32_t)call->db->limits.connect;
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    if (host == NULL || mongoc_uri_get_replica_set(call->db->uri) == NULL)
        return db_fail(call, error);

    AUTO(mongoc_uri_destroy)
    mongoc_uri_t *uri = mongoc_uri_new_for_host_port(host->host, host->port);
    (void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, true);
    (void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLS, mongoc_uri_get_tls(call->db->uri));
    (void)mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, limit);
    (void)mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, limit);
    (void)mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, limit);
    AUTO(mongoc_client_destroy) mongoc_client_t *client = mongoc_client_new_from_uri(uri);
    bson_put_int(command, "hello", 1);
    if (client == NULL ||
        !mongoc_client_command_simple(client, "admin", command, NULL, reply, NULL))
        return db_fail(call, error);
    enum err err = judge_hello(call, reply);
    return err != ERR_OK ? err : db_fail(call, error);
}

enum err db_ping(struct ctx *ctx)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct db_error error;

    TRY(db_call_begin(ctx, NULL, DB_INSPECT, &call));
    bson_put_int(command, "hello", 1);
    if (db_run_admin(&call, command, reply, &error))
        return judge_hello(&call, reply);
    if (error.domain == MONGOC_ERROR_CLIENT && error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return fail_internal(ctx, ERR_INTERNAL,
                             "MongoDB refuses the user or password of database.uri: %s",
                             error.text);
    if (error.domain == MONGOC_ERROR_SERVER_SELECTION)
        return ask_directly(&call, &error);
    return db_fail(&call, &error);
}

/* The quickest of a few answers: half of its round trip is how far it can be wrong. */
enum err db_clock_ahead(struct ctx *ctx, int64_t *ret_ms)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    int64_t quickest = INT64_MAX;

    TRY(db_call_begin(ctx, NULL, DB_INSPECT, &call));
    bson_put_int(command, "hello", 1);
    for (int i = 0; i < CLOCK_SAMPLES; i++) {
        bson_t reply_bytes = BSON_INITIALIZER;
        AUTO(bson_destroy) bson_t *reply = &reply_bytes;
        struct db_error error;
        bson_iter_t it;
        const int64_t sent = clock_monotonic_us();

        if (!db_run_admin(&call, command, reply, &error))
            return db_fail(&call, &error);

        /* In this order: a pause between the two makes a long trip, which is not taken. */
        const int64_t now = clock_now_ms(), trip = clock_monotonic_us() - sent;

        if (!bson_iter_init_find(&it, reply, "localTime") || !BSON_ITER_HOLDS_DATE_TIME(&it))
            return fail_internal(ctx, ERR_INTERNAL, "the database does not tell its time");
        if (trip >= quickest)
            continue;
        quickest = trip;
        *ret_ms = now - trip / 2000 - bson_iter_date_time(&it);
    }
    return ERR_OK;
}

enum err db_open_file_limit(struct ctx *ctx, int64_t *ret_limit)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct db_error error;
    bson_iter_t it, limit;

    TRY(db_call_begin(ctx, NULL, DB_READ, &call));
    bson_put_int(command, "hostInfo", 1);
    if (!db_run_admin(&call, command, reply, &error)) {
        if (db_error_unavailable(&error))
            return db_fail(&call, &error);
        *ret_limit = 0; /* the user may not ask */
        return ERR_OK;
    }
    /* MongoDB 6.0 nests it once more than its manual says. */
    bool told = (bson_iter_init(&it, reply) &&
                 bson_iter_find_descendant(&it, "extra.maxOpenFiles", &limit)) ||
                (bson_iter_init(&it, reply) &&
                 bson_iter_find_descendant(&it, "extra.extra.maxOpenFiles", &limit));
    *ret_limit = told ? bson_iter_as_int64(&limit) : 0;
    return ERR_OK;
}

enum err db_collection_count(struct ctx *ctx, int64_t *ret_count)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, NULL, DB_READ, &call));
    bson_put_int(command, "dbStats", 1);
    TRY(db_run(&call, command, reply));
    *ret_count = db_reply_int(reply, "collections");
    return ERR_OK;
}

/* --- collections --- */

static void put_validator(const struct schema *schema, bson_t *command)
{
    AUTO(bson_destroy) bson_t *validator = schema_validator(schema);

    if (validator == NULL)
        return;
    (void)bson_append_document(command, "validator", -1, validator);
    bson_put_text(command, "validationLevel", "strict");
    bson_put_text(command, "validationAction", "error");
}

/* create, collMod or drop. *ret_expected: the server refused with that code, which is fine. */
static enum err shape(struct db_call *call, const char *verb, int64_t expected_code,
                      bool *ret_expected)
{
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    *ret_expected = false;
    call->expected_code = expected_code;
    bson_put_text(command, verb, call->collection);
    if (strcmp(verb, "drop") != 0)
        put_validator(call->schema, command);
    enum err err = db_run(call, command, reply);
    if (err != ERR_OK && expected_code != 0 && db_reply_int(reply, "code") == expected_code) {
        fail_clear(call->ctx);
        *ret_expected = true;
        return ERR_OK;
    }
    return err;
}

void db_put_index_keys(const struct db_index *index, bson_t *out)
{
    for (const char *const *key = index->keys; *key != NULL; key++) {
        bool down = (*key)[0] == '-';

        (void)bson_append_int32(out, *key + (down ? 1 : 0), -1, down ? -1 : 1);
    }
}

void db_put_index_partial(const struct db_index *index, bson_t *out)
{
    bson_t exists;

    if (index->partial != NULL) {
        AUTO(bson_destroy)
        bson_t *partial = bson_new_from_json((const uint8_t *)index->partial, -1, NULL);

        assert(partial != NULL);
        bson_concat(out, partial);
    }
    if (index->partial_exists == NULL)
        return;
    bson_append_document_begin(out, index->partial_exists, -1, &exists);
    bson_put_bool(&exists, "$exists", true);
    bson_append_document_end(out, &exists);
}

static void put_index(const struct db_index *index, bson_t *out)
{
    bson_t child;

    bson_put_text(out, "name", index->name);
    bson_append_document_begin(out, "key", -1, &child);
    db_put_index_keys(index, &child);
    bson_append_document_end(out, &child);
    if (index->unique)
        bson_put_bool(out, "unique", true);
    if (index->partial_exists != NULL || index->partial != NULL) {
        bson_append_document_begin(out, "partialFilterExpression", -1, &child);
        db_put_index_partial(index, &child);
        bson_append_document_end(out, &child);
    }
    if (index->ignores_case) {
        bson_append_document_begin(out, "collation", -1, &child);
        bson_put_text(&child, "locale", DB_COLLATION_LOCALE);
        bson_put_int(&child, "strength", DB_COLLATION_STRENGTH);
        bson_append_document_end(out, &child);
    }
    if (index->ttl_seconds >= 0)
        bson_put_int(out, "expireAfterSeconds", index->ttl_seconds);
}

static enum err create_indexes(struct db_call *call, const struct db_index *indexes, size_t count)
{
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER, all, one;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    if (count == 0)
        return ERR_OK;
    bson_put_text(command, "createIndexes", call->collection);
    bson_append_array_begin(command, "indexes", -1, &all);
    for (size_t i = 0; i < count; i++) {
        char text[16];
        const char *name = NULL;

        (void)bson_uint32_to_string((uint32_t)i, &name, text, sizeof text);
        bson_append_document_begin(&all, name, -1, &one);
        put_index(&indexes[i], &one);
        bson_append_document_end(&all, &one);
    }
    bson_append_array_end(command, &all);
    return db_run(call, command, reply);
}

enum err db_ensure_collection(struct ctx *ctx, const struct schema *schema,
                              const struct db_index *indexes, size_t count)
{
    AUTO(db_call_end) struct db_call call = {0};
    bool exists = false, ignored = false;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    TRY(shape(&call, "create", DB_CODE_NAMESPACE_EXISTS, &exists));
    if (exists)
        TRY(shape(&call, "collMod", 0, &ignored));
    return create_indexes(&call, indexes, count);
}

enum err db_set_validator(struct ctx *ctx, const struct schema *schema, const bson_t *validator)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    bson_put_text(command, "collMod", call.collection);
    (void)bson_append_document(command, "validator", -1, validator);
    bson_put_text(command, "validationLevel", "strict");
    bson_put_text(command, "validationAction", "error");
    return db_run(&call, command, reply);
}

enum err db_create_indexes(struct ctx *ctx, const struct schema *schema,
                           const struct db_index *indexes, size_t count)
{
    AUTO(db_call_end) struct db_call call = {0};

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    return create_indexes(&call, indexes, count);
}

enum err db_drop_collection(struct ctx *ctx, const struct schema *schema)
{
    AUTO(db_call_end) struct db_call call = {0};
    bool absent = false;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    return shape(&call, "drop", DB_CODE_NO_NAMESPACE, &absent);
}

enum err db_drop_index(struct ctx *ctx, const struct schema *schema, const char *name)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;

    TRY(db_call_begin(ctx, schema, DB_ADMIN, &call));
    bson_put_text(command, "dropIndexes", call.collection);
    bson_put_text(command, "index", name);
    call.expected_code = DB_CODE_NO_INDEX;

    const enum err dropped = db_run(&call, command, reply);

    return dropped == ERR_INTERNAL && db_reply_int(reply, "code") == DB_CODE_NO_INDEX
               ? ERR_NOT_FOUND
               : dropped;
}
