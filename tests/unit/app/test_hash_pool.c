/*
 * The queue before the hash threads: bounded, fair to deadlines, and independent of the memory of
 * those who wait (PW-11; security.md F7).
 */
#include "app/hash_pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include <crypt.h>

#include "support/bare.h"
#include "support/patience.h"

static struct bare bare;

/* --- the hash, which may be held up --- */

static _Atomic bool held;
static _Atomic int under_way;

/* In place of the library's, which it calls. */
char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    char *(*library)(const char *, const char *, void *, int);
    void *const found = dlsym(RTLD_NEXT, "crypt_rn");

    memcpy(&library, &found, sizeof library);
    under_way++;
    while (held)
        usleep(1000);
    under_way--;
    return library(phrase, setting, data, size);
}

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
    held = false;
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

static struct hash_stats stats(void)
{
    struct hash_stats now;

    hash_pool_stats(bare.app.hashes, &now);
    return now;
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
#define QUEUE   4

/* The pool's only thread is at the first one's hash, and will be until held is taken back. With a
 * deadline, the first one may give up before: then it is another one's turn, with more time.
 * Returns how many gave up. */
static uint64_t hold_up(struct caller *first, const char *stored, bool with_deadline)
{
    uint64_t gave_up = 0;

    assert_true(matches("password123", stored)); /* the hash that a pool makes ahead is done */
    held = true;
    for (int64_t span = 100; under_way == 0; span *= 2) {
        start(first, stored, with_deadline ? clock_monotonic_ms() + span : 0);
        WAIT(under_way == 1 || stats().refused > gave_up, 1000);
        if (stats().refused > gave_up) {
            finish(first);
            gave_up++;
        }
    }
    return gave_up;
}

static void assert_stats(uint64_t hashes, uint64_t refused)
{
    assert_int_equal(stats().hashes, hashes);
    assert_int_equal(stats().refused, refused);
    assert_int_equal(stats().waiting, 0);
}

static void test_full_queue_refuses_at_once(void **state)
{
    static struct caller callers[CALLERS];
    const char *stored = hash("password123");

    (void)state;
    new_pool(1, QUEUE);
    (void)hold_up(&callers[0], stored, false);
    for (size_t i = 1; i <= QUEUE; i++)
        start(&callers[i], stored, 0);
    WAIT(stats().waiting == QUEUE, 1000);
    /* While nothing is hashed: if they waited for it, it would never come. */
    for (size_t i = QUEUE + 1; i < CALLERS; i++) {
        start(&callers[i], stored, 0);
        WAIT(stats().refused == i - QUEUE, 1000);
        finish(&callers[i]);
        assert_int_equal(callers[i].code, ERR_BUSY);
        assert_true(callers[i].ctx.failure.retry_after >= 1);
    }
    held = false;
    for (size_t i = 0; i <= QUEUE; i++) {
        finish(&callers[i]);
        assert_int_equal(callers[i].code, ERR_OK);
        assert_true(callers[i].matched);
    }
    assert_stats(1 + 1 + QUEUE, CALLERS - 1 - QUEUE);
    assert_true(matches("password123", stored));
}

/* Whose time ends in the queue goes without a hash; whose hash runs gets its answer. */
static void test_deadline_in_the_queue(void **state)
{
    static struct caller callers[CALLERS];
    const char *stored = hash("password123");

    (void)state;
    new_pool(1, CALLERS);
    const uint64_t gave_up = hold_up(&callers[0], stored, true);
    for (size_t i = 1; i < CALLERS; i++)
        start(&callers[i], stored, clock_monotonic_ms() + 100);
    WAIT(stats().refused == CALLERS - 1 + gave_up, 1000);
    for (size_t i = 1; i < CALLERS; i++) {
        finish(&callers[i]);
        assert_int_equal(callers[i].code, ERR_BUSY);
    }
    WAIT(clock_monotonic_ms() > callers[0].ctx.deadline, 200);
    held = false;
    finish(&callers[0]);
    assert_int_equal(callers[0].code, ERR_OK);
    assert_stats(1 + 1, CALLERS - 1 + gave_up);
    assert_true(matches("password123", stored));
}

static void test_deadline_that_has_passed(void **state)
{
    static struct caller callers[2];
    const char *stored = hash("password123");

    (void)state;
    new_pool(1, 8);
    (void)hold_up(&callers[0], stored, false);
    start(&callers[1], stored, 1);
    WAIT(stats().refused == 1, 1000);
    finish(&callers[1]);
    assert_int_equal(callers[1].code, ERR_BUSY);
    held = false;
    finish(&callers[0]);
    assert_int_equal(callers[0].code, ERR_OK);
}

/* By default the queue holds what two seconds can hash, and never more than a quarter of the
 * threads. */
static void test_queue_follows_the_measured_rate(void **state)
{
    (void)state;
    bare.config.password.cost = 13;
    new_pool(1, 0);
    assert_int_equal(stats().threads, 1);
    /* A thread of the lowest priority: a machine with other work lets it wait for long. */
    WAIT(stats().queue != 32, 10 * PATIENCE_MS);
    assert_in_range(stats().queue, 1, 15);
    assert_int_equal(stats().hashes, 0);
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
