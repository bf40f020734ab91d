/*
 * JSON in. IN-1, IN-2, IN-7: one object, exact end, no duplicate, no NUL, depth 16, 1,000 members,
 * integers exact; each refusal says where and why, and shows nothing of the body.
 */
#include "app/json.h"

#include <stdio.h>

#include "app/buf.h"
#include "support/unit.h"

static enum err parse(struct work *work, const char *text, struct value *ret_value)
{
    /* A copy of exact size, so that ASan sees a read past the end. */
    size_t length = strlen(text);
    char *exact = arena_memdup(&work->arena, text, length);

    fail_clear(&work->ctx);
    return json_parse(&work->ctx, exact, length, ret_value);
}

static void test_types(void **state)
{
    struct work *work = *state;
    struct value value;

    assert_int_equal(
        parse(work,
              " \t\r\n{\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"r\":1.5,\"s\":\"x\","
              "\"a\":[1,\"\",[]],\"o\":{\"z\":1,\"a\":2}}\r\n ",
              &value),
        ERR_OK);
    assert_int_equal(value.type, VALUE_OBJECT);
    assert_int_equal(value.object.count, 8);
    assert_int_equal(value_get(&value, "n")->type, VALUE_NULL);
    assert_true(value_get(&value, "t")->boolean);
    assert_int_equal(value_get(&value, "f")->type, VALUE_BOOL);
    assert_false(value_get(&value, "f")->boolean);
    assert_int_equal(value_get(&value, "i")->integer, -12);
    assert_true(value_get(&value, "r")->real == 1.5);
    assert_string_equal(value_get(&value, "s")->string.text, "x");
    assert_int_equal(value_get(&value, "a")->array.count, 3);
    assert_int_equal(value_get(&value, "a")->array.items[2].type, VALUE_ARRAY);
    /* Members keep their order. */
    assert_string_equal(value_get(&value, "o")->object.members[0].name, "z");
    assert_string_equal(value_get(&value, "o")->object.members[1].name, "a");
    assert_null(value_get(&value, "missing"));
    assert_null(value_get(value_get(&value, "i"), "x"));
    assert_null(value_get(NULL, "x"));
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        enum value_type type; /* UNSET = refused */
        int64_t integer;
        double real;
    } rows[] = {
        {"0", VALUE_INT, 0, 0},
        {"-0", VALUE_INT, 0, 0},
        {"9223372036854775807", VALUE_INT, INT64_MAX, 0},
        {"-9223372036854775808", VALUE_INT, INT64_MIN, 0},
        {"9007199254740993", VALUE_INT, INT64_C(9007199254740993), 0},
        {"9223372036854775808", VALUE_UNSET, 0, 0},
        {"-9223372036854775809", VALUE_UNSET, 0, 0},
        {"123456789012345678901234567890", VALUE_UNSET, 0, 0},
        {"1.0", VALUE_REAL, 0, 1.0},
        {"1e5", VALUE_REAL, 0, 100000.0},
        {"1E+2", VALUE_REAL, 0, 100.0},
        {"0.1", VALUE_REAL, 0, 0.1},
        {"1.7976931348623157e308", VALUE_REAL, 0, 1.7976931348623157e308},
        {"1e309", VALUE_UNSET, 0, 0},
        {"-1e309", VALUE_UNSET, 0, 0},
        {"1e999999999999", VALUE_UNSET, 0, 0},
        {"NaN", VALUE_UNSET, 0, 0},
        {"Infinity", VALUE_UNSET, 0, 0},
        {"-Infinity", VALUE_UNSET, 0, 0},
        {"01", VALUE_UNSET, 0, 0},
        {"+1", VALUE_UNSET, 0, 0},
        {"1.", VALUE_UNSET, 0, 0},
        {".5", VALUE_UNSET, 0, 0},
        {"0x10", VALUE_UNSET, 0, 0},
        {"1_000", VALUE_UNSET, 0, 0},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct value value;
        char text[100];

        snprintf(text, sizeof text, "{\"n\": %s}", rows[i].text);
        enum err err = parse(work, text, &value);
        assert_int_equal(err, rows[i].type == VALUE_UNSET ? ERR_JSON : ERR_OK);
        if (err != ERR_OK)
            continue;
        const struct value *n = value_get(&value, "n");
        assert_int_equal(n->type, rows[i].type);
        if (n->type == VALUE_INT)
            assert_int_equal(n->integer, rows[i].integer);
        else
            assert_true(n->real == rows[i].real);
    }
}

