/*
 * Transactions: the body runs again when the server asks for it, the commit is repeated while its
 * end is unknown, both until the deadline. A database that cannot be reached is given up earlier,
 * so that the caller hears of it in time.
 */
#include "app/db.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/db_internal.h"
#include "app/log.h"

#define WITHOUT_DEADLINE_MS 10000
#define BACKOFF_MAX_MS      32

struct db_settled {
    struct db_settled *next;
    db_settled_fn settled;
    void *arg;
};

bool db_on_settled(struct ctx *ctx, db_settled_fn settled, void *arg)
{
    struct db_transaction *transaction = ctx->transaction;
    struct db_settled *entry = NULL;

    if (transaction != NULL)
        entry = ARENA_NEW(ctx->arena, struct db_settled);
    if (entry == NULL)
        return false;
    *entry = (struct db_settled){.next = transaction->settled, .settled = settled, .arg = arg};
    transaction->settled = entry;
    return true;
}

static void settle(struct db_transaction *transaction, enum db_end end)
{
    struct db_settled *entry = transaction->settled;

    transaction->settled = NULL;
    for (; entry != NULL; entry = entry->next)
        entry->settled(entry->arg, end);
}

void db_transaction_failed(struct db_transaction *transaction, const struct db_error *error,
                           const bson_t *reply)
{
    transaction->transient = db_has_label(reply, "TransientTransactionError") || error->network ||
                             error->domain == MONGOC_ERROR_SERVER_SELECTION;
    transaction->unavailable = error->network || error->domain == MONGOC_ERROR_SERVER_SELECTION;
    transaction->broken = true;
}

/* --- left behind --- */

static void note_abandoned(struct db *db, const struct uuid *id)
{
    (void)pthread_mutex_lock(&db->lock);
    if (db->abandoned_count < DB_ABANDONED_MAX)
        db->abandoned[db->abandoned_count++] = *id;
    (void)pthread_mutex_unlock(&db->lock);
}

/*
 * A server that did not answer keeps the transaction, and with it the documents it changed, for a
 * minute. Asking it now would only cost more time: the session's name is kept, and the next call
 * that gets through has the server end it, as does the next transaction before it begins.
 */
static void abandon(struct db *db, struct db_transaction *transaction)
{
    bson_iter_t it;
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_subtype_t subtype;
    struct uuid id;

    if (bson_iter_init_find(&it, mongoc_client_session_get_lsid(transaction->session), "id") &&
        BSON_ITER_HOLDS_BINARY(&it))
        bson_iter_binary(&it, &subtype, &size, &data);
    if (size == sizeof id.bytes) {
        memcpy(id.bytes, data, size);
        note_abandoned(db, &id);
    }

    /* Makes the driver forget the client's sessions instead of ending them on the server. */
    mongoc_client_reset(transaction->client->client);
    mongoc_client_session_destroy(transaction->session);
    transaction->session = NULL;
    if (transaction->client->session != NULL)
        mongoc_client_session_destroy(transaction->client->session);
    transaction->client->session = NULL;
}

static size_t take_abandoned(struct db *db, struct uuid ret_ids[DB_ABANDONED_MAX])
{
    (void)pthread_mutex_lock(&db->lock);
    const size_t count = (size_t)db->abandoned_count;
    memcpy(ret_ids, db->abandoned, count * sizeof ret_ids[0]);
    db->abandoned_count = 0;
    (void)pthread_mutex_unlock(&db->lock);
    return count;
}

static void name_sessions(bson_t *command, const struct uuid *ids, size_t count)
{
    bson_t sessions, session;

    bson_append_array_begin(command, "killSessions", -1, &sessions);
    for (size_t i = 0; i < count; i++) {
        char text[16];
        const char *name = NULL;

        (void)bson_uint32_to_string((uint32_t)i, &name, text, sizeof text);
        bson_append_document_begin(&sessions, name, -1, &session);
        bson_put_uuid(&session, "id", &ids[i]);
        bson_append_document_end(&sessions, &session);
    }
    bson_append_array_end(command, &sessions);
}

