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

#define LIMIT_MS 2000 /* issue 3: "503 within 2 s" */
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
    assert_in_range(clock_monotonic_ms() - start, 0, LIMIT_MS);
    if (kind < FIRST_WRITE)
        assert_false(db_outcome_unknown(ctx));
}

static void assert_back(struct ctx *ctx, const struct thing *thing)
{
    int64_t start = clock_monotonic_ms();

    while (thing_add(ctx, thing, 1) != ERR_OK)
        assert_in_range(clock_monotonic_ms() - start, 0, LIMIT_MS);
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
        assert_in_range(waiters[i].took, 0, LIMIT_MS);
    }
    wire_freeze(database.wire, false);
    assert_back(ctx, &thing);
}

/* --- slow and busy --- */

/* A query that takes for ever ends with the ctx's deadline, at the server too. */
static void test_deadline(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct thing thing = thing_insert(ctx, "slow", 0);
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("$where", BCON_UTF8("function() { while (true) { sleep(10); } }"));
    int64_t start = clock_monotonic_ms();

    ctx->deadline = start + 200;
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &thing), ERR_DB_UNAVAILABLE);
    assert_in_range(clock_monotonic_ms() - start, 150, 900);
    ctx->deadline = 0;
    start = clock_monotonic_ms();
    assert_int_equal(db_find_one(ctx, &thing_schema, filter, &thing), ERR_DB_UNAVAILABLE);
    assert_in_range(clock_monotonic_ms() - start, 800, LIMIT_MS);
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

/* OP-10, F20: with all clients in use a call waits half a second, and the deadline cuts that short.
 */
static void test_pool_exhausted(void **state)
{
    NEEDS_DATABASE();
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
    int64_t start = clock_monotonic_ms();
    assert_int_equal(call(ctx, 5, &thing), ERR_DB_UNAVAILABLE);
    assert_in_range(clock_monotonic_ms() - start, 450, 1000);
    assert_false(db_outcome_unknown(ctx));
    ctx->deadline = clock_monotonic_ms() + 100;
    start = clock_monotonic_ms();
    assert_int_equal(call(ctx, 0, &thing), ERR_DB_UNAVAILABLE);
    assert_in_range(clock_monotonic_ms() - start, 50, 400);
    ctx->deadline = 0;
    pthread_barrier_wait(&both);
    for (int i = 0; i < POOL; i++)
        pthread_join(holdings[i].thread, NULL);
    pthread_barrier_destroy(&both);
    assert_int_equal(thing_count(ctx, &thing), 3);
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
        CASE(test_deadline),
        CASE(test_pool_exhausted),
        CASE(test_fail_after),
        cmocka_unit_test(test_bad_uri),
        cmocka_unit_test_setup_teardown(test_refused, begin_unmonitored, end),
        cmocka_unit_test_setup_teardown(test_frozen, begin_unmonitored, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
