/* Times, numbers and spans as pages say them. */
#include "handlers/pages_words.h"

#include "app/clock.h"
#include "support/unit.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void test_ago(void **state)
{
    static const struct {
        int64_t age;
        const char *text;
    } rows[] = {
        {0, "just now"},
        {MINUTE + 30000, "just now"},
        {2 * MINUTE + 500, "2 minutes ago"},
        {59 * MINUTE, "59 minutes ago"},
        {HOUR + 500, "1 hour ago"},
        {23 * HOUR, "23 hours ago"},
        {DAY + 500, "yesterday"},
        {2 * DAY + 500, "2 days ago"},
        {29 * DAY, "29 days ago"},
    };
    struct work work;
    (void)state;

    work_begin(&work);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(words_ago(&work.ctx, clock_now_ms() - rows[i].age), rows[i].text);
    assert_string_equal(words_ago(&work.ctx, INT64_C(1769851800123)), "2026-01-31");
    assert_null(words_ago(&work.ctx, 0));
    work_end(&work);
}

static void test_moments(void **state)
{
    int64_t ms = 0;
    struct work work;
    (void)state;

    work_begin(&work);
    assert_string_equal(words_day(&work.ctx, INT64_C(1769851800123)), "2026-01-31");
    assert_string_equal(words_moment(&work.ctx, INT64_C(1769851800123)), "2026-01-31 09:30 UTC");
    assert_null(words_day(&work.ctx, 0));
    assert_null(words_moment(&work.ctx, 0));
    assert_true(words_parse_day(&work.ctx, "2026-01-31", &ms));
    assert_int_equal(ms, INT64_C(1769817600000));
    assert_false(words_parse_day(&work.ctx, "31.1.2026", &ms));
    assert_false(words_parse_day(&work.ctx, "2026-02-30", &ms));
    assert_false(words_parse_day(&work.ctx, "", &ms));
    work_end(&work);
}

static void test_numbers_and_spans(void **state)
{
    struct work work;
    (void)state;

    work_begin(&work);
    assert_string_equal(words_number(&work.ctx, 0), "0");
    assert_string_equal(words_number(&work.ctx, 999), "999");
    assert_string_equal(words_number(&work.ctx, 1000), "1,000");
    assert_string_equal(words_number(&work.ctx, 1002003), "1,002,003");
    assert_string_equal(words_number(&work.ctx, INT64_C(4000000005)), "4,000,000,005");
    assert_string_equal(words_count(&work.ctx, 1, "user"), "1 user");
    assert_string_equal(words_count(&work.ctx, 1200, "user"), "1,200 users");
    assert_string_equal(words_span(&work.ctx, 900), "15 minutes");
    assert_string_equal(words_span(&work.ctx, 604800), "7 days");
    assert_string_equal(words_span(&work.ctx, 3600), "1 hour");
    assert_string_equal(words_span(&work.ctx, 90), "90 seconds");
    assert_string_equal(words_span(&work.ctx, 0), "0 seconds");
    work_end(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ago),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_numbers_and_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