static void test_refused_with_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"", "is empty"},
        {" \n\t ", "is empty"},
        {"\xef\xbb\xbf{}", "byte order mark"},
        {"[]", "not an array"},
        {"[{\"a\":1}]", "not an array"},
        {"null", "Line 1"},
        {"\"text\"", "Line 1"},
        {"12", "Line 1"},
        {"{", "Line 1"},
        {"}", "Line 1"},
        {"{\"a\":1", "Line 1"},
        {"{\"a\"}", "Line 1"},
        {"{\"a\":}", "Line 1"},
        {"{\"a\":1,}", "Line 1"},
        {"{a:1}", "Line 1"},
        {"{'a':1}", "Line 1"},
        {"{\"a\":1}{\"b\":2}", "more text after the end"},
        {"{\"a\":1} x", "more text after the end"},
        {"{\"a\":1}]", "more text after the end"},
        {"{\n  \"a\": 1,\n  \"a\": 2\n}", "Line 3"},
        {"{\"a\":1,\"\\u0061\":2}", "same member name"},
        {"{\"o\":{\"a\":1,\"a\":2}}", "same member name"},
        {"{\"a\":\"\\u0000\"}", "U+0000"},
        {"{\"\\u0000\":1}", "Line 1"},
        {"{\"a\":\"\\ud800\"}", "Line 1"},
        {"{\"a\":\"\\udc00\\ud800\"}", "Line 1"},
        {"{\"a\":\"\\x41\"}", "Line 1"},
        {"{\"a\":\"line\nbreak\"}", "Line 1"},
        {"{\"a\":\"\xff\"}", "Line 1"},
        {"{\"a\":\"\xc0\x80\"}", "Line 1"},
        {"{\"a\":\"\xed\xa0\x80\"}", "Line 1"},
        {"{\"a\":\"\xf4\x90\x80\x80\"}", "Line 1"},
        {"{\"a\":1/*c*/}", "Line 1"},
        {"{\"a\":True}", "Line 1"},
        {"{\"a\":9223372036854775808}", "64 bits"},
        {"{\n\"a\":1e400}", "Line 2"},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct value value;

        assert_int_equal(parse(work, rows[i].text, &value), ERR_JSON);
        assert_int_equal(work->ctx.failure.code, ERR_JSON);
        assert_non_null(work->ctx.failure.detail);
        if (strstr(work->ctx.failure.detail, rows[i].reason) == NULL)
            fail_msg("%s: %s", rows[i].text, work->ctx.failure.detail);
    }
}

/* A raw NUL is a byte like any other that does not belong there. */
static void test_nul_byte(void **state)
{
    struct work *work = *state;
    struct value value;

    assert_int_equal(json_parse(&work->ctx, "{\"a\":\"x\0y\"}", 11, &value), ERR_JSON);
    assert_int_equal(json_parse(&work->ctx, "{}\0", 3, &value), ERR_JSON);
    assert_int_equal(json_parse(&work->ctx, "\0", 1, &value), ERR_JSON);
    assert_int_equal(json_parse(&work->ctx, NULL, 0, &value), ERR_JSON);
}

/* AL-6: what the body held must not reach the log through an error text. */
static void test_error_shows_no_content(void **state)
{
    struct work *work = *state;
    struct value value;

    assert_int_equal(parse(work, "{\"password\": \"open\" \"hunter2\"}", &value), ERR_JSON);
    assert_null(strstr(work->ctx.failure.detail, "hunter2"));
    assert_int_equal(parse(work, "{\"password\": hunter2}", &value), ERR_JSON);
    assert_null(strstr(work->ctx.failure.detail, "hunter2"));
    assert_int_equal(parse(work, "{\"hunter2\": 1, \"hunter2\": 1}", &value), ERR_JSON);
    assert_null(strstr(work->ctx.failure.detail, "hunter2"));
}

static const char *nested(struct work *work, size_t depth, char open, char close)
{
    struct buf out;

    /* The object around counts as the first level. */
    buf_init(&out, &work->arena, 1000000);
    buf_puts(&out, "{\"a\":");
    for (size_t i = 1; i < depth; i++)
        buf_puts(&out, open == '{' ? "{\"a\":" : "[");
    buf_putc(&out, '1');
    for (size_t i = 1; i < depth; i++)
        buf_putc(&out, close);
    buf_putc(&out, '}');
    return buf_text(&out);
}

