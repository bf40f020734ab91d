/*
 * Budgets shared by instances (RL-1, RL-7): what several may use together, what needs the store and
 * what does not, and what holds while it is away. The store here is one GCRA behind a lock.
 */
#include "app/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "app/clock.h"
#include "support/patience.h"

#define INSTANCES 3
#define THREADS   8

struct store {
    pthread_mutex_t lock;
    int64_t whole_us;
    _Atomic bool down, held; /* held: answers nobody yet */
    _Atomic int64_t slow_ms;
    _Atomic int leases, at_once, most_at_once;
};

static struct store store;
static struct limiter *instances[INSTANCES];
static const struct limit_key address = {.class = LIMIT_ADDRESS, .subject = "a", .size = 1};

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool lease(void *arg, const struct limit_key *key, const struct limit_rule *rule,
                  const struct limit_ask *ask, struct limit_lease *ret_lease)
{
    const int64_t interval = rule->seconds * 1000000 / rule->count;
    const int64_t period = interval * rule->count;

    (void)arg;
    (void)key;
    atomic_fetch_add(&store.leases, 1);
    if (atomic_fetch_add(&store.at_once, 1) + 1 > store.most_at_once)
        store.most_at_once = store.at_once;
    if (store.slow_ms > 0)
        usleep((useconds_t)store.slow_ms * 1000);
    for (int64_t waited = 0; store.held && waited < PATIENCE_MS; waited++)
        usleep(1000);
    pthread_mutex_lock(&store.lock);
    const int64_t now = clock_monotonic_us();
    int64_t start = most(store.whole_us, now - ask->age_us);
    const int64_t paid = least(ask->told, (now + period - start) / interval);
    start = most(start + paid * interval, now);
    const int64_t more = least(ask->more, (now + period - start) / interval);
    const bool answers = !store.down;
    if (answers) {
        store.whole_us = start + more * interval;
        *ret_lease = (struct limit_lease){paid + more, store.whole_us - now};
    }
    pthread_mutex_unlock(&store.lock);
    atomic_fetch_sub(&store.at_once, 1);
    return answers;
}

static const struct limit_source source = {.lease = lease};

static int begin(void **state)
{
    (void)state;
    store = (struct store){.whole_us = 0};
    pthread_mutex_init(&store.lock, NULL);
    for (int i = 0; i < INSTANCES; i++)
        instances[i] = limiter_new(1000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < INSTANCES; i++)
        limiter_free(instances[i]);
    pthread_mutex_destroy(&store.lock);
    return 0;
}

static bool take(int instance, const struct limit_rule *rule)
{
    struct limit_result result;

    limit_take_shared(instances[instance], &address, rule, &source, &result);
    assert_int_equal(result.limit, rule->count);
    assert_in_range(result.remaining, 0, rule->count);
    if (!result.allowed)
        assert_in_range(result.retry_after, 1, rule->seconds);
    return result.allowed;
}

/* So many that one instance allows in a row. */
static int64_t burst(int instance, const struct limit_rule *rule)
{
    int64_t allowed = 0;

    while (take(instance, rule))
        allowed++;
    return allowed;
}

/* One each 100 minutes: none comes back during a test. */
static const struct limit_rule lasting = {.count = 600, .seconds = 3600000};

/* One instance alone has exactly the budget, asks for nothing up to a quarter, then in chunks. */
static void test_alone(void **state)
{
    (void)state;
    for (int64_t i = 0; i < limit_quarter(&lasting); i++)
        assert_true(take(0, &lasting));
    assert_int_equal(store.leases, 0);
    assert_int_equal(limit_quarter(&lasting) + burst(0, &lasting), lasting.count);
    assert_in_range(store.leases, 12, 14);
    /* Refusals ask nobody. */
    for (int i = 0; i < 1000; i++)
        assert_false(take(0, &lasting));
    assert_in_range(store.leases, 12, 15);
}

/* The bound, reached: the budget, and a quarter for each further instance. */
static void test_bound(void **state)
{
    (void)state;
    assert_int_equal(burst(0, &lasting), lasting.count);
    assert_int_equal(burst(1, &lasting), limit_quarter(&lasting));
    assert_int_equal(burst(2, &lasting), limit_quarter(&lasting));
}

/* Instances that are used alike stay closer: each tells its quarter when it first asks. */
static void test_side_by_side(void **state)
{
    int64_t allowed = 0;

    (void)state;
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < 2; i++) {
            if (take(i, &lasting)) {
                any = true;
                allowed++;
            }
        }
    }
    assert_in_range(allowed, lasting.count - 2 * limit_chunk(&lasting), lasting.count);
}

/* Small budgets are exact: each request asks. */
static void test_exact(void **state)
{
    const struct limit_rule daily = {.count = 5, .seconds = 86400};
    int64_t allowed = 0;

    (void)state;
    for (int i = 0; i < 30; i++)
        allowed += take(i % INSTANCES, &daily);
    assert_int_equal(allowed, 5);
}

