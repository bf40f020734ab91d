/* Refresh token text: only what was made comes back (R001-06, TS-5, TS-6). */
#include "support/unit.h"

#include "app/secret.h"
#include "models/grant_text.h"

static struct key_set make_keys(uint8_t seed)
{
    struct key_set keys = {.mac_count = 1};

    keys.macs[0].id = 7;
    memset(keys.macs[0].key, seed, sizeof keys.macs[0].key);
    return keys;
}

static struct grant_claims make_claims(void)
{
    return (struct grant_claims){.grant_id = uuid_new(),
                                 .tenant_id = uuid_new(),
                                 .user_epoch = 3,
                                 .generation = 4000000000u};
}

static void test_round_trip(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1);
    const struct grant_claims claims = make_claims();
    struct grant_claims read;
    const char *text = NULL;

    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &text), ERR_OK);
    assert_int_equal(grant_text_parse(text, &read), ERR_OK);
    assert_int_equal(grant_text_verify(&keys, &read), ERR_OK);
    assert_true(uuid_equal(&read.grant_id, &claims.grant_id));
    assert_true(uuid_equal(&read.tenant_id, &claims.tenant_id));
    assert_int_equal(read.user_epoch, 3);
    assert_int_equal(read.generation, 4000000000u);
    assert_int_equal(read.key_id, 7);
}

/* The successor is a function of its inputs: that is what makes a grace period safe. */
static void test_deterministic(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1);
    const struct grant_claims claims = make_claims();
    const char *first = NULL, *second = NULL;

    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &first), ERR_OK);
    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &second), ERR_OK);
    assert_string_equal(first, second);
}

static bool accepted(const struct key_set *keys, const char *text)
{
    struct grant_claims claims;

    return grant_text_parse(text, &claims) == ERR_OK && grant_text_verify(keys, &claims) == ERR_OK;
}

static void test_every_mutation_is_refused(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1);
    const struct grant_claims claims = make_claims();
    const char *text = NULL;

    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &text), ERR_OK);

    const size_t length = strlen(text);
    char *copy = arena_strdup(&work->arena, text);

    for (size_t i = 0; i < length; i++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            if ((char)byte == text[i])
                continue;
            copy[i] = (char)byte;
            if (accepted(&keys, copy))
                fail_msg("byte %zu changed to 0x%02x was accepted", i, byte);
        }
        copy[i] = text[i];
    }
    assert_true(accepted(&keys, copy));
}

static void test_other_lengths_are_refused(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1);
    const struct grant_claims claims = make_claims();
    const char *text = NULL;

    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &text), ERR_OK);
    for (size_t length = 0; length < strlen(text); length++)
        assert_false(accepted(&keys, arena_strndup(&work->arena, text, length)));
    assert_false(accepted(&keys, arena_printf(&work->arena, "%s=", text)));
    assert_false(accepted(&keys, arena_printf(&work->arena, "%sA", text)));
    assert_false(accepted(&keys, arena_printf(&work->arena, " %s", text)));
}

static void test_other_keys_are_refused(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1), other = make_keys(2);
    struct key_set renamed = make_keys(1);
    const struct grant_claims claims = make_claims();
    const char *text = NULL;

    renamed.macs[0].id = 8;
    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &text), ERR_OK);
    assert_false(accepted(&other, text));
    assert_false(accepted(&renamed, text));
}

/* A code is no refresh token: its purpose is under the MAC, and its key is another one. */
static void test_purposes_are_apart(void **state)
{
    struct work *work = *state;
    const struct key_set keys = make_keys(1);
    struct grant_claims claims = make_claims(), read;
    const char *refresh = NULL, *code = NULL;

    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &refresh), ERR_OK);
    claims.purpose = GRANT_PURPOSE_CODE;
    assert_int_equal(grant_text_make(&work->ctx, &keys, &claims, &code), ERR_OK);
    assert_string_not_equal(refresh, code);
    assert_int_equal(grant_text_parse(refresh, &read), ERR_OK);
    assert_int_equal(read.purpose, GRANT_PURPOSE_REFRESH);
    assert_int_equal(grant_text_parse(code, &read), ERR_OK);
    assert_int_equal(read.purpose, GRANT_PURPOSE_CODE);
    assert_int_equal(grant_text_verify(&keys, &read), ERR_OK);
    read.purpose = GRANT_PURPOSE_REFRESH;
    assert_int_equal(grant_text_verify(&keys, &read), ERR_BAD_REFRESH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_round_trip),
        WORK_TEST(test_deterministic),
        WORK_TEST(test_every_mutation_is_refused),
        WORK_TEST(test_other_lengths_are_refused),
        WORK_TEST(test_other_keys_are_refused),
        WORK_TEST(test_purposes_are_apart),
    };

    if (!secret_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
