/*
 * The door's frame: the driver's life, the pool of clients, and one call from its beginning (which
 * place, which client) to its end. db_run.c sends the commands, db_read.c, db_write.c, db_admin.c
 * and db_transaction.c build them.
 */
#include "app/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/config.h"
#include "app/db_internal.h"
#include "app/log.h"

#define HEARTBEAT_MS 500  /* the driver's least: a returning database is noticed within this */
#define COOL_DOWN_MS 5000 /* an unmonitored client keeps away from a server that refused it */

/* --- the driver --- */

static void driver_log(mongoc_log_level_t level, const char *domain, const char *message,
                       void *data)
{
    (void)data;
    /* Its warnings tell of lost connections, which the calls concerned tell too. */
    log_event(level <= MONGOC_LOG_LEVEL_CRITICAL ? LOG_WARN : LOG_DEBUG, "database.driver",
              "domain", domain, "message", message, NULL);
}

static void driver_start(void)
{
    /* First of all: without it the driver writes plain text between the JSON lines. */
    mongoc_log_set_handler(driver_log, NULL);
    mongoc_init();
    (void)atexit(mongoc_cleanup);
}

void db_driver_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, driver_start);
}

/* --- life --- */

/* Set here and not left to the operator's URI: what is promised to callers depends on them. */
static bool set_options(mongoc_uri_t *uri, int64_t pool_size, const struct db_limits *limits)
{
    mongoc_write_concern_t *concern = mongoc_write_concern_new();

    mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_uri_set_write_concern(uri, concern);
    mongoc_write_concern_destroy(concern);

    return mongoc_uri_set_appname(uri, "tenantd") && mongoc_uri_set_compressors(uri, NULL) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, (int32_t)pool_size) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_WAITQUEUETIMEOUTMS,
                                          (int32_t)limits->lease) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                          (int32_t)limits->select) &&
           mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS,
                                          (int32_t)limits->connect) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                          (int32_t)limits->socket) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, HEARTBEAT_MS);
}

static struct db_limits limits_of(int64_t call_ms)
{
    return (struct db_limits){
        .socket = call_ms,
        .server = call_ms * 9 / 10,
        .select = 1000 + call_ms / 10,
        .connect = call_ms / 2,
        .lease = call_ms / 2,
        .retry_before = call_ms * 15 / 100,
        .begin_before = call_ms * 3 / 10,
    };
}

int64_t db_answer_ms(const struct db *db)
{
    return 2 * db->limits.socket - 100;
}

static void init_wait(struct db *db)
{
    (void)pthread_mutex_init(&db->lock, NULL);
    (void)pthread_mutex_init(&db->writer_lock, NULL);
    condition_init(&db->freed);
}

enum err db_open(const struct config *config, bool monitored, struct db **ret_db,
                 const char **ret_reason)
{
    db_driver_init();

    struct db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        *ret_reason = "There is not enough memory to open the database.";
        return ERR_MEMORY;
    }
    init_wait(db);
    db->uri_text = bson_strdup(config->database.uri);
    db->name = bson_strdup(config->database.name);
    db->maximum = config->database.pool_size > 0 ? config->database.pool_size : 1;
    db->limits = limits_of(config->database.call_timeout_ms);
    db->uri = mongoc_uri_new_with_error(config->database.uri, NULL);
    if (db->uri == NULL) {
        *ret_reason = "database.uri is not a MongoDB connection string; write it like "
                      "mongodb://127.0.0.1:27017/?replicaSet=rs0";
        db_close(db);
        return ERR_VALIDATION;
    }
    /* One more than are leased: the audit writer's. */
    if (!set_options(db->uri, db->maximum + 1, &db->limits) ||
        (monitored && (db->pool = mongoc_client_pool_new_with_error(db->uri, NULL)) == NULL)) {
        *ret_reason = "database.uri holds options that the MongoDB driver does not take together; "
                      "start from mongodb://127.0.0.1:27017/?replicaSet=rs0";
        db_close(db);
        return ERR_VALIDATION;
    }
    if (monitored)
        (void)mongoc_client_pool_set_error_api(db->pool, MONGOC_ERROR_API_VERSION_2);
    *ret_db = db;
    return ERR_OK;
}

static void client_free(struct db *db, struct db_client *client)
{
    if (client == NULL)
        return;
    if (client->session != NULL)
        mongoc_client_session_destroy(client->session);
    bson_destroy(&client->options);
    if (db->pool != NULL)
        mongoc_client_pool_push(db->pool, client->client);
    else
        mongoc_client_destroy(client->client);
    free(client);
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    while (db->free != NULL) {
        struct db_client *client = db->free;

        db->free = client->next;
        client_free(db, client);
    }
    client_free(db, db->writer);
    if (db->pool != NULL)
        mongoc_client_pool_destroy(db->pool);
    mongoc_uri_destroy(db->uri);
    bson_free(db->uri_text);
    bson_free(db->name);
    (void)pthread_cond_destroy(&db->freed);
    (void)pthread_mutex_destroy(&db->lock);
    (void)pthread_mutex_destroy(&db->writer_lock);
    free(db);
}

