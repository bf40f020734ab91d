/* Forms and query strings: WHATWG decoding, and what is refused (RFC 6749 §3.1, IN-2). */
#include "app/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/bare.h"

static struct bare bare;
static struct value parsed;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

static enum err parse(const char *text)
{
    arena_reset(&bare.arena);
    return form_parse(&bare.ctx, text, strlen(text), &parsed);
}

static const char *text_of(const char *name)
{
    const struct value *value = value_get(&parsed, name);

    if (value == NULL)
        return "(none)";
    assert_int_equal(value->type, VALUE_STRING);
    assert_true(value->plain);
    assert_int_equal(strlen(value->string.text), value->string.length);
    return value->string.text;
}

static void test_decodes(void **state)
{
    (void)state;
    assert_int_equal(parse("username=anna&password=a%26b%3Dc%2B+d&empty=&bare&scope=read write"),
                     ERR_OK);
    assert_int_equal(parsed.object.count, 5);
    assert_string_equal(text_of("username"), "anna");
    assert_string_equal(text_of("password"), "a&b=c+ d");
    assert_string_equal(text_of("empty"), "");
    assert_string_equal(text_of("bare"), "");
    assert_string_equal(text_of("scope"), "read write");
    assert_int_equal(parse("n%C3%A9=%E2%82%AC&a=b=c&&=x&"), ERR_OK);
    assert_string_equal(text_of("n\xc3\xa9"), "\xe2\x82\xac");
    assert_string_equal(text_of("a"), "b=c");
    assert_string_equal(text_of(""), "x");
    assert_int_equal(parse(""), ERR_OK);
    assert_int_equal(parsed.object.count, 0);
}

static void test_refuses(void **state)
{
    static const char *const texts[] = {
        "a=%",   "a=%4",     "a=%zz",       "%=a",     "a=%00",     "a%00=b",
        "a=%ff", "a=%c0%80", "a=%ed%a0%80", "a=1&a=2", "a=1&%61=2", "a&b&a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (parse(texts[i]) != ERR_BAD_REQUEST)
            fail_msg("not refused: %s", texts[i]);
    }
    assert_int_equal(parse("scope=a&scope=b"), ERR_BAD_REQUEST);
    assert_string_equal(bare.ctx.failure.field, "scope");
}

static void test_bounded(void **state)
{
    char text[FORM_MAX_FIELDS * 8 + 8];
    size_t at = 0;

    (void)state;
    for (int i = 0; i < FORM_MAX_FIELDS; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d=", i > 0 ? "&" : "", i);
    assert_int_equal(parse(text), ERR_OK);
    assert_int_equal(parsed.object.count, FORM_MAX_FIELDS);
    snprintf(text + at, sizeof text - at, "&x=");
    assert_int_equal(parse(text), ERR_BAD_REQUEST);
}

/* The halves of HTTP Basic (RFC 6749 §2.3.1): one text, whose separators are none. */
static void test_one_value(void **state)
{
    static const char *const pairs[][2] = {
        {"abc", "abc"}, {"", ""}, {"a+b%20c", "a b c"}, {"%3A%25%2b", ":%+"}, {"a=b&c", "a=b&c"},
    };
    static const char *const bad[] = {"%", "%1", "%zz", "a%00", "%ff", "\xff"};
    const char *text = NULL;

    (void)state;
    arena_reset(&bare.arena);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(form_decode(&bare.ctx, pairs[i][0], strlen(pairs[i][0]), &text), ERR_OK);
        assert_string_equal(text, pairs[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(form_decode(&bare.ctx, bad[i], strlen(bad[i]), &text), ERR_BAD_REQUEST);
    assert_int_equal(form_decode(&bare.ctx, "abc", 2, &text), ERR_OK);
    assert_string_equal(text, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_one_value),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
