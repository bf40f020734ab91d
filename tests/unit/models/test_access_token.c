/*
 * Access tokens: what was signed is accepted until it ends or is revoked, in one spelling (TS-2,
 * TS-6, TS-14, G8). Forged claims: test_access_token_claims.c.
 */
#include "models/access_token.h"

#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/json.h"
#include "app/keys.h"
#include "app/revocation.h"
#include "support/issuer.h"

static void test_session_token(void **state)
{
    struct token_claims claims;
    const int64_t now = clock_now_ms() / 1000;

    NEEDS_DATABASE();

    const char *token = access_sign();

    for (int i = 0; i < 2; i++) {
        assert_int_equal(access_verify_as(token, &claims), ERR_OK);
        assert_true(uuid_equal(&claims.tenant_id, &acme.id));
        assert_true(uuid_equal(&claims.user_id, &user.id));
        assert_true(uuid_equal(&claims.grant_id, &grant.id));
        assert_false(uuid_is_zero(&claims.token_id));
        assert_int_equal(claims.role, ROLE_ADMIN);
        assert_int_equal(claims.tenant_epoch, 3);
        assert_int_equal(claims.user_epoch, 5);
        assert_string_equal(claims.scope, "openid read");
        assert_string_equal(claims.client_id, "");
        assert_true(claims.issued_at >= now && claims.issued_at <= clock_now_ms() / 1000);
        assert_int_equal(claims.expires_at, claims.issued_at + 900);
    }
}

static void test_client_tokens(void **state)
{
    struct token_claims claims;
    const char *token;
    int64_t expires_in;

    NEEDS_DATABASE();
    grant.client_id = "client \"one\"";
    assert_int_equal(access_verify_as(access_sign(), &claims), ERR_OK);
    assert_string_equal(claims.client_id, "client \"one\"");
    assert_int_equal(claims.expires_at, claims.issued_at + 3600);
    assert_true(uuid_equal(&claims.user_id, &user.id));
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(access_token_sign(&database.ctx, NULL, &grant, &token, &expires_in), ERR_OK);
    assert_int_equal(access_verify_as(token, &claims), ERR_OK);
    assert_true(uuid_is_zero(&claims.user_id));
    assert_int_equal(claims.role, ROLE_UNSET);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    grant.client_id = NULL;
    assert_int_equal(access_token_sign(&database.ctx, NULL, &grant, &token, &expires_in),
                     ERR_INTERNAL);
}

/* The claims that design section 7 and RFC 9068 name, each with its type. */
static void test_what_stands_in_it(void **state)
{
    static const struct {
        const char *name;
        enum value_type type;
    } members[] = {
        {"iss", VALUE_STRING},   {"sub", VALUE_STRING},  {"aud", VALUE_STRING},
        {"exp", VALUE_INT},      {"iat", VALUE_INT},     {"nbf", VALUE_INT},
        {"jti", VALUE_STRING},   {"tid", VALUE_STRING},  {"gid", VALUE_STRING},
        {"scope", VALUE_STRING}, {"role", VALUE_STRING}, {"ep", VALUE_ARRAY},
    };
    struct jws_parts parts;
    struct value claims;

    NEEDS_DATABASE();

    const char *token = access_sign();

    assert_int_equal(jws_split(&database.ctx, token, strlen(token), &parts), ERR_OK);
    assert_string_equal(parts.alg, "ES256");
    assert_string_equal(parts.typ, "session+jwt");
    assert_int_equal(
        json_parse(&database.ctx, (const char *)parts.payload.data, parts.payload.size, &claims),
        ERR_OK);
    assert_int_equal(claims.object.count, COUNT_OF(members));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_int_equal(value_get(&claims, members[i].name)->type, members[i].type);
    assert_string_equal(value_get(&claims, "iss")->string.text,
                        arena_printf(&database.arena, "http://localhost:8080/t/%s", acme.slug));
}

/* An old token and a new one. False, too, while the watcher is held up. */
static bool costs_no_round_trip(const char *token)
{
    database_forget(&database);
    database.ctx.db_calls = 0;
    assert_int_equal(access_verify(token), ERR_OK);
    assert_int_equal(access_verify(access_sign()), ERR_OK);
    return database.ctx.db_calls == 0 && database_asked(&database, "revocations") == 0 &&
           database_asked(&database, "signing_keys") == 0;
}

static void test_seen_tokens_cost_no_round_trip(void **state)
{
    NEEDS_DATABASE();

    const char *token = access_sign();

    assert_int_equal(access_verify(token), ERR_OK);
    WAIT(costs_no_round_trip(token), 1000);
}

static void test_texts_that_are_no_token(void **state)
{
    static const char *const texts[] = {"",     ".",        "..",          "...",   "a.b.c",
                                        "null", "Bearer x", "e30.e30.e30", "=.=.=", "\xff"};
    char *longest;

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(access_verify(texts[i]), ERR_BAD_TOKEN);
    longest = arena_alloc(&database.arena, 110001);
    memset(longest, 'A', 110000);
    longest[40000] = longest[80000] = '.';
    assert_int_equal(access_verify(longest), ERR_BAD_TOKEN);
}

