/*
 * Sends commands and says what their failures mean. Retryable writes are done here: a command that
 * is cut off is sent once more under the same session and transaction number, and the server
 * applies it once. A write whose end is not known is reported as such.
 */
#include "app/db.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db_internal.h"
#include "app/log.h"
#include "app/metrics.h"

/* Codes of the server. */
#define UNKNOWN_ERROR     8
#define OUT_OF_DISK_SPACE 14031

/* The flag of BSON_INITIALIZER and bson_init for a bson_t that is somebody's variable. */
#define NOT_ALLOCATED 2

static const char unknown_outcome[] = "unknown outcome";

/* --- what went wrong --- */

bool db_has_label(const bson_t *reply, const char *label)
{
    return reply != NULL && mongoc_error_has_label(reply, label);
}

int64_t db_reply_int(const bson_t *reply, const char *name)
{
    bson_iter_t it;

    return bson_iter_init_find(&it, reply, name) ? bson_iter_as_int64(&it) : 0;
}

/* "E11000 duplicate key error collection: tenantd.users_… index: email_1 dup key: {…}" */
static void read_index(const char *text, struct db_error *error)
{
    static const char before[] = " index: ";
    const char *start = strstr(text, before);

    if (start == NULL)
        return;
    start += sizeof before - 1;
    size_t length = strcspn(start, " ");
    if (length >= sizeof error->index)
        length = sizeof error->index - 1;
    memcpy(error->index, start, length);
}

/* "keyPattern: {custom_fields.badge: 1}", in the command's answer or in a write error. */
static void read_path(const bson_iter_t *start, struct db_error *error)
{
    bson_iter_t it = *start, keys;

    if (!bson_iter_find(&it, "keyPattern") || !bson_iter_recurse(&it, &keys) ||
        !bson_iter_next(&keys) || strlen(bson_iter_key(&keys)) >= sizeof error->path)
        return;
    bson_strncpy(error->path, bson_iter_key(&keys), sizeof error->path);
}

static void set_error(struct db_error *error, uint32_t domain, int64_t code, const char *text)
{
    *error =
        (struct db_error){.domain = domain, .code = code, .network = domain == MONGOC_ERROR_STREAM};
    if (code == DB_CODE_DUPLICATE)
        read_index(text, error); /* and not the rest: it holds the value */
    else
        bson_strncpy(error->text, text, sizeof error->text);
}

/* What the storage engine says when it cannot make a file has no code of its own. */
static bool is_full_disk(int64_t code, const bson_t *reply)
{
    bson_iter_t at;

    return code == UNKNOWN_ERROR && reply != NULL && bson_iter_init_find(&at, reply, "errmsg") &&
           BSON_ITER_HOLDS_UTF8(&at) &&
           strstr(bson_iter_utf8(&at, NULL), "No space left on device") != NULL;
}

void db_error_read(const bson_error_t *from, const bson_t *reply, struct db_error *ret_error)
{
    bson_iter_t it;

    set_error(ret_error, from->domain, from->code, from->message);
    if (ret_error->code == 0 && reply != NULL)
        ret_error->code = db_reply_int(reply, "code");
    if (ret_error->code == DB_CODE_DUPLICATE && reply != NULL && bson_iter_init(&it, reply))
        read_path(&it, ret_error);
    if (is_full_disk(ret_error->code, reply))
        ret_error->code = OUT_OF_DISK_SPACE;
}

