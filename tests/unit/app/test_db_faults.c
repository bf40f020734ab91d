/*
 * A database that is slow, frozen, cut off or full of waiters: every call ends within 2 s as
 * ERR_DB_UNAVAILABLE, says whether a write may have happened, and things go on by themselves (OP-6,
 * OP-10, F20). The fault is made by a proxy in between, so that other tests do not suffer.
 */
#include "app/db.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app/clock.h"
#include "support/database.h"
#include "support/thing.h"
#include "support/unit.h"

#define LIMIT_MS (2 * DATABASE_CALL_MS) /* issue 3: "503 within 2 s" by the shipped setting */
#define POOL     4

static struct database database;

static int begin_with(const struct database_options *options)
{
    if (database_begin(&database, options))
        database.ctx.tenant_id = uuid_new();
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(&(struct database_options){.proxied = true, .pool_size = POOL});
}

/* With limits of its own that nobody waits for. */
static int begin_patient(void **state)
{
    (void)state;
    return begin_with(&(struct database_options){.pool_size = POOL, .call_ms = 120000});
}

static int begin_unmonitored(void **state)
{
    (void)state;
    return begin_with(&(struct database_options){.proxied = true, .unmonitored = true});
}

static int end(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

/* Every kind of call, by number. */
static enum err call(struct ctx *ctx, int kind, const struct thing *thing)
{
    AUTO(bson_destroy) bson_t *filter = thing_filter(thing);
    AUTO(bson_destroy) bson_t *inc = BCON_NEW("$inc", "{", "count", BCON_INT64(1), "}");
    const struct db_change change = {.filter = filter, .update = inc};
    const struct db_find find = {.filter = filter};
    struct thing other = thing_make(&ctx->tenant_id, "other", 1);
    struct list list = {0};
    int64_t count = 0;

    switch (kind) {
    case 0:
        return db_find_one(ctx, &thing_schema, filter, &other);
    case 1:
        return db_find_many(ctx, &thing_schema, &find, &list);
    case 2:
        return db_count(ctx, &thing_schema, filter, 0, &count);
    case 3:
        return db_ping(ctx);
    case 4:
        return db_insert(ctx, &thing_schema, &other);
    case 5:
        return db_update_one(ctx, &thing_schema, filter, inc);
    case 6:
        return db_find_and_update(ctx, &thing_schema, &change, &other);
    case 7:
        return db_update_many(ctx, &thing_schema, filter, inc, &count);
    case 8:
        return db_delete_many(ctx, &thing_schema, filter, &count);
    default:
        return db_ensure_collection(ctx, &thing_schema, NULL, 0);
    }
}

enum { FIRST_WRITE = 4 };
static const int few_kinds[] = {0, 6, 9};

static void assert_gone(struct ctx *ctx, int kind, const struct thing *thing)
{
    int64_t start = clock_monotonic_ms();

    fail_clear(ctx);
    assert_int_equal(call(ctx, kind, thing), ERR_DB_UNAVAILABLE);
    in_time(clock_monotonic_ms() - start, LIMIT_MS);
    if (kind < FIRST_WRITE)
        assert_false(db_outcome_unknown(ctx));
}

static void assert_back(struct ctx *ctx, const struct thing *thing)
{
    WAIT(thing_add(ctx, thing, 1) == ERR_OK, LIMIT_MS);
}

/* OP-6, OP-10: like a SIGSTOP, first met on a warm connection, then with the database known as
 * gone. */
static void test_frozen(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "frozen", 0);

    wire_freeze(database.wire, true);
    assert_gone(ctx, 5, &thing);
    assert_true(db_outcome_unknown(ctx));
    for (size_t i = 0; i < COUNT_OF(few_kinds); i++)
        assert_gone(ctx, few_kinds[i], &thing);
    wire_freeze(database.wire, false);
    assert_back(ctx, &thing);
}

/* Each kind meets the frozen database first. */
static void test_frozen_each(void **state)
{
    NEEDS_DATABASE();
    static const int kinds[] = {0, 4};
    struct ctx *ctx = &database.ctx;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct thing thing = thing_insert(ctx, "frozen", 0);

        wire_freeze(database.wire, true);
        assert_gone(ctx, kinds[i], &thing);
        assert_int_equal(db_outcome_unknown(ctx), kinds[i] >= FIRST_WRITE);
        wire_freeze(database.wire, false);
        assert_back(ctx, &thing);
    }
}

static void test_refused(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "refused", 0);

    wire_refuse(database.wire, true);
    for (size_t i = 0; i < COUNT_OF(few_kinds); i++)
        assert_gone(ctx, few_kinds[i], &thing);
    wire_refuse(database.wire, false);
    assert_back(ctx, &thing);
}

struct waiter {
    pthread_t thread;
    struct thing thing;
    int64_t took;
    enum err err;
};

static void *find_in_thread(void *arg)
{
    struct waiter *waiter = arg;
    struct arena arena;
    struct ctx ctx;
    int64_t start = clock_monotonic_ms();

    arena_init(&arena, 1 << 20);
    database_ctx(&database, &arena, &ctx);
    ctx.tenant_id = waiter->thing.tenant_id;
    waiter->err = call(&ctx, 0, &waiter->thing);
    waiter->took = clock_monotonic_ms() - start;
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

/* F20: more threads than clients, and nobody waits longer. */
static void test_frozen_with_a_crowd(void **state)
{
    NEEDS_DATABASE();
    enum { CROWD = 5 * POOL };
    struct waiter waiters[CROWD];
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "crowd", 0);

    wire_freeze(database.wire, true);
    for (int i = 0; i < CROWD; i++) {
        waiters[i].thing = thing;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, find_in_thread, &waiters[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].err, ERR_DB_UNAVAILABLE);
        in_time(waiters[i].took, LIMIT_MS);
    }
    wire_freeze(database.wire, false);
    assert_back(ctx, &thing);
}