bool db_end_abandoned(struct db_call *call, struct db_error *ret_error)
{
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct uuid ids[DB_ABANDONED_MAX];

    if (atomic_load(&call->db->abandoned_count) == 0)
        return true;
    const size_t count = take_abandoned(call->db, ids);
    if (count == 0) /* another thread is at it */
        return true;
    name_sessions(command, ids, count);
    if (db_run_admin(call, command, reply, ret_error))
        return true;
    log_event(LOG_WARN, "database.transactions_left", "message", ret_error->text, NULL);
    if (!db_error_unavailable(ret_error))
        return true;
    for (size_t i = 0; i < count; i++)
        note_abandoned(call->db, &ids[i]);
    return false;
}

/* --- beginning --- */

static mongoc_transaction_opt_t *transaction_options(const struct db_limits *limits)
{
    mongoc_transaction_opt_t *options = mongoc_transaction_opts_new();
    mongoc_read_concern_t *read = mongoc_read_concern_new();
    mongoc_write_concern_t *write = mongoc_write_concern_new();

    mongoc_read_concern_set_level(read, MONGOC_READ_CONCERN_LEVEL_SNAPSHOT);
    mongoc_write_concern_set_w(write, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(write, true);
    mongoc_transaction_opts_set_read_concern(options, read);
    mongoc_transaction_opts_set_write_concern(options, write);
    mongoc_transaction_opts_set_max_commit_time_ms(options, limits->server);
    mongoc_read_concern_destroy(read);
    mongoc_write_concern_destroy(write);
    return options;
}

/* A session of its own: the client's numbers its retryable writes itself. */
static mongoc_client_session_t *start_session(struct db_client *client, bson_error_t *error)
{
    mongoc_session_opt_t *options = mongoc_session_opts_new();

    mongoc_session_opts_set_causal_consistency(options, false);
    mongoc_client_session_t *session = mongoc_client_start_session(client->client, options, error);
    mongoc_session_opts_destroy(options);
    return session;
}

static bool start(const struct db *db, struct db_transaction *transaction, bson_error_t *error)
{
    transaction->transient = transaction->unavailable = transaction->broken = false;
    if (transaction->session == NULL) {
        transaction->session = start_session(transaction->client, error);
        if (transaction->session == NULL)
            return false;
        bson_reinit(&transaction->options);
        if (!mongoc_client_session_append(transaction->session, &transaction->options, error))
            return false;
    }
    mongoc_transaction_opt_t *options = transaction_options(&db->limits);
    bool started = mongoc_client_session_start_transaction(transaction->session, options, error);
    mongoc_transaction_opts_destroy(options);
    return started;
}

/* --- ending --- */

struct attempt {
    struct db_call call; /* for naming errors */
    struct db_transaction *transaction;
    int64_t started, until;
};

static bool may_go_on(const struct attempt *attempt, bool unavailable)
{
    int64_t now = clock_monotonic_ms();

    /* A later one would not end in time. */
    if (unavailable && now - attempt->started > attempt->call.db->limits.begin_before)
        return false;
    return now < attempt->until;
}

/* Competing transactions step back for different times. */
static void back_off(unsigned round)
{
    int64_t most = round < 5 ? INT64_C(1) << round : BACKOFF_MAX_MS;
    int64_t us = clock_monotonic_us() % (most * 1000);
    struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)us * 1000};

    (void)nanosleep(&wait, NULL);
}

enum step { STEP_DONE = 1, STEP_AGAIN, STEP_FAILED };

/* For tests: a commit that was not sent, or whose answer did not arrive. */
static enum step lose_commit(struct attempt *attempt, enum db_end end, enum err *ret_err)
{
    const struct db_error error = {.domain = MONGOC_ERROR_STREAM, .network = true};

    if (end == DB_ABORTED)
        (void)mongoc_client_session_abort_transaction(attempt->transaction->session, NULL);
    else
        abandon(attempt->call.db, attempt->transaction);
    settle(attempt->transaction, end);
    *ret_err = end == DB_UNKNOWN ? db_fail_unknown(&attempt->call, &error)
                                 : db_fail(&attempt->call, &error);
    return STEP_FAILED;
}

/* Commits until it is known to have happened or not. */
static enum step commit(struct attempt *attempt, enum err *ret_err)
{
    struct db_transaction *transaction = attempt->transaction;
    struct db_error error;
    bson_error_t detail;

