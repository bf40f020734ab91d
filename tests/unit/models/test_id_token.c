/*
 * ID tokens: what they say, which key signs them, and that nothing else passes for one, nor one of
 * them for an access token (OA-17, TS-1, TS-3, OIDC Core §2).
 */
#include "models/id_token.h"

#include "app/cache.h"
#include "app/clock.h"
#include "app/json.h"
#include "app/keys.h"
#include "support/issuer.h"

static struct oauth_client client;

static struct id_token_terms good_terms(void)
{
    client = (struct oauth_client){.id = "client-1", .tenant_id = acme.id};
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    return (struct id_token_terms){
        .client = &client, .user = &user, .auth_time = 1700000000, .nonce = "n \"1\""};
}

static const char *sign(const struct id_token_terms *terms)
{
    const char *token = NULL;

    assert_int_equal(id_token_sign(&database.ctx, terms, &token), ERR_OK);
    return token;
}

static struct value claims_of(const char *token, struct jws_parts *ret_parts)
{
    struct value claims;

    assert_int_equal(jws_split(&database.ctx, token, strlen(token), ret_parts), ERR_OK);
    assert_int_equal(json_parse(&database.ctx, (const char *)ret_parts->payload.data,
                                ret_parts->payload.size, &claims),
                     ERR_OK);
    return claims;
}

static const char *text_of(const struct value *claims, const char *name)
{
    const struct value *claim = value_get(claims, name);

    return claim != NULL && claim->type == VALUE_STRING ? claim->string.text : NULL;
}

static int64_t int_of(const struct value *claims, const char *name)
{
    const struct value *claim = value_get(claims, name);

    assert_non_null(claim);
    assert_int_equal(claim->type, VALUE_INT);
    return claim->integer;
}

