/*
 * The claims of access tokens, one wrong at a time, truly signed with the tenant's key (TS-1, TS-2,
 * TS-3, TI-6, TI-15).
 */
#include "models/access_token.h"

#include <unistd.h>

#include "app/clock.h"
#include "app/keys.h"
#include "support/issuer.h"

static void test_every_claim_is_required(void **state)
{
    struct claim claims[GOOD_CLAIMS];

    NEEDS_DATABASE();
    assert_int_equal(access_verify_claims(NULL, NULL, ""), ERR_OK);
    good_claims(claims);
    for (size_t i = 0; i < GOOD_CLAIMS; i++)
        assert_int_equal(access_verify_claims(claims[i].name, NULL, ""), ERR_BAD_TOKEN);
}

/* Twice the same claim, with the same or with another value, first or last. */
static void test_no_claim_twice(void **state)
{
    struct claim claims[GOOD_CLAIMS];

    NEEDS_DATABASE();
    good_claims(claims);
    for (size_t i = 0; i < GOOD_CLAIMS; i++) {
        const char *again =
            arena_printf(&database.arena, ",\"%s\":%s", claims[i].name, claims[i].json);

        assert_int_equal(access_verify_claims(NULL, NULL, again), ERR_BAD_TOKEN);
    }
    assert_int_equal(access_verify_claims(NULL, NULL, ",\"other\":1"), ERR_OK);
}

/* clang-format off */
static const struct claim bad_claims[] = {
    {"exp", "\"99999999999\""}, {"exp", "1e11"}, {"exp", "99999999999.5"}, {"exp", "-1"},
    {"exp", "0"}, {"exp", "null"}, {"exp", "true"}, {"exp", "[99999999999]"}, {"exp", "{}"},
    {"exp", "9223372036854775807"}, {"exp", "9223372036854775808"}, {"exp", "1e400"},
    {"exp", "99999999999999999999999999999999999999"}, {"exp", "NaN"}, {"exp", "1"},
    {"iat", "\"1\""}, {"iat", "-1"}, {"iat", "1.5"}, {"iat", "99999999999"}, {"iat", "null"},
    {"nbf", "\"1\""}, {"nbf", "-1"}, {"nbf", "99999999999"}, {"nbf", "[]"},
    {"iss", "\"\""}, {"iss", "null"}, {"iss", "\"http://localhost:8080/t/other\""},
    {"iss", "[\"http://localhost:8080\"]"}, {"iss", "\"http://localhost:8080/t/acme/\""},
    {"aud", "\"\""}, {"aud", "[]"}, {"aud", "{}"}, {"aud", "null"}, {"aud", "[[]]"},
    {"aud", "\"http://localhost:8080\""}, {"aud", "[\"http://elsewhere\"]"},
    {"sub", "\"\""}, {"sub", "null"}, {"sub", "1"}, {"sub", "\"root\""},
    {"sub", "\"0190A5E4-7C1E-7000-8000-000000000001\""},
    {"sub", "{\"$ne\":null}"}, {"sub", "\"0190a5e47c1e70008000000000000001\""},
    {"role", "\"\""}, {"role", "\"root\""}, {"role", "\"OWNER\""}, {"role", "3"}, {"role", "null"},
    {"role", "[\"owner\"]"},
    {"jti", "\"\""}, {"jti", "1"}, {"jti", "\"x\""},
    {"gid", "\"\""}, {"gid", "null"}, {"gid", "\"x\""},
    {"tid", "\"\""}, {"tid", "null"}, {"tid", "\"acme\""}, {"tid", "{\"$gt\":\"\"}"},
    {"tid", "\"00000000-0000-0000-0000-000000000000\""},
    {"tid", "\"0190a5e4-7c1e-7000-8000-000000000009\""},
    {"scope", "null"}, {"scope", "[\"read\"]"}, {"scope", "1"},
    {"ep", "null"}, {"ep", "[]"}, {"ep", "[3]"}, {"ep", "3"}, {"ep", "\"3,5\""}, {"ep", "[3,5,0,0]"},
    {"ep", "[3,\"5\"]"}, {"ep", "[-1,5]"}, {"ep", "[3,-1]"}, {"ep", "[3.0,5]"}, {"ep", "[3,5,null]"},
    {"ep", "[2,5]"},
};
/* clang-format on */

static void test_bad_claims(void **state)
{
    char scope[400];

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(bad_claims); i++) {
        const enum err code = access_verify_claims(bad_claims[i].name, bad_claims[i].json, "");

        if (code != ERR_BAD_TOKEN)
            fail_msg("%s: %s gives %d", bad_claims[i].name, bad_claims[i].json, (int)code);
    }
    memset(scope, 'x', sizeof scope);
    scope[0] = scope[257] = '"';
    scope[258] = '\0';
    assert_int_equal(access_verify_claims("scope", scope, ""), ERR_BAD_TOKEN);
    assert_int_equal(access_verify_claims("ep", "[3,5,0]", ""), ERR_OK);
    assert_int_equal(access_verify_claims("ep", "[4,5]", ""), ERR_OK);
}

static void test_payloads_that_are_no_claims(void **state)
{
    static const char *const texts[] = {"[]",
                                        "null",
                                        "1",
                                        "\"x\"",
                                        "{}",
                                        "{",
                                        "{}{}",
                                        "\xff",
                                        "[{\"iss\":\"x\"}]",
                                        "{\"a\":\"\\u0000\"}"};

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(access_verify(sign_text(&acme, "session+jwt", texts[i])), ERR_BAD_TOKEN);
}