/* Reads {code, errmsg} where it stands. */
static void read_problem(const bson_iter_t *at, struct db_error *error)
{
    bson_iter_t it;
    int64_t code = 0, item = 0;
    const char *text = "";

    if (!bson_iter_recurse(at, &it))
        return;
    while (bson_iter_next(&it)) {
        if (strcmp(bson_iter_key(&it), "code") == 0)
            code = bson_iter_as_int64(&it);
        else if (strcmp(bson_iter_key(&it), "index") == 0)
            item = bson_iter_as_int64(&it);
        else if (strcmp(bson_iter_key(&it), "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&it))
            text = bson_iter_utf8(&it, NULL);
    }
    set_error(error, MONGOC_ERROR_SERVER, code, text);
    if (code == DB_CODE_DUPLICATE && bson_iter_recurse(at, &it))
        read_path(&it, error);
    error->item = item;
}

/* An answer with ok: 1 may still tell of a refused document or of a write that is not confirmed. */
static bool reply_has_problem(const bson_t *reply, struct db_error *error)
{
    bson_iter_t it, first;

    if (bson_iter_init_find(&it, reply, "writeErrors") && bson_iter_recurse(&it, &first) &&
        bson_iter_next(&first)) {
        read_problem(&first, error);
        return true;
    }
    if (bson_iter_init_find(&it, reply, "writeConcernError")) {
        read_problem(&it, error);
        error->concern = true;
        return true;
    }
    return false;
}

/* Codes by which a server says that it cannot now: going down, stepping down, too slow, full. */
static bool is_passing(int64_t code)
{
    static const int16_t codes[] = {
        6,     /* HostUnreachable */
        7,     /* HostNotFound */
        24,    /* LockTimeout */
        50,    /* MaxTimeMSExpired */
        64,    /* WriteConcernFailed */
        79,    /* UnknownReplWriteConcern */
        89,    /* NetworkTimeout */
        91,    /* ShutdownInProgress */
        100,   /* UnsatisfiableWriteConcern */
        112,   /* WriteConflict */
        133,   /* FailedToSatisfyReadPreference */
        134,   /* ReadConcernMajorityNotAvailableYet */
        189,   /* PrimarySteppedDown */
        202,   /* NetworkInterfaceExceededTimeLimit */
        225,   /* TransactionTooOld */
        244,   /* TransactionAborted */
        246,   /* SnapshotUnavailable */
        251,   /* NoSuchTransaction */
        262,   /* ExceededTimeLimit */
        9001,  /* SocketException */
        10107, /* NotWritablePrimary */
        11600, /* InterruptedAtShutdown */
        11602, /* InterruptedDueToReplStateChange */
        13388, /* StaleConfig */
        13435, /* NotPrimaryNoSecondaryOk */
        13436, /* NotPrimaryOrSecondary */
        OUT_OF_DISK_SPACE,
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i] == code)
            return true;
    }
    return false;
}

/* Another transaction was faster: nothing was done, and the database is well. */
static bool is_competition(const struct db_error *error)
{
    static const int16_t codes[] = {
        24,  /* LockTimeout */
        112, /* WriteConflict */
        244, /* TransactionAborted */
        246, /* SnapshotUnavailable */
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i] == error->code)
            return !error->network && !error->concern;
    }
    return false;
}

/* The driver gave up before it sent anything. */
static bool is_unsent(const struct db_error *error)
{
    return error->domain == MONGOC_ERROR_SERVER_SELECTION || error->domain == MONGOC_ERROR_CLIENT ||
           (error->domain == MONGOC_ERROR_COMMAND &&
            strstr(error->text, "invalidated server") != NULL);
}

bool db_error_unavailable(const struct db_error *error)
{
    return error->network || error->concern || is_unsent(error) || is_passing(error->code);
}

static bool is_read(const struct db_call *call)
{
    return call->use == DB_READ || call->use == DB_LOOK_UP || call->use == DB_READ_ANY_TENANT ||
           call->use == DB_INSPECT || call->use == DB_READ_LONG;
}

static const char *place_name(const struct db_call *call)
{
    return call->schema != NULL ? call->collection : "database";
}

enum err db_fail_unknown(struct db_call *call, const struct db_error *error)
{
    return fail_internal(call->ctx, ERR_DB_UNAVAILABLE, "%s: %s: %s", unknown_outcome,
                         place_name(call), error->text);
}

enum err db_fail(struct db_call *call, const struct db_error *error)
{
    struct ctx *ctx = call->ctx;
    const char *what = place_name(call);

    if (error->code == DB_CODE_DUPLICATE) {
        (void)fail(ctx, ERR_CONFLICT, arena_strdup(ctx->arena, error->index), NULL);
        ctx->failure.path = error->path[0] != '\0' ? arena_strdup(ctx->arena, error->path) : NULL;
        ctx->failure.item = error->item > 0 ? (size_t)error->item : 0;
        return ERR_CONFLICT;
    }

