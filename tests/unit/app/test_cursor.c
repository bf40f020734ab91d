/*
 * Page cursors: each opens only for its list, tenant and parameters, tells its holder nothing, and
 * whatever else is sent is refused as a bad cursor (IN-6).
 */
#include "support/unit.h"

#include "app/cursor.h"
#include "app/secret.h"
#include "support/bare.h"

static struct bare bare;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    bare.ctx.tenant_id = uuid_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

static const struct cursor_list plain = {.name = "audit"};

static const char *make(const struct cursor_list *list, const char *value)
{
    const char *text = NULL;

    assert_int_equal(cursor_make(&bare.ctx, list, &value, 1, &text), ERR_OK);
    return text;
}

static enum err read_one(const struct cursor_list *list, const char *text)
{
    const char *value = NULL;
    const enum err err = cursor_read(&bare.ctx, list, text, &value, 1);

    if (err == ERR_OK)
        assert_non_null(value);
    return err;
}

static void test_values_come_back(void **state)
{
    static const char *const values[CURSOR_VALUES_MAX] = {"", "17", "a b/c?d=e&f",
                                                          "\xc3\xa9\xf0\x9f\x94\x91"};
    const char *read[CURSOR_VALUES_MAX];
    const char *text = NULL;

    (void)state;
    for (size_t count = 1; count <= CURSOR_VALUES_MAX; count++) {
        assert_int_equal(cursor_make(&bare.ctx, &plain, values, count, &text), ERR_OK);
        assert_int_equal(cursor_read(&bare.ctx, &plain, text, read, count), ERR_OK);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(read[i], values[i]);
        for (size_t other = 1; other <= CURSOR_VALUES_MAX; other++) {
            if (other != count)
                assert_int_equal(cursor_read(&bare.ctx, &plain, text, read, other), ERR_BAD_CURSOR);
        }
    }
    assert_int_equal(cursor_make(&bare.ctx, &plain, values, 0, &text), ERR_INTERNAL);
    assert_int_equal(cursor_make(&bare.ctx, &plain, values, CURSOR_VALUES_MAX + 1, &text),
                     ERR_INTERNAL);
}

static void test_long_values(void **state)
{
    char value[3200];
    const char *values[] = {value};
    const char *text = NULL;

    (void)state;
    memset(value, 'x', sizeof value);
    value[3000] = '\0';
    assert_true(strlen(make(&plain, value)) <= CURSOR_TEXT_MAX);
    assert_int_equal(read_one(&plain, make(&plain, value)), ERR_OK);
    value[3000] = 'x';
    value[sizeof value - 1] = '\0';
    assert_int_equal(cursor_make(&bare.ctx, &plain, values, 1, &text), ERR_INTERNAL);
}

static void test_bound_to_tenant_and_list(void **state)
{
    static const struct cursor_list other = {.name = "users"};
    const char *text = make(&plain, "17");
    const struct uuid tenant = bare.ctx.tenant_id;

    (void)state;
    assert_int_equal(read_one(&plain, text), ERR_OK);
    assert_int_equal(read_one(&other, text), ERR_BAD_CURSOR);
    bare.ctx.tenant_id = uuid_new();
    assert_int_equal(read_one(&plain, text), ERR_BAD_CURSOR);
    bare.ctx.tenant_id = (struct uuid){0};
    assert_int_equal(read_one(&plain, text), ERR_BAD_CURSOR);

    const char *of_nobody = make(&plain, "17");

    assert_int_equal(read_one(&plain, of_nobody), ERR_OK);
    bare.ctx.tenant_id = tenant;
    assert_int_equal(read_one(&plain, of_nobody), ERR_BAD_CURSOR);
}

/* Another filter, an absent one, or the same words in another place: another list. */
static void test_bound_to_the_parameters(void **state)
{
    static const char *const sets[][2] = {
        {"login", "failed"}, {"failed", "login"}, {"login", NULL}, {NULL, "login"},
        {"loginfailed", ""}, {"", "loginfailed"}, {NULL, NULL},    {"", ""}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        const struct cursor_list made = {
            .name = "audit", .parameters = sets[i], .parameter_count = 2};
        const char *text = make(&made, "17");

        for (size_t k = 0; k < COUNT_OF(sets); k++) {
            const struct cursor_list read = {
                .name = "audit", .parameters = sets[k], .parameter_count = 2};

            assert_int_equal(read_one(&read, text), i == k ? ERR_OK : ERR_BAD_CURSOR);
        }
    }
}

/* The same place twice looks different, and no value can be read off. */
static void test_opaque(void **state)
{
    static const char value[] = "ada@example.com";
    const char *first = make(&plain, value), *second = make(&plain, value);
    uint8_t bytes[CURSOR_TEXT_MAX];
    const int64_t size = base64url_decode(first, strlen(first), bytes, sizeof bytes);

    (void)state;
    assert_string_not_equal(first, second);
    assert_true(size > (int64_t)strlen(value));
    assert_null(memmem(bytes, (size_t)size, value, strlen(value)));
}

static void test_other_texts(void **state)
{
    static const char *const texts[] = {"",     ".", "..",   "a.b.c", "%%%",
                                        "\xff", " ", "AAAA", "=",     "junk"};
    char long_text[CURSOR_TEXT_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(read_one(&plain, texts[i]), ERR_BAD_CURSOR);
    memset(long_text, 'A', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(read_one(&plain, long_text), ERR_BAD_CURSOR);
    long_text[CURSOR_TEXT_MAX] = '\0';
    assert_int_equal(read_one(&plain, long_text), ERR_BAD_CURSOR);
}

static void test_every_single_byte_counts(void **state)
{
    char *text = arena_strdup(&bare.arena, make(&plain, "17"));

    (void)state;
    for (size_t i = 0; i < strlen(text); i++) {
        const char good = text[i];

        for (int c = 1; c < 256; c++) {
            text[i] = (char)c;
            if (text[i] != good)
                assert_int_equal(read_one(&plain, text), ERR_BAD_CURSOR);
        }
        text[i] = good;
    }
    assert_int_equal(read_one(&plain, text), ERR_OK);
}

/* After the master key changed, old cursors are refused like any other text. */
static void test_another_master_key(void **state)
{
    const char *text = make(&plain, "17");

    (void)state;
    bare.config.master_key_bytes[0] ^= 1;
    assert_int_equal(read_one(&plain, text), ERR_BAD_CURSOR);
}

static void test_every_allocation_may_fail(void **state)
{
    const char *good = make(&plain, "17");
    bool done = false;

    (void)state;
    for (int64_t n = 1; !done; n++) {
        const char *value = "17", *text = NULL;

        arena_fail_after(n);
        const enum err made = cursor_make(&bare.ctx, &plain, &value, 1, &text);
        const enum err read = read_one(&plain, good);
        done = arena_fail_after(0) > 0;
        assert_true(made == ERR_OK || made == ERR_MEMORY || made == ERR_INTERNAL);
        assert_true(read == ERR_OK || read == ERR_MEMORY);
        assert_true(!done || (made == ERR_OK && read == ERR_OK));
        assert_true(n < 100);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_values_come_back),
        CASE(test_long_values),
        CASE(test_bound_to_tenant_and_list),
        CASE(test_bound_to_the_parameters),
        CASE(test_opaque),
        CASE(test_other_texts),
        CASE(test_every_single_byte_counts),
        CASE(test_another_master_key),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