static void test_depth(void **state)
{
    struct work *work = *state;
    struct value value;

    assert_int_equal(parse(work, nested(work, 15, '{', '}'), &value), ERR_OK);
    assert_int_equal(parse(work, nested(work, 16, '{', '}'), &value), ERR_OK);
    assert_int_equal(parse(work, nested(work, 16, '[', ']'), &value), ERR_OK);
    assert_int_equal(parse(work, nested(work, 17, '{', '}'), &value), ERR_JSON);
    assert_non_null(strstr(work->ctx.failure.detail, "16 deep"));
    assert_int_equal(parse(work, nested(work, 17, '[', ']'), &value), ERR_JSON);
    assert_int_equal(parse(work, nested(work, 50000, '[', ']'), &value), ERR_JSON);
    assert_int_equal(parse(work, nested(work, 50000, '{', '}'), &value), ERR_JSON);
    /* Brackets inside of texts are no depth. */
    assert_int_equal(parse(work, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[\"}", &value), ERR_OK);
}

static const char *members(struct work *work, size_t count)
{
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    buf_putc(&out, '{');
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%s\"m%zu\":0", i > 0 ? "," : "", i);
    buf_putc(&out, '}');
    return buf_text(&out);
}

static void test_members(void **state)
{
    struct work *work = *state;
    struct value value;

    assert_int_equal(parse(work, members(work, 1000), &value), ERR_OK);
    assert_int_equal(value.object.count, 1000);
    assert_string_equal(value.object.members[999].name, "m999");
    assert_int_equal(parse(work, members(work, 1001), &value), ERR_JSON);
    assert_non_null(strstr(work->ctx.failure.detail, "1000 members"));
    assert_int_equal(parse(work, "{\"a\":\"::::\"}", &value), ERR_OK);
    /* In all, not per object. */
    struct buf text;
    buf_init(&text, &work->arena, 100000);
    buf_puts(&text, "{\"list\":[");
    for (int i = 0; i < 100; i++)
        buf_printf(&text,
                   "%s{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,"
                   "\"j\":10}",
                   i > 0 ? "," : "");
    buf_puts(&text, "]}");
    assert_int_equal(parse(work, buf_text(&text), &value), ERR_JSON);
}

static void test_unicode_unchanged(void **state)
{
    struct work *work = *state;
    uint64_t seed = 1;

    for (int round = 0; round < 300; round++) {
        char text[4 * 50 + 1];
        struct buf json;
        struct value value;

        random_text(&seed, random_below(&seed, 50), text);
        buf_init(&json, &work->arena, 10000);
        buf_puts(&json, "{\"t\":");
        buf_json_string(&json, text, strlen(text));
        buf_puts(&json, "}");
        assert_int_equal(parse(work, buf_text(&json), &value), ERR_OK);
        assert_string_equal(value_get(&value, "t")->string.text, text);
        assert_int_equal(value_get(&value, "t")->string.length, strlen(text));
    }
    struct value value;
    assert_int_equal(parse(work, "{\"t\":\"\\ud83d\\ude00\\u00e9\\/\"}", &value), ERR_OK);
    assert_string_equal(value_get(&value, "t")->string.text, "\xf0\x9f\x98\x80\xc3\xa9/");
}

/* MS-3: every allocation may fail. */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    static const char text[] = "{\"a\":[1,\"x\",{\"b\":{}}],\"c\":\"y\"}";
    int64_t n = 1;

    for (;; n++) {
        struct value value;

        arena_fail_after(n);
        enum err err = json_parse(&work->ctx, text, sizeof text - 1, &value);
        if (arena_fail_after(0) != 0) {
            assert_int_equal(err, ERR_OK);
            break;
        }
        assert_int_equal(err, ERR_MEMORY);
        arena_reset(&work->arena);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_types),
        WORK_TEST(test_numbers),
        WORK_TEST(test_refused_with_reason),
        WORK_TEST(test_nul_byte),
        WORK_TEST(test_error_shows_no_content),
        WORK_TEST(test_depth),
        WORK_TEST(test_members),
        WORK_TEST(test_unicode_unchanged),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