    if (error->code == DB_CODE_VALIDATION && call->schema != NULL &&
        call->schema->per_tenant_collection)
        return fail_internal(ctx, ERR_DOCUMENT_REFUSED, "%s: the validator refused a document",
                             what);

    if (call->expected_code != 0 && error->code == call->expected_code)
        return fail_internal(ctx, ERR_INTERNAL, "%s: %s", what, error->text);
    if (ctx->app->metrics != NULL)
        metric_add(ctx->app->metrics, METRIC_DB_ERRORS, 1);
    if (!db_error_unavailable(error)) {
        log_event(LOG_WARN, "database.error", "collection", what, "message", error->text, NULL);
        return fail_internal(ctx, ERR_INTERNAL, "%s: database error %" PRId64 ": %s", what,
                             error->code, error->text);
    }
    /* Within a transaction nothing has happened before the commit. */
    if (!is_read(call) && call->transaction == NULL && !is_unsent(error))
        return db_fail_unknown(call, error);
    return fail_internal(ctx, ERR_DB_UNAVAILABLE, "%s: %s", what, error->text);
}

bool db_outcome_unknown(const struct ctx *ctx)
{
    const char *text = ctx->failure.internal;

    return ctx->failure.code == ERR_DB_UNAVAILABLE && text != NULL &&
           strncmp(text, unknown_outcome, sizeof unknown_outcome - 1) == 0;
}

/* --- sending --- */

static bool make_session(struct db_client *client, bson_error_t *error)
{
    mongoc_session_opt_t *options = mongoc_session_opts_new();

    /* Everything is read from the primary: nothing to order, and shorter messages. */
    mongoc_session_opts_set_causal_consistency(options, false);
    client->session = mongoc_client_start_session(client->client, options, error);
    mongoc_session_opts_destroy(options);
    if (client->session == NULL)
        return false;
    bson_reinit(&client->options);
    return mongoc_client_session_append(client->session, &client->options, error);
}

/* After a broken connection the old command may still hold the session on the server. The driver
 * marks it then, so that nobody uses it again; without the mark it would go on to a transaction,
 * whose numbers are lower. */
static void drop_session(struct db_call *call)
{
    struct db_client *client = call->client;

    if (call->transaction != NULL || client->session == NULL ||
        !mongoc_client_session_get_dirty(client->session))
        return;
    mongoc_client_session_destroy(client->session);
    client->session = NULL;
}

static void count_round_trip(struct ctx *ctx)
{
    ctx->db_calls++;
    if (ctx->app->metrics != NULL)
        metric_add(ctx->app->metrics, METRIC_DB_CALLS, 1);
}

/* The driver initialises replies anew. bson_destroy would free a bson_new() as a whole, and the
 * driver would write into what is no longer there. */
static void give_up_reply(bson_t *reply)
{
    assert((reply->flags & NOT_ALLOCATED) != 0);
    bson_destroy(reply);
}

static bool send_once(struct db_call *call, const bson_t *command, bson_t *reply,
                      struct db_error *error)
{
    const bson_t *options = &call->client->options;
    bson_error_t detail;

    if (call->transaction != NULL) {
        options = &call->transaction->options;
    } else if (call->client->session == NULL && !make_session(call->client, &detail)) {
        db_error_read(&detail, NULL, error);
        return false;
    }
    count_round_trip(call->ctx);
    give_up_reply(reply);
    if (!mongoc_client_command_with_opts(call->client->client, call->db->name, command, NULL,
                                         options, reply, &detail)) {
        db_error_read(&detail, reply, error);
        return false;
    }
    return !reply_has_problem(reply, error);
}

/* Only after a quick failure: a second slow one would not end in time. */
static bool may_send_again(const struct db_call *call, const struct db_error *error,
                           const bson_t *reply)
{
    if (call->transaction != NULL ||
        clock_monotonic_ms() - call->started > call->db->limits.retry_before)
        return false;
    switch (call->use) {
    case DB_READ:
    case DB_LOOK_UP:
    case DB_INSPECT:
        return error->network || (is_passing(error->code) && error->code != 50);
    case DB_WRITE:
    case DB_WRITE_ANY_TENANT:
        return error->network || db_has_label(reply, "RetryableWriteError");
    case DB_READ_LONG:
    case DB_READ_ANY_TENANT: /* a batch that got lost is lost */
    case DB_WRITE_MANY:
    case DB_ADMIN:
        break;
    }
    return false;
}

