/* Times: RFC 3339 in both directions (IN-7: dates RFC 3339 only). */
#include "app/clock.h"

#include <stdio.h>
#include <time.h>

#include "support/unit.h"

static void test_known_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *shown; /* NULL = the same */
    } rows[] = {
        {"1970-01-01T00:00:00.000Z", 0, NULL},
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"},
        {"1969-12-31T23:59:59.999Z", -1, NULL},
        {"2026-01-31T09:30:00.123Z", INT64_C(1769851800123), NULL},
        {"2000-02-29T00:00:00.000Z", INT64_C(951782400000), NULL},
        {"2026-01-31t09:30:00.123z", INT64_C(1769851800123), "2026-01-31T09:30:00.123Z"},
        {"2026-01-31T11:30:00.123+02:00", INT64_C(1769851800123), "2026-01-31T09:30:00.123Z"},
        {"2026-01-31T04:00:00.123-05:30", INT64_C(1769851800123), "2026-01-31T09:30:00.123Z"},
        {"2026-01-31T09:30:00.123-00:00", INT64_C(1769851800123), "2026-01-31T09:30:00.123Z"},
        {"2026-01-31T09:30:00.1239999999999Z", INT64_C(1769851800123), "2026-01-31T09:30:00.123Z"},
        {"2026-01-31T09:30:00.1Z", INT64_C(1769851800100), "2026-01-31T09:30:00.100Z"},
        {"2026-01-31T09:30:00.12Z", INT64_C(1769851800120), "2026-01-31T09:30:00.120Z"},
        {"0000-01-01T00:00:00.000Z", INT64_C(-62167219200000), NULL},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999), NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[TIME_TEXT_SIZE];
        int64_t ms = 42;

        assert_true(time_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
        time_text(ms, text);
        assert_string_equal(text, rows[i].shown != NULL ? rows[i].shown : rows[i].text);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T09:30Z",
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "2026-01-31T09:30:00Z ",
        " 2026-01-31T09:30:00Z",
        "2026-01-31T09:30:00.Z",
        "2026-01-31T09:30:00,1Z",
        "2026-1-31T09:30:00Z",
        "026-01-31T09:30:00Z",
        "+2026-01-31T09:30:00Z",
        "2026-00-31T09:30:00Z",
        "2026-13-01T09:30:00Z",
        "2026-01-00T09:30:00Z",
        "2026-01-32T09:30:00Z",
        "2026-04-31T09:30:00Z",
        "2026-02-29T09:30:00Z",
        "1900-02-29T09:30:00Z",
        "2100-02-29T09:30:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:60:00Z",
        "2026-01-31T09:30:60Z",
        "2016-12-31T23:59:60Z",
        "2026-01-31T09:30:00+24:00",
        "2026-01-31T09:30:00+02:60",
        "2026-01-31T09:30:00+0200",
        "2026-01-31T09:30:00+02",
        "2026-01-31T09:30:00ZZ",
        "2026-01-31T09:30:00+02:00Z",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1769851800123",
        "2026-01-31T09:30:0\xd9\xa1Z",
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ms = 42;

        assert_false(time_parse(rows[i], &ms));
        assert_int_equal(ms, 42);
    }
}

/* Every day of ten thousand years, against the C library. */
static void test_every_day(void **state)
{
    (void)state;
    for (int64_t day = -719528; day < 2932897; day += 1) {
        char text[TIME_TEXT_SIZE];
        int64_t ms = day * 86400000 + 45296789;
        int64_t again;

        time_text(ms, text);
        assert_true(time_parse(text, &again));
        assert_int_equal(ms, again);
        if (day % 97 == 0) {
            time_t seconds = (time_t)(day * 86400);
            struct tm date;
            char expected[64];

            assert_non_null(gmtime_r(&seconds, &date));
            snprintf(expected, sizeof expected, "%04d-%02d-%02dT12:34:56.789Z", date.tm_year + 1900,
                     date.tm_mon + 1, date.tm_mday);
            assert_string_equal(text, expected);
        }
    }
}

/* A stored number that no date can show must not write past the text or loop. */
static void test_out_of_range_is_clamped(void **state)
{
    char text[TIME_TEXT_SIZE];
    (void)state;

    time_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    time_text(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void test_clocks(void **state)
{
    int64_t first = clock_monotonic_us();
    int64_t cpu = clock_thread_cpu_us();
    (void)state;

    assert_true(clock_now_ms() > INT64_C(1700000000000));
    for (int i = 0; i < 1000; i++) {
        int64_t next = clock_monotonic_us();

        assert_true(next >= first);
        first = next;
    }
    assert_true(clock_monotonic_ms() >= first / 1000);
    assert_true(clock_thread_cpu_us() >= cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_times), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_day),   cmocka_unit_test(test_out_of_range_is_clamped),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
