/* Buffers: the maximum, failure that sticks, and the escapes of JSON and HTML. */
#include "app/buf.h"

#include "support/unit.h"

static void test_empty(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 10);
    assert_true(buf_ok(&buf));
    assert_string_equal(buf_text(&buf), "");
    buf_add(&buf, "", 0);
    assert_string_equal(buf_text(&buf), "");
}

static void test_maximum(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 10);
    buf_puts(&buf, "12345");
    buf_puts(&buf, "67890");
    assert_string_equal(buf_text(&buf), "1234567890");
    buf_putc(&buf, 'x');
    assert_false(buf_ok(&buf));
    assert_null(buf_text(&buf));
    buf_init(&buf, &work->arena, 10);
    buf_printf(&buf, "%011d", 1);
    assert_false(buf_ok(&buf));
    buf_puts(&buf, "more");
    assert_int_equal(buf.size, 0);
    buf_init(&buf, &work->arena, 0);
    assert_string_equal(buf_text(&buf), "");
    buf_putc(&buf, 'x');
    assert_null(buf_text(&buf));
}

static void test_growth(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 200000);
    for (int i = 0; i < 20000; i++)
        buf_printf(&buf, "%05d", i);
    assert_true(buf_ok(&buf));
    assert_int_equal(buf.size, 100000);
    assert_memory_equal(buf_text(&buf) + 5 * 12345, "12345", 5);
    assert_int_equal(strlen(buf_text(&buf)), 100000);
}

static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 1000);
    arena_fail_after(1);
    buf_puts(&buf, "x");
    assert_false(buf_ok(&buf));
    buf_puts(&buf, "y");
    assert_null(buf_text(&buf));
    assert_int_equal(arena_fail_after(0), 0);
}

/* IN-7 */
static void test_int(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 1000);
    buf_int(&buf, 0);
    buf_putc(&buf, ' ');
    buf_int(&buf, -1);
    buf_putc(&buf, ' ');
    buf_int(&buf, INT64_MAX);
    buf_putc(&buf, ' ');
    buf_int(&buf, INT64_MIN);
    assert_string_equal(buf_text(&buf), "0 -1 9223372036854775807 -9223372036854775808");
}

static void test_json_string(void **state)
{
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"", "\"\""},
        {"plain ASCII ~", "\"plain ASCII ~\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"<script>&'", "\"\\u003cscript\\u003e\\u0026'\""},
        {"J\xc3\xb6rg \xf0\x9f\x98\x80 \xe6\x97\xa5",
         "\"J\xc3\xb6rg \xf0\x9f\x98\x80 \xe6\x97\xa5\""},
        {"\xc2\x85\xc2\x9b\xc2\xa0", "\"\\u0085\\u009b\xc2\xa0\""},
        {"\xe2\x80\xae\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xaa",
         "\"\\u202e\\u202a\\u2066\xe2\x81\xaa\""},
        {"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9", "\"\xe2\x80\xa7\\u2028\\u2029\""},
        {"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
         "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\""},
        /* What no reader of JSON would take becomes U+FFFD, byte by byte. */
        {"a\xff", "\"a\xef\xbf\xbd\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe0\x9f\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf0\x8f\xbf\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf buf;

        buf_init(&buf, &work->arena, 1000);
        buf_json_string(&buf, rows[i].text, strlen(rows[i].text));
        assert_string_equal(buf_text(&buf), rows[i].json);
    }

    struct buf buf;
    buf_init(&buf, &work->arena, 1000);
    buf_json_string(&buf, "a\0b", 3);
    assert_string_equal(buf_text(&buf), "\"a\\u0000b\"");
}

static void test_html(void **state)
{
    struct work *work = *state;
    struct buf buf;

    buf_init(&buf, &work->arena, 1000);
    buf_html(&buf, "<a href=\"x\" title='y'>J\xc3\xb6rg & co</a>");
    assert_string_equal(buf_text(&buf), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;J\xc3\xb6rg "
                                        "&amp; co&lt;/a&gt;");
    buf_init(&buf, &work->arena, 1000);
    buf_html(&buf, "");
    assert_string_equal(buf_text(&buf), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_empty),         WORK_TEST(test_maximum), WORK_TEST(test_growth),
        WORK_TEST(test_out_of_memory), WORK_TEST(test_int),     WORK_TEST(test_json_string),
        WORK_TEST(test_html),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
