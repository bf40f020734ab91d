/* UUIDv7: form, order, uniqueness (R004-07: ids are UUIDs; TI-4: made by the server). */
#include "app/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/clock.h"
#include "support/unit.h"

#define THREADS    4
#define PER_THREAD 20000

static struct uuid made[THREADS][PER_THREAD];

static void test_version_and_time(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        int64_t before = clock_now_ms();
        struct uuid id = uuid_new();
        int64_t after = clock_now_ms();
        int64_t ms = 0;

        for (int i = 0; i < 6; i++)
            ms = ms << 8 | id.bytes[i];
        assert_int_equal(id.bytes[6] >> 4, 7);
        assert_int_equal(id.bytes[8] >> 6, 2);
        assert_true(ms >= before && ms <= after + 1);
    }
}

static void *make(void *arg)
{
    struct uuid *ids = arg;

    for (size_t i = 0; i < PER_THREAD; i++)
        ids[i] = uuid_new();
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void test_order_and_uniqueness_across_threads(void **state)
{
    pthread_t threads[THREADS];
    (void)state;

    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, make, made[t]), 0);
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    for (size_t t = 0; t < THREADS; t++) {
        for (size_t i = 1; i < PER_THREAD; i++)
            assert_true(compare(&made[t][i - 1], &made[t][i]) < 0);
    }
    qsort(made, (size_t)THREADS * PER_THREAD, sizeof(struct uuid), compare);
    for (size_t i = 1; i < (size_t)THREADS * PER_THREAD; i++) {
        /* Without the random part: the stamps alone are unique within a process. */
        const struct uuid *ids = &made[0][0];
        assert_true(memcmp(ids[i - 1].bytes, ids[i].bytes, 8) < 0);
    }
}

static void test_random_part_differs(void **state)
{
    struct uuid ids[100];
    (void)state;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        ids[i] = uuid_new();
        for (size_t before = 0; before < i; before++)
            assert_memory_not_equal(ids[before].bytes + 9, ids[i].bytes + 9, 7);
    }
}

static void test_text_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct uuid id = uuid_new();
        struct uuid again;
        char text[UUID_TEXT_SIZE];
        char hex[UUID_HEX_SIZE];

        uuid_text(&id, text);
        assert_int_equal(strlen(text), 36);
        assert_true(uuid_parse(text, &again));
        assert_true(uuid_equal(&id, &again));
        uuid_hex(&id, hex);
        assert_int_equal(strlen(hex), 32);
        assert_true(uuid_parse_hex(hex, &again));
        assert_true(uuid_equal(&id, &again));
    }
}

static void test_parse(void **state)
{
    static const char *const refused[] = {
        "",
        "0190f3a1",
        "0190f3a17c1e7b439a0d2f6f3c1b5a77",
        "0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a7",
        "0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a777",
        "0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77 ",
        " 0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77",
        "{0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77}",
        "0190f3a1-7c1e-7b43-9a0d2-f6f3c1b5a77",
        "0190f3a1_7c1e-7b43-9a0d-2f6f3c1b5a77",
        "0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a7g",
        "0190f3a-17c1e-7b43-9a0d-2f6f3c1b5a77",
        "urn:uuid:0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77",
    };
    struct uuid id = {.bytes = {1}};
    struct uuid lower;
    (void)state;

    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_false(uuid_parse(refused[i], &id));
    assert_int_equal(id.bytes[0], 1);
    assert_true(uuid_parse("0190F3A1-7C1E-7B43-9A0D-2F6F3C1B5A77", &id));
    assert_true(uuid_parse("0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77", &lower));
    assert_true(uuid_equal(&id, &lower));
    /* Hex is a part of longer texts (keys, cookies): it reads 32 digits, lower case only. */
    assert_true(uuid_parse_hex("0190f3a17c1e7b439a0d2f6f3c1b5a77_rest", &id));
    assert_true(uuid_equal(&id, &lower));
    assert_false(uuid_parse_hex("0190F3A17c1e7b439a0d2f6f3c1b5a77", &id));
    assert_false(uuid_parse_hex("0190f3a17c1e7b439a0d2f6f3c1b5a7", &id));
    assert_false(uuid_parse_hex("", &id));
}

static void test_zero(void **state)
{
    struct uuid zero = {0};
    struct uuid last = {.bytes = {[15] = 1}};
    (void)state;

    assert_true(uuid_is_zero(&zero));
    assert_false(uuid_is_zero(&last));
    assert_false(uuid_equal(&zero, &last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_and_time),
        cmocka_unit_test(test_order_and_uniqueness_across_threads),
        cmocka_unit_test(test_random_part_differs),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