const char *db_uri(const struct db *db)
{
    return db->uri_text;
}

const char *db_name(const struct db *db)
{
    return db->name;
}

static int64_t set_countdown(_Atomic int64_t *countdown, int64_t calls)
{
    const int64_t before = atomic_exchange(countdown, calls);

    return before > 0 ? before : 0;
}

static bool count_down(_Atomic int64_t *countdown)
{
    if (atomic_load_explicit(countdown, memory_order_relaxed) <= 0)
        return false;
    return atomic_fetch_sub(countdown, 1) == 1;
}

int64_t db_fail_after(struct db *db, int64_t calls)
{
    return set_countdown(&db->fail_after, calls);
}

int64_t db_lose_after(struct db *db, int64_t calls)
{
    return set_countdown(&db->lose_after, calls);
}

bool db_must_fail(struct db *db)
{
    return count_down(&db->fail_after);
}

bool db_must_lose(struct db *db)
{
    return count_down(&db->lose_after);
}

void db_note_trouble(struct db *db)
{
    atomic_store_explicit(&db->troubled_at, clock_monotonic_ms(), memory_order_relaxed);
}

bool db_was_troubled(const struct db *db, int64_t within_ms)
{
    const int64_t at = atomic_load_explicit(&db->troubled_at, memory_order_relaxed);

    return at != 0 && clock_monotonic_ms() - at <= within_ms;
}

/* --- clients --- */

static mongoc_client_t *driver_client(struct db *db)
{
    if (db->pool != NULL)
        return mongoc_client_pool_pop(db->pool);

    mongoc_client_t *client = mongoc_client_new_from_uri(db->uri);
    if (client != NULL)
        (void)mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    return client;
}

static struct db_client *client_new(struct db *db)
{
    /* bson_t asks for 128 bytes of alignment. */
    struct db_client *client = aligned_alloc(_Alignof(struct db_client), sizeof *client);

    if (client == NULL)
        return NULL;
    memset(client, 0, sizeof *client);
    bson_init(&client->options);
    client->client = driver_client(db);
    if (client->client == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

/* Waits for a free client; NULL with *ret_make set when the caller may make one. */
static struct db_client *take_free(struct db *db, int64_t wait_ms, bool *ret_make)
{
    struct db_client *client = NULL;
    bool in_time = true;
    int64_t until = 0;

    *ret_make = false;
    (void)pthread_mutex_lock(&db->lock);
    while (db->free == NULL && db->made >= db->maximum && in_time) {
        if (until == 0)
            until = clock_monotonic_ms() + wait_ms;
        in_time = condition_wait(&db->freed, &db->lock, until);
    }
    if (db->free != NULL) {
        client = db->free;
        db->free = client->next;
    } else if (db->made < db->maximum) {
        db->made++;
        *ret_make = true;
    }
    (void)pthread_mutex_unlock(&db->lock);
    return client;
}

struct db_client *db_lease(struct db *db, int64_t wait_ms)
{
    bool make = false;
    struct db_client *client = take_free(db, wait_ms, &make);

    if (!make)
        return client;
    client = client_new(db);
    if (client == NULL) {
        (void)pthread_mutex_lock(&db->lock);
        db->made--;
        (void)pthread_mutex_unlock(&db->lock);
    }
    return client;
}

void db_return(struct db *db, struct db_client *client)
{
    /* A new one looks at once whether the server is back. */
    if (db->pool == NULL && db_was_troubled(db, COOL_DOWN_MS)) {
        client_free(db, client);
        client = NULL;
    }
    (void)pthread_mutex_lock(&db->lock);
    if (client != NULL) {
        client->next = db->free;
        db->free = client;
    } else {
        db->made--;
    }
    (void)pthread_cond_signal(&db->freed);
    (void)pthread_mutex_unlock(&db->lock);
}

struct db_client *db_writer_client(struct db *db)
{
    (void)pthread_mutex_lock(&db->writer_lock);
    if (db->writer == NULL)
        db->writer = client_new(db);
    return db->writer;
}

/* Long work must not hold a client that requests wait for, nor be cut off by their time-outs. */
static enum err admin_client(struct db_call *call)
{
    AUTO(mongoc_uri_destroy) mongoc_uri_t *uri = mongoc_uri_copy(call->db->uri);
    const int64_t socket = call->db->limits.socket;
    const int64_t limit = ctx_remaining(call->ctx, DB_LONG_MS);

    (void)mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                         (int32_t)(limit > socket ? limit : socket));
    bson_init(&call->own.options);
    call->own.client = mongoc_client_new_from_uri(uri);
    if (call->own.client == NULL)
        return fail_internal(call->ctx, ERR_INTERNAL, "the driver made no client");
    (void)mongoc_client_set_error_api(call->own.client, MONGOC_ERROR_API_VERSION_2);
    call->client = &call->own;
    return ERR_OK;
}

/* --- one call --- */

static enum err place_of_tenant(struct ctx *ctx, const char *prefix,
                                char ret_name[DB_COLLECTION_SIZE])
{
    char hex[UUID_HEX_SIZE];

    if (uuid_is_zero(&ctx->tenant_id))
        return fail_internal(ctx, ERR_INTERNAL, "%s without a tenant", prefix);
    uuid_hex(&ctx->tenant_id, hex);
    (void)snprintf(ret_name, DB_COLLECTION_SIZE, "%s%s", prefix, hex);
    return ERR_OK;
}

enum err db_place_of_view(struct ctx *ctx, char ret_name[DB_COLLECTION_SIZE])
{
    return place_of_tenant(ctx, "profiles_", ret_name);
}

enum err db_place(struct ctx *ctx, const struct schema *schema, char ret_name[DB_COLLECTION_SIZE])
{
    if (schema->per_tenant_collection)
        return place_of_tenant(ctx, "users_", ret_name);
    if (schema->collection == NULL || strlen(schema->collection) >= DB_COLLECTION_SIZE)
        return fail_internal(ctx, ERR_INTERNAL, "%s is not stored", schema->name);
    (void)snprintf(ret_name, DB_COLLECTION_SIZE, "%s", schema->collection);
    return ERR_OK;
}

/* Documents of a tenant are reached with a tenant only. */
static bool needs_tenant(const struct schema *schema, enum db_use use)
{
    return schema != NULL && !schema->global && use != DB_INSPECT && use != DB_ADMIN &&
           use != DB_WRITE_ANY_TENANT && use != DB_READ_ANY_TENANT && use != DB_LOOK_UP;
}

static enum err take_client(struct db_call *call)
{
    struct ctx *ctx = call->ctx;