/* TS-6: padding and trailing bytes do not make a second token of a revoked one. */
static void test_one_text_for_one_token(void **state)
{
    static const char *const tails[] = {"=", "==", "A", ".", " ", "\n", "%3D"};

    NEEDS_DATABASE();

    const char *token = access_sign();

    assert_int_equal(access_verify(token), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(tails); i++)
        assert_int_equal(access_verify(arena_printf(&database.arena, "%s%s", token, tails[i])),
                         ERR_BAD_TOKEN);
}

/* G8: one byte after the other, each replaced by some others. */
static void test_every_single_byte_counts(void **state)
{
    NEEDS_DATABASE();

    char *token = arena_strdup(&database.arena, access_sign());
    const size_t length = strlen(token);

    for (size_t i = 0; i < length; i++) {
        static const char others[] = "A_.=z";
        const char good = token[i];

        for (size_t k = 0; k < sizeof others - 1; k++) {
            struct arena scratch;

            if (others[k] == good)
                continue;
            arena_init(&scratch, (size_t)256 * 1024);
            database.ctx.arena = &scratch;
            token[i] = others[k];
            assert_int_equal(access_verify(token), ERR_BAD_TOKEN);
            ctx_clear(&database.ctx);
            database.ctx.arena = &database.arena;
            arena_clear(&scratch);
        }
        token[i] = good;
    }
    assert_int_equal(access_verify(token), ERR_OK);
}

static void test_revoked_although_seen(void **state)
{
    NEEDS_DATABASE();

    const char *token = access_sign();

    assert_int_equal(access_verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_USER, &user.id, 5, 900);
    assert_int_equal(access_verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_USER, &user.id, 6, 900);
    assert_int_equal(access_verify(token), ERR_BAD_TOKEN);
    grant.user_epoch = 6;
    token = access_sign();
    assert_int_equal(access_verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_GRANT, &grant.id, 0, 900);
    assert_int_equal(access_verify(token), ERR_BAD_TOKEN);
}

static void update_tenant(const char *name, const char *text, int64_t number)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t *update = text != NULL ? BCON_NEW("$set", "{", name, BCON_UTF8(text), "}")
                                  : BCON_NEW("$set", "{", name, BCON_INT64(number), "}");

    bson_put_uuid(&filter, "_id", &acme.id);
    assert_int_equal(db_update_one(&database.ctx, &tenant_schema, &filter, update), ERR_OK);
    bson_destroy(update);
    bson_destroy(&filter);
}

static bool is_answered(const char *token, enum err answer)
{
    struct arena scratch;

    arena_init(&scratch, (size_t)256 * 1024);
    database.ctx.arena = &scratch;
    const enum err code = access_verify(token);
    ctx_clear(&database.ctx);
    database.ctx.arena = &database.arena;
    arena_clear(&scratch);
    return code == answer;
}

/* TS-14: a suspended tenant's tokens end within a second, and so do those before its epoch. */
static void test_suspended_tenant(void **state)
{
    NEEDS_DATABASE();

    const char *token = access_sign();

    assert_int_equal(access_verify(token), ERR_OK);
    update_tenant("status", "suspended", 0);
    WAIT(is_answered(token, ERR_BAD_TOKEN), 1000);
    update_tenant("status", "active", 0);
    WAIT(is_answered(token, ERR_OK), 1000);
    update_tenant("epoch", NULL, 4);
    WAIT(is_answered(token, ERR_BAD_TOKEN), 1000);
}

static void test_every_allocation_may_fail(void **state)
{
    bool done = false;

    NEEDS_DATABASE();

    const char *good = access_sign();

    for (int64_t n = 1; !done; n++) {
        const char *token = NULL;
        int64_t seconds;
        enum err signed_code, read_code;

        token_cache_flush(database.app.tokens);
        ctx_set_tenant(&database.ctx, &acme, &acme.id);
        arena_fail_after(n);
        signed_code = access_token_sign(&database.ctx, &user, &grant, &token, &seconds);
        read_code = access_verify(good);
        done = arena_fail_after(0) > 0;
        assert_true(signed_code == ERR_OK || signed_code == ERR_MEMORY);
        assert_true(read_code == ERR_OK || read_code == ERR_MEMORY);
        assert_true(n < 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISSUER_TEST(test_session_token),
        ISSUER_TEST(test_client_tokens),
        ISSUER_TEST(test_what_stands_in_it),
        ISSUER_TEST(test_seen_tokens_cost_no_round_trip),
        ISSUER_TEST(test_texts_that_are_no_token),
        ISSUER_TEST(test_one_text_for_one_token),
        ISSUER_TEST(test_every_single_byte_counts),
        ISSUER_TEST(test_revoked_although_seen),
        ISSUER_TEST(test_suspended_tenant),
        ISSUER_TEST(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, issuer_begin, issuer_end);
}