static void test_claims(void **state)
{
    const struct uuid sid = uuid_new();
    const char *names[] = {"email", "email_verified", "nickname"};
    char sub[UUID_TEXT_SIZE], sid_text[UUID_TEXT_SIZE];
    struct jws_parts parts;

    NEEDS_DATABASE();
    user.email = "a@b.example";

    struct id_token_terms terms = good_terms();

    terms.sid = &sid;
    terms.amr = "pwd otp";
    terms.acr = ACR_TWO_FACTORS;
    /* OIDC Core's own example of §A.4 hashes this one so. */
    terms.access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    terms.claims = (struct strs){.items = names, .count = COUNT_OF(names)};
    terms.claims_scope = "email profile";

    const struct value claims = claims_of(sign(&terms), &parts);

    assert_string_equal(parts.alg, "RS256");
    assert_string_equal(parts.typ, "JWT");
    uuid_text(&user.id, sub);
    uuid_text(&sid, sid_text);
    assert_string_equal(text_of(&claims, "iss"),
                        arena_printf(&database.arena, "http://localhost:8080/t/%s", acme.slug));
    assert_string_equal(text_of(&claims, "sub"), sub);
    assert_string_equal(text_of(&claims, "aud"), "client-1");
    assert_string_equal(text_of(&claims, "nonce"), "n \"1\"");
    assert_string_equal(text_of(&claims, "acr"), "aal2");
    assert_string_equal(text_of(&claims, "sid"), sid_text);
    assert_string_equal(text_of(&claims, "at_hash"), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_string_equal(text_of(&claims, "email"), "a@b.example");
    assert_false(value_get(&claims, "email_verified")->boolean);
    assert_null(value_get(&claims, "nickname"));
    assert_null(value_get(&claims, "name"));
    assert_int_equal(int_of(&claims, "auth_time"), 1700000000);
    assert_int_equal(int_of(&claims, "exp"), int_of(&claims, "iat") + 3600);
    assert_int_equal(value_get(&claims, "amr")->array.count, 2);
    assert_string_equal(value_get(&claims, "amr")->array.items[1].string.text, "otp");
}

static void test_what_may_be_absent(void **state)
{
    struct jws_parts parts;

    NEEDS_DATABASE();

    struct id_token_terms terms = good_terms();

    terms.nonce = NULL;
    acme.settings.id_token_ttl = 60;
    acme.settings.has_id_token_ttl = true;

    const struct value claims = claims_of(sign(&terms), &parts);

    assert_null(value_get(&claims, "nonce"));
    assert_null(value_get(&claims, "at_hash"));
    assert_null(value_get(&claims, "sid"));
    assert_string_equal(text_of(&claims, "acr"), "aal1");
    assert_int_equal(value_get(&claims, "amr")->array.count, 1);
    assert_int_equal(int_of(&claims, "exp"), int_of(&claims, "iat") + 60);
}

static void test_read_back(void **state)
{
    const struct uuid sid = uuid_new();
    struct id_token_hint hint = {0};

    NEEDS_DATABASE();

    struct id_token_terms terms = good_terms();

    terms.sid = &sid;
    for (int alg = ID_TOKEN_UNSET; alg <= ID_TOKEN_ES256; alg++) {
        client.id_token_alg = alg;
        assert_int_equal(id_token_read(&database.ctx, sign(&terms), &hint), ERR_OK);
        assert_true(uuid_equal(&hint.user_id, &user.id));
        assert_true(uuid_equal(&hint.sid, &sid));
        assert_string_equal(hint.client_id, "client-1");
        assert_int_equal(hint.auth_time, 1700000000);
        assert_false(hint.expired);
    }
}

/* Signed with the tenant's own key of that algorithm. */
static const char *sign_with(enum jws_alg alg, const char *typ, const char *text)
{
    const struct bytes claims = {.data = (const uint8_t *)text, .size = strlen(text)};
    const struct key_set *keys = NULL;
    const char *token = NULL;

    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(keys_get_complete(&database.ctx, &keys), ERR_OK);
    assert_int_equal(jws_sign(&database.ctx, key_set_signer(keys, alg), typ, &claims, &token),
                     ERR_OK);
    return token;
}

static void test_expired_hints_are_good(void **state)
{
    struct id_token_hint hint = {0};

    NEEDS_DATABASE();

    const char *text = claims_with("exp", "1000", ",\"auth_time\":900");

    assert_int_equal(id_token_read(&database.ctx, sign_with(JWS_RS256, "JWT", text), &hint),
                     ERR_OK);
    assert_true(hint.expired);
}

/* TS-1, TS-3: the tenant's own signature over good claims, and still the wrong kind. */
static void test_kinds_are_apart(void **state)
{
    struct id_token_hint hint;

    NEEDS_DATABASE();

    const char *text = claims_with(NULL, NULL, ",\"auth_time\":900");
    const char *access = access_sign();

    assert_int_equal(access_verify(sign_with(JWS_ES256, "session+jwt", text)), ERR_OK);
    assert_int_equal(access_verify(sign_with(JWS_RS256, "session+jwt", text)), ERR_BAD_TOKEN);
    assert_int_equal(access_verify(sign_with(JWS_ES256, "JWT", text)), ERR_BAD_TOKEN);
    assert_int_equal(access_verify(sign_with(JWS_RS256, "JWT", text)), ERR_BAD_TOKEN);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(id_token_read(&database.ctx, access, &hint), ERR_BAD_TOKEN);
    assert_int_equal(id_token_read(&database.ctx, sign_with(JWS_RS256, "session+jwt", text), &hint),
                     ERR_BAD_TOKEN);
    assert_int_equal(id_token_read(&database.ctx, sign_with(JWS_RS256, "JWT", text), &hint),
                     ERR_OK);
}

static void test_hints_that_are_none(void **state)
{
    static const struct {
        const char *name, *json;
    } wrong[] = {
        {"iss", "\"http://localhost:8080/t/other\""},
        {"iss", NULL},
        {"aud", NULL},
        {"aud", "[\"a\",\"b\"]"},
        {"sub", "\"nobody\""},
        {"sub", NULL},
        {"exp", NULL},
        {"exp", "\"1\""},
        {"exp", "-1"},
    };
    struct id_token_hint hint;

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *text = claims_with(wrong[i].name, wrong[i].json, ",\"auth_time\":900");

        assert_int_equal(id_token_read(&database.ctx, sign_with(JWS_RS256, "JWT", text), &hint),
                         ERR_BAD_TOKEN);
    }
    assert_int_equal(id_token_read(&database.ctx,
                                   sign_with(JWS_RS256, "JWT", claims_with(NULL, NULL, "")), &hint),
                     ERR_BAD_TOKEN);
    assert_int_equal(id_token_read(&database.ctx, sign_with(JWS_RS256, "JWT", "[]"), &hint),
                     ERR_BAD_TOKEN);
    assert_int_equal(id_token_read(&database.ctx, "", &hint), ERR_BAD_TOKEN);
    assert_int_equal(id_token_read(&database.ctx, "a.b.c", &hint), ERR_BAD_TOKEN);
}

/* TI-6: another tenant's is none here. */
static void test_another_tenants(void **state)
{
    struct id_token_hint hint;

    NEEDS_DATABASE();

    const struct id_token_terms terms = good_terms();
    const char *token = sign(&terms);

    ctx_set_tenant(&database.ctx, &other, &other.id);
    assert_int_equal(id_token_read(&database.ctx, token, &hint), ERR_BAD_TOKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISSUER_TEST(test_claims),          ISSUER_TEST(test_what_may_be_absent),
        ISSUER_TEST(test_read_back),       ISSUER_TEST(test_expired_hints_are_good),
        ISSUER_TEST(test_kinds_are_apart), ISSUER_TEST(test_hints_that_are_none),
        ISSUER_TEST(test_another_tenants),
    };

    return cmocka_run_group_tests(tests, issuer_begin, issuer_end);
}