    if (call->use == DB_ADMIN)
        return admin_client(call);
    if (call->use == DB_WRITE_ANY_TENANT) {
        call->reserved = true;
        call->client = db_writer_client(call->db);
    } else {
        call->client = db_lease(call->db, ctx_remaining(ctx, call->db->limits.lease));
        call->leased = call->client != NULL;
    }
    if (call->client == NULL)
        return fail_internal(ctx, ERR_DB_UNAVAILABLE, "all %" PRId64 " database clients are in use",
                             call->db->maximum);
    return ERR_OK;
}

enum err db_call_begin(struct ctx *ctx, const struct schema *schema, enum db_use use,
                       struct db_call *call)
{
    struct db_transaction *transaction = ctx->transaction;

    call->ctx = ctx;
    call->db = ctx->app->db;
    call->schema = schema;
    call->use = use;
    call->started = clock_monotonic_ms();
    if (schema != NULL)
        TRY(db_place(ctx, schema, call->collection));
    if (needs_tenant(schema, use) && uuid_is_zero(&ctx->tenant_id))
        return fail_internal(ctx, ERR_INTERNAL, "%s without a tenant", schema->name);
    if (db_must_fail(call->db))
        return fail_internal(ctx, ERR_DB_UNAVAILABLE, "asked to fail by a test");
    if (transaction == NULL)
        return take_client(call);

    if (use == DB_ADMIN || use == DB_WRITE_ANY_TENANT)
        return fail_internal(ctx, ERR_INTERNAL, "no part of a transaction: %s", call->collection);
    if (transaction->broken)
        return fail_internal(ctx, ERR_INTERNAL, "a command after one that ended the transaction");
    call->transaction = transaction;
    call->client = transaction->client;
    return ERR_OK;
}

void db_call_end(struct db_call *call)
{
    if (call->leased)
        db_return(call->db, call->client);
    if (call->reserved)
        (void)pthread_mutex_unlock(&call->db->writer_lock);
    if (call->own.client != NULL) {
        if (call->own.session != NULL)
            mongoc_client_session_destroy(call->own.session);
        bson_destroy(&call->own.options);
        mongoc_client_destroy(call->own.client);
    }
}

enum err db_filter(const struct db_call *call, const bson_t *filter, bson_t *out)
{
    if (!call->schema->global) {
        if (filter != NULL && bson_has_field(filter, "tenant_id"))
            return fail_internal(call->ctx, ERR_INTERNAL,
                                 "%s: the tenant is not the caller's to name", call->collection);
        bson_put_uuid(out, "tenant_id", &call->ctx->tenant_id);
    }
    if (filter != NULL && !bson_concat(out, filter))
        return fail_internal(call->ctx, ERR_INTERNAL, "%s: filter too large", call->collection);
    return ERR_OK;
}
