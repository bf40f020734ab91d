/* Scopes as sets of words, and what roles and machines get of them (RFC 6749 §3.3, C15, OA-8). */
#include "models/scope.h"

#include "support/unit.h"

#define EVERYTHING \
    "openid offline_access profile email address phone admin users:read users:write read orders"

static void test_a_word_is_whole(void **state)
{
    (void)state;
    assert_true(scope_has("read write", "read"));
    assert_true(scope_has("read write", "write"));
    assert_true(scope_has("users:read readers read", "read"));
    assert_false(scope_has("users:read readers reads", "read"));
    assert_false(scope_has("READ", "read"));
    assert_false(scope_has("", "read"));
    assert_false(scope_has(NULL, "read"));
    assert_false(scope_has("read write", ""));
    assert_false(scope_has("read write", "read write"));
}

static void test_normal_form(void **state)
{
    static const char *const pairs[][2] = {
        {"read", "read"},      {"", ""},
        {"   ", ""},           {"  read   write ", "read write"},
        {"read read", "read"}, {"b a b a c", "b a c"},
        {"a ab a", "a ab"},    {"ab a", "ab a"},
        {"!#[]~", "!#[]~"},
    };
    static const char *const bad[] = {"a\"b",     "a\\b",        "a\tb",   "a\nb",
                                      "read\x7f", "caf\xc3\xa9", "a \x01", "\r"};
    struct work *work = *state;
    const char *scope = NULL;

    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        assert_int_equal(scope_normalise(&work->ctx, pairs[i][0], &scope), ERR_OK);
        assert_string_equal(scope, pairs[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(scope_normalise(&work->ctx, bad[i], &scope), ERR_SCOPE_INVALID);
}

static void test_sets(void **state)
{
    struct work *work = *state;
    const char *scope = NULL;

    assert_int_equal(scope_common(&work->ctx, "c a x", "a b c", &scope), ERR_OK);
    assert_string_equal(scope, "c a");
    assert_int_equal(scope_common(&work->ctx, "ab", "a b", &scope), ERR_OK);
    assert_string_equal(scope, "");
    assert_int_equal(scope_common(&work->ctx, NULL, "a", &scope), ERR_OK);
    assert_string_equal(scope, "");
    assert_int_equal(scope_common(&work->ctx, "a", NULL, &scope), ERR_OK);
    assert_string_equal(scope, "");
    assert_int_equal(scope_missing(&work->ctx, "a c", "a b c", &scope), ERR_OK);
    assert_null(scope);
    assert_int_equal(scope_missing(&work->ctx, "a ab c", "a b c", &scope), ERR_OK);
    assert_string_equal(scope, "ab");
    assert_int_equal(scope_missing(&work->ctx, "a", NULL, &scope), ERR_OK);
    assert_string_equal(scope, "a");
    assert_int_equal(scope_missing(&work->ctx, NULL, NULL, &scope), ERR_OK);
    assert_null(scope);
}

static void test_what_is_left_for_roles_and_machines(void **state)
{
    struct work *work = *state;
    const char *scope = NULL;

    assert_int_equal(scope_for_role(&work->ctx, EVERYTHING, ROLE_USER, &scope), ERR_OK);
    assert_string_equal(scope, "openid offline_access profile email address phone read orders");
    assert_int_equal(scope_for_role(&work->ctx, EVERYTHING, ROLE_ADMIN, &scope), ERR_OK);
    assert_string_equal(scope, EVERYTHING);
    assert_int_equal(scope_for_role(&work->ctx, EVERYTHING, ROLE_UNSET, &scope), ERR_OK);
    assert_false(scope_has(scope, "admin"));
    assert_int_equal(scope_for_machine(&work->ctx, EVERYTHING, false, &scope), ERR_OK);
    assert_string_equal(scope, "read orders");
    assert_int_equal(scope_for_machine(&work->ctx, EVERYTHING, true, &scope), ERR_OK);
    assert_string_equal(scope, "users:read users:write read orders");
    assert_true(scope_is_reserved("users:hashes") && scope_is_reserved("auth"));
    assert_false(scope_is_reserved("users:read") || scope_is_reserved("orders"));
}

/* A list that the arena cannot hold is an error, never a shorter scope. */
static void test_without_memory(void **state)
{
    struct work *work = *state;
    const char *scope = NULL;

    (void)arena_fail_after(1);
    assert_int_equal(scope_normalise(&work->ctx, "read write", &scope), ERR_MEMORY);
    (void)arena_fail_after(1);
    assert_int_equal(scope_missing(&work->ctx, "a", "b", &scope), ERR_MEMORY);
    (void)arena_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_word_is_whole),
        WORK_TEST(test_normal_form),
        WORK_TEST(test_sets),
        WORK_TEST(test_what_is_left_for_roles_and_machines),
        WORK_TEST(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