    for (;;) {
        bson_t reply_bytes = BSON_INITIALIZER;
        AUTO(bson_destroy) bson_t *reply = &reply_bytes;

        attempt->call.ctx->db_calls++;
        if (db_must_fail(attempt->call.db))
            return lose_commit(attempt, DB_ABORTED, ret_err);
        if (mongoc_client_session_commit_transaction(transaction->session, reply, &detail)) {
            if (db_must_lose(attempt->call.db))
                return lose_commit(attempt, DB_UNKNOWN, ret_err);
            settle(transaction, DB_COMMITTED);
            return STEP_DONE;
        }
        db_error_read(&detail, reply, &error);
        bool unavailable = error.network || error.domain == MONGOC_ERROR_SERVER_SELECTION;
        bool unknown = db_has_label(reply, "UnknownTransactionCommitResult");
        if (unknown && may_go_on(attempt, unavailable))
            continue;
        settle(transaction, unknown ? DB_UNKNOWN : DB_ABORTED);
        if (db_has_label(reply, "TransientTransactionError") && may_go_on(attempt, unavailable))
            return STEP_AGAIN;
        /* It may still be open there, in the way of whoever tries again. */
        if (unknown || unavailable)
            abandon(attempt->call.db, transaction);
        *ret_err =
            unknown ? db_fail_unknown(&attempt->call, &error) : db_fail(&attempt->call, &error);
        return STEP_FAILED;
    }
}

static enum step give_up(struct attempt *attempt, enum err err, enum err *ret_err)
{
    struct db_transaction *transaction = attempt->transaction;

    if (transaction->unavailable)
        abandon(attempt->call.db, transaction);
    else
        (void)mongoc_client_session_abort_transaction(transaction->session, NULL);
    settle(transaction, DB_ABORTED);
    if (transaction->transient && may_go_on(attempt, transaction->unavailable))
        return STEP_AGAIN;
    if (err == ERR_OK)
        err = fail_internal(attempt->call.ctx, ERR_INTERNAL,
                            "a transaction's body went on after a failed command");
    *ret_err = err;
    return STEP_FAILED;
}

enum err db_run_hooks(struct ctx *ctx, const struct ctx *of)
{
    for (const struct db_hook *hook = of->before_commit; hook != NULL; hook = hook->next)
        TRY(hook->run(ctx, hook->arg));
    return ERR_OK;
}

static enum err run_body(struct ctx *ctx, db_transaction_fn body, void *arg)
{
    TRY(body(ctx, arg));
    return db_run_hooks(ctx, ctx);
}

static enum step run_once(struct attempt *attempt, db_transaction_fn body, void *arg,
                          enum err *ret_err)
{
    struct ctx *ctx = attempt->call.ctx;
    struct db_error error;
    bson_error_t detail;

    /* What an earlier attempt left on the server is in the way of this one. */
    if (!db_end_abandoned(&attempt->call, &error)) {
        *ret_err = db_fail(&attempt->call, &error);
        return STEP_FAILED;
    }
    if (!start(attempt->call.db, attempt->transaction, &detail)) {
        db_error_read(&detail, NULL, &error);
        *ret_err = db_fail(&attempt->call, &error);
        return STEP_FAILED;
    }
    fail_clear(ctx);
    ctx->transaction = attempt->transaction;
    enum err err = run_body(ctx, body, arg);
    ctx->transaction = NULL;
    if (err != ERR_OK || attempt->transaction->broken)
        return give_up(attempt, err, ret_err);
    return commit(attempt, ret_err);
}

enum err db_transaction(struct ctx *ctx, db_transaction_fn body, void *arg)
{
    struct db_transaction transaction = {0};
    struct attempt attempt = {.transaction = &transaction};
    enum err err = ERR_OK;
    enum step step = STEP_AGAIN;

    if (ctx->transaction != NULL)
        return fail_internal(ctx, ERR_INTERNAL, "a transaction within a transaction");
    /* As a reader: until the commit, no failure leaves anything unknown. */
    TRY(db_call_begin(ctx, NULL, DB_READ, &attempt.call));
    attempt.started = clock_monotonic_ms();
    attempt.until = attempt.started + ctx_remaining(ctx, WITHOUT_DEADLINE_MS);
    transaction.client = attempt.call.client;
    bson_init(&transaction.options);
    for (unsigned round = 0; step == STEP_AGAIN; round++) {
        if (round > 0)
            back_off(round);
        step = run_once(&attempt, body, arg, &err);
    }
    if (transaction.session != NULL)
        mongoc_client_session_destroy(transaction.session);
    bson_destroy(&transaction.options);
    db_call_end(&attempt.call);
    return step == STEP_DONE ? ERR_OK : err;
}