/* TS-2: no leeway for exp, a minute for clocks that are ahead. */
static void test_times(void **state)
{
    static const struct {
        const char *name;
        int64_t from_now;
        enum err answer;
    } cases[] = {
        {"exp", 0, ERR_BAD_TOKEN},  {"exp", -1, ERR_BAD_TOKEN},  {"exp", -86400, ERR_BAD_TOKEN},
        {"exp", 300, ERR_OK},       {"exp", 86400, ERR_OK},      {"nbf", 50, ERR_OK},
        {"nbf", 90, ERR_BAD_TOKEN}, {"nbf", 120, ERR_BAD_TOKEN}, {"nbf", -86400, ERR_OK},
        {"iat", 50, ERR_OK},        {"iat", 90, ERR_BAD_TOKEN},  {"iat", 86400, ERR_BAD_TOKEN},
        {"iat", -86400, ERR_OK},
    };

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const long long at = clock_now_ms() / 1000 + cases[i].from_now;

        assert_int_equal(
            access_verify_claims(cases[i].name, arena_printf(&database.arena, "%lld", at), ""),
            cases[i].answer);
    }
}

/* A token that is in the cache ends in its last second all the same. */
static void test_ends_on_time_although_seen(void **state)
{
    const char *token = NULL;
    long long end = 0;
    enum err seen = ERR_OK;

    NEEDS_DATABASE();
    /* A machine that stalls may need one that lives longer. */
    for (long long life = 2; clock_now_ms() / 1000 >= end; life *= 2) {
        end = clock_now_ms() / 1000 + life;
        token = sign_text(&acme, "session+jwt",
                          claims_with("exp", arena_printf(&database.arena, "%lld", end), ""));
        seen = access_verify(token);
    }
    assert_int_equal(seen, ERR_OK);
    while (clock_now_ms() / 1000 < end) {
        const enum err code = access_verify(token);

        /* The second may have ended between the two looks at the clock. */
        assert_true(code == ERR_OK || clock_now_ms() / 1000 >= end);
        usleep(10000);
    }
    assert_int_equal(access_verify(token), ERR_BAD_TOKEN);
}

/* TS-3: another typ, or the typ of the other kind. */
static void test_other_kinds_of_token(void **state)
{
    static const char *const kinds[] = {"at+jwt",     "JWT",      "",   "session+JWT",
                                        "logout+jwt", "dpop+jwt", "id", "application/session+jwt"};

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        assert_int_equal(access_verify(sign_text(&acme, kinds[i], claims_with(NULL, NULL, ""))),
                         ERR_BAD_TOKEN);
    assert_int_equal(access_verify(sign_text(&acme, "session+jwt",
                                             claims_with(NULL, NULL, ",\"client_id\":\"c\""))),
                     ERR_BAD_TOKEN);
    assert_int_equal(
        access_verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":\"c\""))),
        ERR_OK);
    assert_int_equal(
        access_verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":\"\""))),
        ERR_BAD_TOKEN);
    assert_int_equal(
        access_verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":null"))),
        ERR_BAD_TOKEN);
    /* A client's own token has no role. */
    assert_int_equal(access_verify(sign_text(&acme, "at+jwt",
                                             claims_with("sub", "\"c\"", ",\"client_id\":\"c\""))),
                     ERR_BAD_TOKEN);
}

/* TI-6: the claims of one tenant, signed by another, with either kid. */
static void test_another_tenants_key(void **state)
{
    const struct key_set *mine, *theirs;
    struct jws_generated made;
    struct jws_key *posing;
    const char *text, *token;
    struct bytes claims;

    NEEDS_DATABASE();
    text = claims_with(NULL, NULL, "");
    claims = (struct bytes){.data = (const uint8_t *)text, .size = strlen(text)};
    assert_int_equal(access_verify(sign_text(&other, "session+jwt", text)), ERR_BAD_TOKEN);
    assert_int_equal(keys_get_for(&database.ctx, &acme.id, &mine), ERR_OK);
    assert_int_equal(keys_get_for(&database.ctx, &other.id, &theirs), ERR_OK);
    assert_int_equal(jws_generate(&database.ctx, JWS_ES256, &made), ERR_OK);
    assert_int_equal(jws_key_parse(&database.ctx, JWS_ES256, jws_key_kid(mine->signing[0]),
                                   &made.private_der, &posing),
                     ERR_OK);
    assert_int_equal(jws_sign(&database.ctx, posing, "session+jwt", &claims, &token), ERR_OK);
    assert_int_equal(access_verify(token), ERR_BAD_TOKEN);
    jws_key_free(posing);
}

/* The tenant's id is replaced in a token that its own key signed: then it is another tenant's
 * token. */
static void test_edited_tenant(void **state)
{
    char tid[UUID_TEXT_SIZE];

    NEEDS_DATABASE();
    uuid_text(&other.id, tid);
    assert_int_equal(access_verify_claims("tid", arena_printf(&database.arena, "\"%s\"", tid), ""),
                     ERR_BAD_TOKEN);
    assert_int_equal(access_verify(sign_text(
                         &other, "session+jwt",
                         claims_with("tid", arena_printf(&database.arena, "\"%s\"", tid), ""))),
                     ERR_BAD_TOKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISSUER_TEST(test_every_claim_is_required),
        ISSUER_TEST(test_no_claim_twice),
        ISSUER_TEST(test_bad_claims),
        ISSUER_TEST(test_payloads_that_are_no_claims),
        ISSUER_TEST(test_times),
        ISSUER_TEST(test_ends_on_time_although_seen),
        ISSUER_TEST(test_other_kinds_of_token),
        ISSUER_TEST(test_another_tenants_key),
        ISSUER_TEST(test_edited_tenant),
    };

    return cmocka_run_group_tests(tests, issuer_begin, issuer_end);
}