/* A restart has no fresh budget beyond the quarter. */
static void test_restart(void **state)
{
    (void)state;
    burst(0, &lasting);
    limiter_free(instances[0]);
    instances[0] = limiter_new(1000);
    assert_int_equal(burst(0, &lasting), limit_quarter(&lasting));
}

/* Over time: instances under flood have the rate of one budget together. */
static void test_rate(void **state)
{
    const struct limit_rule rule = {.count = 1000, .seconds = 1};
    const int64_t start = clock_monotonic_us();
    int64_t allowed = 0, took = 0;

    (void)state;
    while ((took = clock_monotonic_us() - start) < 1500 * 1000 || allowed < rule.count) {
        assert_true(took < PATIENCE_MS * 1000);
        for (int i = 0; i < INSTANCES; i++)
            allowed += take(i, &rule);
    }
    const int64_t bound = rule.count + INSTANCES * limit_quarter(&rule) + took / 1000;
    assert_in_range(allowed, rule.count, bound);
}

/* The store is down: the own count holds, and sign-ins cost ten times as much. */
static void test_down(void **state)
{
    const struct limit_rule sign_ins = {.count = 60, .seconds = 36000};
    const struct limit_key key = {.class = LIMIT_SIGN_IN, .subject = "a", .size = 1};
    struct limit_result result;
    int64_t allowed = 0, start = 0;

    /* Again when the machine stalled for the second in which nobody asks. */
    do {
        (void)end(state);
        (void)begin(state);
        store.down = true;
        start = clock_monotonic_ms();
        assert_int_equal(burst(0, &lasting), lasting.count);
        allowed = 0;
        for (int i = 0; i < 100; i++) {
            limit_take_shared(instances[0], &key, &sign_ins, &source, &result);
            allowed += result.allowed;
        }
    } while (clock_monotonic_ms() - start >= 1000);
    assert_int_equal(store.leases, 1);
    assert_int_equal(allowed, 6);
}

/* What was used alone is told when the store is back. */
static void test_back(void **state)
{
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 50000000};

    (void)state;
    store.down = true;
    for (int i = 0; i < 400; i++)
        assert_true(take(0, &lasting));
    store.down = false;
    nanosleep(&pause, NULL);
    assert_in_range(burst(0, &lasting), 199, 200);
    assert_in_range(burst(1, &lasting), limit_quarter(&lasting), limit_quarter(&lasting) + 1);
}

static _Atomic int64_t allowed_in_threads;

static void *run(void *arg)
{
    const struct limit_rule *rule = arg;

    for (int i = 0; i < 200; i++)
        atomic_fetch_add(&allowed_in_threads, take(0, rule));
    return NULL;
}

static void run_threads(const struct limit_rule *rule)
{
    pthread_t threads[THREADS];

    allowed_in_threads = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)rule), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_one_lease_at_a_time(void **state)
{
    (void)state;
    store.slow_ms = 2;
    run_threads(&lasting);
    assert_int_equal(allowed_in_threads, lasting.count);
    assert_int_equal(store.most_at_once, 1);
}

static void *ask_slowly(void *arg)
{
    (void)arg;
    (void)take(0, &lasting);
    return NULL;
}

/* A store that answers late holds up whoever asks, and nobody else for longer than a moment. */
static void test_slow(void **state)
{
    pthread_t thread;

    (void)state;
    for (int64_t i = 0; i < limit_quarter(&lasting); i++)
        assert_true(take(0, &lasting));
    store.held = true;
    assert_int_equal(pthread_create(&thread, NULL, ask_slowly, NULL), 0);
    WAIT(store.at_once == 1, 1000);
    assert_true(take(0, &lasting));
    assert_int_equal(store.at_once, 1); /* the lease is still under way */
    store.held = false;
    pthread_join(thread, NULL);
}

static void test_refund(void **state)
{
    const struct limit_rule daily = {.count = 5, .seconds = 86400};

    (void)state;
    assert_int_equal(burst(0, &daily), 5);
    limit_refund_shared(instances[0], &address, &daily);
    assert_false(take(1, &daily));
    assert_int_equal(burst(0, &daily), 1);
    /* Taken and given back forever, as good keys are: nobody is asked. */
    store.leases = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(take(2, &lasting));
        limit_refund_shared(instances[2], &address, &lasting);
    }
    assert_int_equal(store.leases, 0);
}

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* RL-1: a million addresses, each with a request or two. */
static void test_a_million_keys(void **state)
{
    struct limiter *limiter = limiter_new(32768);
    struct limit_result result;
    const int64_t before = resident_bytes();

    (void)state;
    for (uint32_t i = 0; i < 1000000; i++) {
        const struct limit_key key = {.class = LIMIT_ADDRESS, .subject = &i, .size = sizeof i};

        limit_take_shared(limiter, &key, &lasting, &source, &result);
    }
    assert_true(resident_bytes() - before <= 8 * 1024 * 1024);
    limiter_free(limiter);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_alone), CASE(test_bound),   CASE(test_side_by_side),
        CASE(test_exact), CASE(test_restart), CASE(test_rate),
        CASE(test_down),  CASE(test_back),    CASE(test_one_lease_at_a_time),
        CASE(test_slow),  CASE(test_refund),  CASE(test_a_million_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
