/* Rate limits (RL-1): exact under concurrency, separate keys, bounded memory. */
#include "app/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "support/patience.h"

#define THREADS 8
#define TRIES   500
#define STALL   60 /* seconds that the machine may take away */

static bool take(struct limiter *limiter, enum limit_class class, const char *who,
                 const struct limit_rule *rule, struct limit_result *result)
{
    limit_take(limiter, class, who, strlen(who), rule, result);
    return result->allowed;
}

static void test_burst_then_refused(void **state)
{
    const struct limit_rule rule = {.count = 5, .seconds = 3600};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;

    (void)state;
    for (int64_t i = 0; i < 5; i++) {
        assert_true(take(limiter, LIMIT_SIGN_IN, "a", &rule, &result));
        assert_int_equal(result.limit, 5);
        assert_int_equal(result.remaining, 4 - i);
        assert_in_range(result.reset_seconds, 720 * (i + 1) - STALL, 720 * (i + 1));
    }
    assert_false(take(limiter, LIMIT_SIGN_IN, "a", &rule, &result));
    assert_int_equal(result.remaining, 0);
    assert_in_range(result.retry_after, 720 - STALL, 720);
    assert_in_range(result.reset_seconds, 3600 - STALL, 3600);
    /* A refusal costs nothing. */
    assert_false(take(limiter, LIMIT_SIGN_IN, "a", &rule, &result));
    assert_in_range(result.retry_after, 720 - STALL, 720);
    limiter_free(limiter);
}

static void test_keys_are_apart(void **state)
{
    const struct limit_rule rule = {.count = 1, .seconds = 3600};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;

    (void)state;
    assert_true(take(limiter, LIMIT_SIGN_IN, "a", &rule, &result));
    assert_false(take(limiter, LIMIT_SIGN_IN, "a", &rule, &result));
    assert_true(take(limiter, LIMIT_REGISTER, "a", &rule, &result));
    assert_true(take(limiter, LIMIT_SIGN_IN, "ab", &rule, &result));
    assert_true(take(limiter, LIMIT_SIGN_IN, "", &rule, &result));
    limiter_free(limiter);
}

static void test_budget_comes_back(void **state)
{
    const struct limit_rule rule = {.count = 10, .seconds = 1};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;
    int64_t start = clock_monotonic_us();
    int64_t allowed = 0;

    (void)state;
    /* The burst, and one each 100 ms. */
    WAIT((allowed += take(limiter, LIMIT_KEY, "k", &rule, &result)) == 13, 400);
    int64_t took = clock_monotonic_us() - start;
    assert_true(took >= 300 * 1000);
    limiter_free(limiter);
}

static void test_refund(void **state)
{
    const struct limit_rule rule = {.count = 1, .seconds = 3600};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;

    (void)state;
    limit_refund(limiter, LIMIT_KEY, "k", 1, &rule);
    assert_true(take(limiter, LIMIT_KEY, "k", &rule, &result));
    limit_refund(limiter, LIMIT_KEY, "k", 1, &rule);
    assert_true(take(limiter, LIMIT_KEY, "k", &rule, &result));
    assert_false(take(limiter, LIMIT_KEY, "k", &rule, &result));
    limiter_free(limiter);
}

static void test_unlimited(void **state)
{
    const struct limit_rule rule = {.count = 0, .seconds = 60};
    struct limiter *limiter = limiter_new(10);
    struct limit_result result;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(take(limiter, LIMIT_TENANT, "t", &rule, &result));
    limiter_free(limiter);
}

struct race {
    struct limiter *limiter;
    _Atomic int allowed;
};

static void *run_race(void *arg)
{
    const struct limit_rule rule = {.count = 1000, .seconds = 3600000};
    struct race *race = arg;
    struct limit_result result;

    for (int i = 0; i < TRIES; i++)
        atomic_fetch_add(&race->allowed, take(race->limiter, LIMIT_KEY, "k", &rule, &result));
    return NULL;
}

/* The largest numbers that the configuration takes: more than one request a nanosecond. */
static void test_beyond_the_clock(void **state)
{
    const struct limit_rule rule = {.count = INT64_C(1000000000) * 1000000, .seconds = 60};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;

    (void)state;
    assert_true(take(limiter, LIMIT_ADDRESS, "a", &rule, &result));
    limit_refund(limiter, LIMIT_ADDRESS, "a", 1, &rule);
    limiter_free(limiter);
}

static void test_exact_in_parallel(void **state)
{
    struct race race = {.limiter = limiter_new(1000)};
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(race.allowed, 1000);
    limiter_free(race.limiter);
}

/* A million addresses in a table of a thousand: whoever is at the limit stays known. */
static void test_bounded_and_stalest_goes(void **state)
{
    const struct limit_rule rule = {.count = 100, .seconds = 3600000};
    struct limiter *limiter = limiter_new(1000);
    struct limit_result result;

    (void)state;
    while (take(limiter, LIMIT_ADDRESS, "worst", &rule, &result))
        ;
    for (uint32_t i = 0; i < 1000 * 1000; i++)
        limit_take(limiter, LIMIT_ADDRESS, &i, sizeof i, &rule, &result);
    assert_false(take(limiter, LIMIT_ADDRESS, "worst", &rule, &result));
    limiter_free(limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_refused), cmocka_unit_test(test_keys_are_apart),
        cmocka_unit_test(test_budget_comes_back),  cmocka_unit_test(test_refund),
        cmocka_unit_test(test_unlimited),          cmocka_unit_test(test_beyond_the_clock),
        cmocka_unit_test(test_exact_in_parallel),  cmocka_unit_test(test_bounded_and_stalest_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
