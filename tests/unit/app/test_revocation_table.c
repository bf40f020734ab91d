/* The table of revocations: exact, bounded, and honest about what did not fit (design section 7).
 */
#include "app/revocation_table.h"

#include <pthread.h>

#include "app/clock.h"
#include "app/secret.h"
#include "support/patience.h"

#define ENTRIES 64 /* and a few more; a tenant may have an eighth */

static struct revocations *table;

static int setup(void **state)
{
    (void)state;
    table = secret_init() ? revocations_new(ENTRIES) : NULL;
    return table != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    revocations_free(table);
    return 0;
}

static struct revocation_key key_of(uint32_t tenant, uint32_t value)
{
    struct revocation_key key = {.kind = REVOKED_USER};

    memcpy(key.tenant, &tenant, sizeof tenant);
    key.tenant[15] = 1;
    memcpy(key.value, &value, sizeof value);
    return key;
}

static void put_until(uint32_t tenant, uint32_t value, int64_t min_epoch, int64_t expires_at)
{
    const struct revocation_key key = key_of(tenant, value);

    revocation_table_put(table, &key, min_epoch, expires_at);
}

static void put(uint32_t tenant, uint32_t value, int64_t min_epoch)
{
    put_until(tenant, value, min_epoch, clock_now_ms() + 3600000);
}

static enum revocation_answer ask(uint32_t tenant, uint32_t value, int64_t epoch)
{
    const struct revocation_question question = {.key = key_of(tenant, value), .epoch = epoch};

    return revocation_table_ask(table, &question, 1);
}

static void test_exact(void **state)
{
    (void)state;
    assert_int_equal(ask(1, 1, 5), REVOCATION_GOOD);
    put(1, 1, 6);
    assert_int_equal(ask(1, 1, 5), REVOCATION_REVOKED);
    assert_int_equal(ask(1, 1, 6), REVOCATION_GOOD);
    assert_int_equal(ask(1, 2, 5), REVOCATION_GOOD);
    assert_int_equal(ask(2, 1, 5), REVOCATION_GOOD);

    struct revocation_question other_kind = {.key = key_of(1, 1), .epoch = 5};

    other_kind.key.kind = REVOKED_GRANT;
    assert_int_equal(revocation_table_ask(table, &other_kind, 1), REVOCATION_GOOD);
    assert_int_equal(revocation_table_ask(table, NULL, 0), REVOCATION_GOOD);
}

/* Without an epoch (-1) any entry counts, also one of epoch 0: grants and single tokens. */
static void test_without_an_epoch(void **state)
{
    (void)state;
    put(1, 1, 0);
    assert_int_equal(ask(1, 1, -1), REVOCATION_REVOKED);
    assert_int_equal(ask(1, 1, 0), REVOCATION_GOOD);
}

/* Events come again and out of order with this process's own. */
static void test_only_grows(void **state)
{
    const int64_t now = clock_now_ms();

    (void)state;
    put(1, 1, 6);
    put_until(1, 1, 3, now + 10);
    while (clock_now_ms() < now + 30)
        usleep(1000);
    assert_int_equal(ask(1, 1, 5), REVOCATION_REVOKED);
}

static void test_ends(void **state)
{
    const int64_t end = clock_now_ms() + 50;

    (void)state;
    put_until(1, 1, 6, clock_now_ms() - 1);
    assert_int_equal(ask(1, 1, 5), REVOCATION_GOOD);
    put_until(1, 1, 6, end);
    WAIT(ask(1, 1, 5) != REVOCATION_REVOKED, 100);
    assert_true(clock_now_ms() >= end);
}

static void test_cleared(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(i, 1, 6);
    assert_int_equal(ask(5000, 1, 5), REVOCATION_ASK);
    revocations_clear(table);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(ask(i, 1, 5), REVOCATION_GOOD);
    put(1, 1, 6);
    assert_int_equal(ask(1, 1, 5), REVOCATION_REVOKED);
}

/* A tenant that has more than its share asks the database; the others have their room still. */
static void test_a_tenant_beyond_its_share(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(1, i, 6);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_not_equal(ask(1, i, 5), REVOCATION_GOOD);
    assert_int_equal(ask(1, 5000, 5), REVOCATION_ASK);
    for (uint32_t i = 0; i < 8; i++)
        put(2, i, 6);
    assert_int_equal(ask(2, 0, 5), REVOCATION_REVOKED);
    assert_int_equal(ask(2, 0, 6), REVOCATION_GOOD);
    assert_int_equal(ask(2, 100, 5), REVOCATION_GOOD);
}

/* Gives the first tenant more than its share, for a moment; returns its end. A machine that stalls
 * past it may need a longer one. */
static int64_t fill_share(uint32_t count)
{
    enum revocation_answer answer = REVOCATION_GOOD;
    int64_t end = 0;

    for (int64_t span = 50; clock_now_ms() >= end; span *= 2) {
        revocations_clear(table);
        end = clock_now_ms() + span;
        for (uint32_t i = 0; i < count; i++)
            put_until(1, i, 6, end);
        answer = ask(1, 5000, 5);
    }
    assert_int_equal(answer, REVOCATION_ASK);
    return end;
}

/* It asks for as long as what did not fit matters, and not longer. */
static void test_asking_ends(void **state)
{
    const int64_t end = fill_share(8 + 16);

    (void)state;
    WAIT(ask(1, 5000, 5) != REVOCATION_ASK, 100);
    assert_true(clock_now_ms() >= end);
}

/* More tenants than there is room for: nobody is answered from a table that may lack something. */
static void test_more_tenants_than_fit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(i, 1, 6);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_not_equal(ask(i, 1, 5), REVOCATION_GOOD);
    assert_int_equal(ask(5000, 1, 5), REVOCATION_ASK);
}

/* What has ended gives way: a full table is swept, tenants included. */
static void test_ended_entries_give_way(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 5; round++) {
        const int64_t end = clock_now_ms() + 20;

        for (uint32_t i = 0; i < ENTRIES; i++)
            put_until(1000 * round + i, 1, 6, end);
        while (clock_now_ms() <= end)
            usleep(1000);
        for (uint32_t i = 0; i < 8; i++)
            put(9000 + round, i, 6);
        assert_int_equal(ask(9000 + round, 7, 5), REVOCATION_REVOKED);
        assert_int_equal(ask(9999, 7, 5), REVOCATION_GOOD);
    }
}

/* A busy tenant has its share again when what filled it has ended: thousands of logouts long ago
 * must not send every request of it to the database for ever. */
static void test_a_share_comes_back(void **state)
{
    const int64_t end = fill_share(ENTRIES);

    (void)state;
    while (clock_now_ms() <= end)
        usleep(1000);
    put(1, 6000, 6);
    assert_int_equal(ask(1, 6000, 5), REVOCATION_REVOKED);
    assert_int_equal(ask(1, 5000, 5), REVOCATION_GOOD);
}

/* ---- threads ---- */

static void *put_and_ask(void *arg)
{
    bool *wrong = arg;

    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t tenant = i % 7;

        put(tenant, i % 5, i);
        *wrong = *wrong || ask(tenant, i % 5, (int64_t)i - 1) == REVOCATION_GOOD;
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[4];
    bool wrong[4] = {false};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_ask, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(wrong[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_exact),
        CASE(test_without_an_epoch),
        CASE(test_only_grows),
        CASE(test_ends),
        CASE(test_cleared),
        CASE(test_a_tenant_beyond_its_share),
        CASE(test_asking_ends),
        CASE(test_more_tenants_than_fit),
        CASE(test_ended_entries_give_way),
        CASE(test_a_share_comes_back),
        CASE(test_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