/* The second try must be the first one's double, so it needs the same session. */
static bool send_again(struct db_call *call, const bson_t *command, bson_t *reply,
                       struct db_error *error)
{
    struct db_error second;

    if (send_once(call, command, reply, &second))
        return true;
    /* When the second was not even sent, the first one's end is what counts. */
    if (!is_unsent(&second))
        *error = second;
    return false;
}

static int64_t time_limit(const struct db_call *call)
{
    const bool is_long =
        call->use == DB_ADMIN || call->use == DB_READ_ANY_TENANT || call->use == DB_READ_LONG;
    const int64_t most = call->most_ms > 0 ? call->most_ms : call->db->limits.server;

    return ctx_remaining(call->ctx, is_long ? DB_LONG_MS : most);
}

static bool is_expected(const struct db_call *call, const struct db_error *error)
{
    return call->expected_code != 0 && error->code == call->expected_code;
}

static bool is_retryable_write(const struct db_call *call)
{
    return call->transaction == NULL && (call->use == DB_WRITE || call->use == DB_WRITE_ANY_TENANT);
}

/* The driver hands out sessions again that another client or a transaction used, and the server
 * takes no number below one it has seen in that session. So the numbers of the whole process go up
 * together, from far above those that the driver counts for transactions, and follow no clock. */
static int64_t next_number(struct db *db)
{
    return DB_FIRST_NUMBER + atomic_fetch_add_explicit(&db->numbers, 1, memory_order_relaxed);
}

static void add_write_concern(bson_t *command, int64_t limit)
{
    bson_t concern;

    bson_append_document_begin(command, "writeConcern", -1, &concern);
    bson_put_text(&concern, "w", "majority");
    bson_put_bool(&concern, "j", true);
    bson_put_int(&concern, "wtimeout", limit);
    bson_append_document_end(command, &concern);
}

/* The server takes no time limit for fetching the rest of a cursor. */
static bool is_next_batch(const bson_t *command)
{
    bson_iter_t it;

    return bson_iter_init(&it, command) && bson_iter_next(&it) &&
           strcmp(bson_iter_key(&it), "getMore") == 0;
}

/* For tests: done, and nobody heard of it. */
static enum err lose_answer(struct db_call *call, const bson_t *reply)
{
    struct db_error error;

    set_error(&error, MONGOC_ERROR_STREAM, 0, "the answer was lost for a test");
    if (call->transaction != NULL)
        db_transaction_failed(call->transaction, &error, reply);
    return db_fail(call, &error);
}

enum err db_run(struct db_call *call, bson_t *command, bson_t *reply)
{
    struct db_error error;
    int64_t limit = time_limit(call);

    if (!is_next_batch(command))
        bson_put_int(command, "maxTimeMS", limit);
    if (!is_read(call) && call->transaction == NULL)
        add_write_concern(command, limit);
    if (is_retryable_write(call))
        bson_put_int(command, "txnNumber", next_number(call->db));

    bool done = send_once(call, command, reply, &error);
    if (done && db_must_lose(call->db))
        return lose_answer(call, reply);
    if (done) {
        if (call->transaction == NULL)
            (void)db_end_abandoned(call, &error);
        return ERR_OK;
    }
    bool cut = error.network;
    if (db_error_unavailable(&error) && !is_competition(&error) && !is_expected(call, &error))
        db_note_trouble(call->db);
    if (may_send_again(call, &error, reply))
        done = send_again(call, command, reply, &error);
    if (cut || error.network)
        drop_session(call);
    if (done)
        return ERR_OK;
    if (call->transaction != NULL)
        db_transaction_failed(call->transaction, &error, reply);
    return db_fail(call, &error);
}

bool db_run_admin(struct db_call *call, const bson_t *command, bson_t *reply,
                  struct db_error *ret_error)
{
    bson_error_t detail;

    count_round_trip(call->ctx);
    give_up_reply(reply);
    if (mongoc_client_command_with_opts(call->client->client, "admin", command, NULL, NULL, reply,
                                        &detail))
        return true;
    db_error_read(&detail, reply, ret_error);
    return false;
}
