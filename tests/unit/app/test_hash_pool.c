/*
 * The queue before the hash threads: bounded, fair to deadlines, and independent of the memory of
 * those who wait (PW-11; security.md F7).
 */
#include "app/hash_pool.h"

#include <pthread.h>
#include <unistd.h>

#include "app/clock.h"
#include "support/bare.h"
#include "support/unit.h"

static struct bare bare;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    bare.config.password.threads = 2;
    return hash_pool_new(&bare.config.password, 128, &bare.app.hashes) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    hash_pool_free(bare.app.hashes);
    bare_clear(&bare);
    return 0;
}

static const char *hash(const char *password)
{
    const char *text = NULL;

    assert_int_equal(password_hash(&bare.ctx, password, &text), ERR_OK);
    return text;
}

static bool matches(const char *password, const char *stored)
{
    bool result = false, stale;

    assert_int_equal(password_matches(&bare.ctx, password, stored, &result, &stale), ERR_OK);
    return result;
}

struct caller {
    struct arena arena;
    struct ctx ctx;
    pthread_t thread;
    enum err code;
    bool matched;
    const char *stored;
};

static void *log_in(void *arg)
{
    struct caller *caller = arg;
    bool stale;

    caller->code =
        password_matches(&caller->ctx, "password123", caller->stored, &caller->matched, &stale);
    return NULL;
}

static void start(struct caller *caller, const char *stored, int64_t deadline)
{
    *caller = (struct caller){.stored = stored};
    arena_init(&caller->arena, (size_t)64 * 1024);
    ctx_init(&caller->ctx, &bare.app, &caller->arena);
    caller->ctx.deadline = deadline;
    assert_int_equal(pthread_create(&caller->thread, NULL, log_in, caller), 0);
}

/* The request's memory goes at once: what runs on must not touch it (ASan watches). */
static void finish(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    ctx_clear(&caller->ctx);
    arena_clear(&caller->arena);
}

static void new_pool(int64_t threads, int64_t queue)
{
    hash_pool_free(bare.app.hashes);
    bare.config.password.threads = threads;
    bare.config.password.queue = queue;
    assert_int_equal(hash_pool_new(&bare.config.password, 128, &bare.app.hashes), ERR_OK);
}

#define CALLERS 16

static void test_full_queue_refuses_at_once(void **state)
{
    static struct caller callers[CALLERS];
    const char *stored = hash("password123");
    struct hash_stats stats;
    unsigned done = 0, refused = 0;

    (void)state;
    new_pool(1, 4);
    for (size_t i = 0; i < CALLERS; i++)
        start(&callers[i], stored, 0);
    for (size_t i = 0; i < CALLERS; i++) {
        finish(&callers[i]);
        if (callers[i].code == ERR_OK) {
            assert_true(callers[i].matched);
            done++;
        } else {
            assert_int_equal(callers[i].code, ERR_BUSY);
            assert_true(callers[i].ctx.failure.retry_after >= 1);
            refused++;
        }
    }
    hash_pool_stats(bare.app.hashes, &stats);
    assert_true(done >= 5);
    assert_true(refused >= 1);
    assert_int_equal(stats.hashes, done);
    assert_int_equal(stats.refused, refused);
    assert_int_equal(stats.waiting, 0);
    assert_true(matches("password123", stored));
}

/* Whose time ends in the queue goes without a hash; whose hash runs gets its answer. */
static void test_deadline_in_the_queue(void **state)
{
    static struct caller callers[CALLERS];
    const char *stored = hash("password123");
    struct hash_stats stats;
    unsigned done = 0;

    (void)state;
    new_pool(1, CALLERS);
    for (size_t i = 0; i < CALLERS; i++)
        start(&callers[i], stored, clock_monotonic_ms() + 100);
    for (size_t i = 0; i < CALLERS; i++) {
        finish(&callers[i]);
        assert_true(callers[i].code == ERR_OK || callers[i].code == ERR_BUSY);
        done += callers[i].code == ERR_OK;
    }
    hash_pool_stats(bare.app.hashes, &stats);
    assert_int_equal(stats.hashes, done);
    assert_true(done < CALLERS);
    assert_int_equal(stats.waiting, 0);
    assert_true(matches("password123", stored));
}

static void test_deadline_that_has_passed(void **state)
{
    static struct caller callers[2];
    const char *stored = hash("password123");

    (void)state;
    new_pool(1, 8);
    start(&callers[0], stored, 0);
    usleep(20000);
    start(&callers[1], stored, 1);
    finish(&callers[1]);
    finish(&callers[0]);
    assert_int_equal(callers[0].code, ERR_OK);
    assert_int_equal(callers[1].code, ERR_BUSY);
}

/* By default the queue holds what two seconds can hash, and never more than a quarter of the
 * threads. */
static void test_queue_follows_the_measured_rate(void **state)
{
    struct hash_stats stats;
    const int64_t start_ms = clock_monotonic_ms();

    (void)state;
    bare.config.password.cost = 13;
    new_pool(1, 0);
    hash_pool_stats(bare.app.hashes, &stats);
    assert_int_equal(stats.threads, 1);
    while (stats.queue == 32 && clock_monotonic_ms() - start_ms < 15000) {
        usleep(10000);
        hash_pool_stats(bare.app.hashes, &stats);
    }
    assert_true(stats.queue >= 1 && stats.queue < 16);
    assert_int_equal(stats.hashes, 0);
}

static void test_pool_ends_with_work_in_it(void **state)
{
    static struct caller callers[4];

    (void)state;
    new_pool(2, 8);
    for (size_t i = 0; i < 4; i++)
        start(&callers[i], NULL, 0);
    for (size_t i = 0; i < 4; i++)
        finish(&callers[i]);
    new_pool(4, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_full_queue_refuses_at_once), CASE(test_deadline_in_the_queue),
        CASE(test_deadline_that_has_passed),   CASE(test_queue_follows_the_measured_rate),
        CASE(test_pool_ends_with_work_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