/* --- slow and busy --- */

/* A query that takes for ever: when it ended, in milliseconds. */
static int64_t ask_for_ever(struct ctx *ctx, int64_t deadline_ms)
{
    struct thing thing = thing_insert(ctx, "slow", 0);
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("$where", BCON_UTF8("function() { while (true) { sleep(10); } }"));
    const int64_t start = clock_monotonic_ms();

    ctx->deadline = deadline_ms > 0 ? start + deadline_ms : 0;
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &thing), ERR_DB_UNAVAILABLE);
    ctx->deadline = 0;
    return clock_monotonic_ms() - start;
}

/* … ends with the limit of a call, */
static void test_limit_of_a_call(void **state)
{
    NEEDS_DATABASE();
    const int64_t took = ask_for_ever(&database.ctx, 0);

    assert_true(took >= DATABASE_CALL_MS * 8 / 10);
    in_time(took, LIMIT_MS);
}

/* … and with the ctx's deadline before it, at the server too. */
static void test_deadline(void **state)
{
    NEEDS_DATABASE();
    const int64_t took = ask_for_ever(&database.ctx, 200);

    assert_true(took >= 150);
    in_time(took, 900);
}

struct holding {
    pthread_t thread;
    pthread_barrier_t *both;
    struct uuid tenant;
};

static enum err hold(struct ctx *ctx, void *arg)
{
    struct holding *holding = arg;

    (void)ctx;
    pthread_barrier_wait(holding->both); /* has its client */
    pthread_barrier_wait(holding->both); /* may end */
    return ERR_OK;
}

static void *hold_in_thread(void *arg)
{
    struct holding *holding = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, 1 << 20);
    database_ctx(&database, &arena, &ctx);
    ctx.tenant_id = holding->tenant;
    assert_int_equal(db_transaction(&ctx, hold, holding), ERR_OK);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

/* One more call while all clients are in use, and how long it took. */
static int64_t call_beside(int kind, int64_t deadline_ms)
{
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "pool", 3);
    struct holding holdings[POOL];
    pthread_barrier_t both;

    pthread_barrier_init(&both, NULL, POOL + 1);
    for (int i = 0; i < POOL; i++) {
        holdings[i] = (struct holding){.both = &both, .tenant = ctx->tenant_id};
        pthread_create(&holdings[i].thread, NULL, hold_in_thread, &holdings[i]);
    }
    pthread_barrier_wait(&both);
    const int64_t start = clock_monotonic_ms();
    ctx->deadline = deadline_ms > 0 ? start + deadline_ms : 0;
    assert_int_equal(call(ctx, kind, &thing), ERR_DB_UNAVAILABLE);
    const int64_t took = clock_monotonic_ms() - start;
    assert_false(db_outcome_unknown(ctx));
    ctx->deadline = 0;
    pthread_barrier_wait(&both);
    for (int i = 0; i < POOL; i++)
        pthread_join(holdings[i].thread, NULL);
    pthread_barrier_destroy(&both);
    assert_int_equal(thing_count(ctx, &thing), 3);
    return took;
}

/* OP-10, F20: a call waits for half of its limit, */
static void test_pool_exhausted(void **state)
{
    NEEDS_DATABASE();
    const int64_t took = call_beside(5, 0);

    assert_true(took >= DATABASE_CALL_MS * 45 / 100);
    in_time(took, DATABASE_CALL_MS);
}

/* … and the deadline cuts that short. */
static void test_pool_exhausted_with_a_deadline(void **state)
{
    NEEDS_DATABASE();
    const int64_t took = call_beside(0, 100);

    assert_true(took >= 50);
    in_time(took, 400);
}

static void test_fail_after(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "hook", 0);

    db_fail_after(database.app.db, 3);
    assert_int_equal(thing_add(ctx, &thing, 1), ERR_OK);
    assert_int_equal(thing_add(ctx, &thing, 1), ERR_OK);
    assert_int_equal(thing_add(ctx, &thing, 1), ERR_DB_UNAVAILABLE);
    assert_int_equal(thing_add(ctx, &thing, 1), ERR_OK);
    assert_int_equal(thing_count(ctx, &thing), 3);
}

/* What cannot be a connection string, or names nobody, is said and not waited for. */
static void test_bad_uri(void **state)
{
    (void)state;
    struct config config = {.database = {.uri = "postgres://here", .name = "x", .pool_size = 1}};
    const char *reason = NULL;
    struct db *db = NULL;

    assert_int_equal(db_open(&config, true, &db, &reason), ERR_VALIDATION);
    assert_non_null(strstr(reason, "mongodb://"));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_frozen),
        CASE(test_frozen_each),
        CASE(test_refused),
        CASE(test_frozen_with_a_crowd),
        CASE(test_limit_of_a_call),
        cmocka_unit_test_setup_teardown(test_deadline, begin_patient, end),
        CASE(test_pool_exhausted),
        cmocka_unit_test_setup_teardown(test_pool_exhausted_with_a_deadline, begin_patient, end),
        CASE(test_fail_after),
        cmocka_unit_test(test_bad_uri),
        cmocka_unit_test_setup_teardown(test_refused, begin_unmonitored, end),
        cmocka_unit_test_setup_teardown(test_frozen, begin_unmonitored, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
