/* Leases: one holder at a time by the database's clock, under a number that only grows (OP-15). */
#include "app/lease.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/clock.h"
#include "app/db.h"
#include "support/database.h"
#include "support/unit.h"

static struct database database;

static int setup(void **state)
{
    (void)state;
    if (!database_begin(&database, NULL))
        return 0;
    return db_ensure_collection(&database.ctx, &lease_schema, NULL, 0) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

static void test_one_holder(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct uuid a = uuid_new(), b = uuid_new();
    int64_t fence = 0, again = 0;

    assert_int_equal(lease_take(ctx, "one", &a, 60000, &fence), ERR_OK);
    assert_int_equal(fence, 1);
    assert_int_equal(lease_take(ctx, "one", &b, 60000, &again), ERR_CONFLICT);
    assert_int_equal(lease_take(ctx, "one", &a, 60000, &again), ERR_OK);
    assert_int_equal(again, fence);                          /* extended, not taken anew */
    assert_int_equal(lease_release(ctx, "one", &b), ERR_OK); /* not b's to end */
    assert_int_equal(lease_take(ctx, "one", &b, 60000, &again), ERR_CONFLICT);
    assert_int_equal(lease_take(ctx, "other", &b, 60000, &again), ERR_OK);
    assert_int_equal(lease_release(ctx, "one", &a), ERR_OK);
    assert_int_equal(lease_take(ctx, "one", &b, 60000, &again), ERR_OK);
    assert_int_equal(again, fence + 1);
}

/* Once over, it goes to the next under a higher number, also to the old holder. */
static void test_expiry(void **state)
{
    NEEDS_DATABASE();
    struct ctx *ctx = &database.ctx;
    struct uuid a = uuid_new(), b = uuid_new();
    int64_t fence = 0, next = 0, start = clock_now_ms(); /* the database's clock too */

    assert_int_equal(lease_take(ctx, "short", &a, 200, &fence), ERR_OK);
    WAIT(lease_take(ctx, "short", &b, 1, &next) == ERR_OK, 300);
    assert_true(clock_now_ms() - start >= 200);
    assert_int_equal(next, fence + 1);
    WAIT(lease_take(ctx, "short", &a, 60000, &next) == ERR_OK, 100);
    assert_int_equal(next, fence + 2);
    /* Whom the machine stopped for a while, and nobody came, has lost nothing. */
    assert_int_equal(lease_take(ctx, "short", &a, 1, &fence), ERR_OK);
    start = clock_now_ms();
    WAIT(clock_now_ms() > start + 20, 50);
    assert_int_equal(lease_take(ctx, "short", &a, 60000, &next), ERR_OK);
    assert_int_equal(next, fence);
}

enum { THREADS = 16, ROUNDS = 8 };

struct racer {
    pthread_t thread;
    struct uuid holder;
    char name[32];
    pthread_barrier_t *start;
    bool won;
    int64_t fence;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, 1 << 20);
    database_ctx(&database, &arena, &ctx);
    pthread_barrier_wait(racer->start);
    racer->won = lease_take(&ctx, racer->name, &racer->holder, 60000, &racer->fence) == ERR_OK;
    ctx_clear(&ctx);
    arena_clear(&arena);
    return NULL;
}

/* Released by a barrier, both for a lease that never was and for one that is over. */
static void test_races(void **state)
{
    NEEDS_DATABASE();
    struct racer racers[THREADS];
    pthread_barrier_t start;
    int64_t fence = 0;

    pthread_barrier_init(&start, NULL, THREADS);
    for (int round = 0; round < ROUNDS; round++) {
        int winner = -1, winners = 0;

        for (int i = 0; i < THREADS; i++) {
            racers[i] = (struct racer){.start = &start, .holder = uuid_new()};
            snprintf(racers[i].name, sizeof racers[i].name, "race%d", round / 4);
            pthread_create(&racers[i].thread, NULL, race, &racers[i]);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(racers[i].thread, NULL);
            if (racers[i].won)
                winner = i;
            winners += racers[i].won;
        }
        assert_int_equal(winners, 1);
        fence = round % 4 == 0 ? 1 : fence + 1;
        assert_int_equal(racers[winner].fence, fence);
        assert_int_equal(lease_release(&database.ctx, racers[winner].name, &racers[winner].holder),
                         ERR_OK);
    }
    pthread_barrier_destroy(&start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holder),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_races),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
