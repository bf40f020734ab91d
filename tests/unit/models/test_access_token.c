/*
 * Access tokens: what was signed is accepted, every other claim, key, tenant and time is not (TS-1, TS-2,
 * TS-3, TS-6, TI-6, TI-15, G8). Forged tokens are truly signed with the tenant's key where the claims are
 * what is tried.
 */
#include "models/access_token.h"

#include "support/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/housekeeping.h"
#include "app/json.h"
#include "app/keys.h"
#include "app/metrics.h"
#include "app/revocation.h"
#include "app/secret.h"
#include "app/watch.h"
#include "models/tenant.h"
#include "support/database.h"

static struct database database;

/* Two tenants with keys, and the first one's user. */
static struct tenant acme, other;
static struct user user;
static struct grant grant;

/* ---- beginning and end ---- */

static void insert_tenant(struct tenant *tenant, const char *slug)
{
    struct new_keys keys;

    *tenant = (struct tenant){
        .id = uuid_new(),
        .slug = slug,
        .name = slug,
        .plan = PLAN_FREE,
        .status = TENANT_ACTIVE,
        .epoch = 3,
        .created_at = clock_now_ms(),
        .version = 1,
    };
    ctx_set_tenant(&database.ctx, tenant, &tenant->id);
    assert_int_equal(db_insert(&database.ctx, &tenant_schema, tenant), ERR_OK);
    assert_int_equal(keys_prepare(&database.ctx, &tenant->id, &keys), ERR_OK);
    assert_int_equal(keys_insert(&database.ctx, &keys), ERR_OK);
}

static void start_app(void)
{
    const char *reason;

    database.config.server.public_url = "http://localhost:8080";
    database.config.tenants.issuer_form = ISSUER_PATH;
    database.config.tokens.access_ttl = 900;
    database.config.tokens.oauth_access_ttl = 3600;
    database.app.tenants = cache_new("tenants", 16, 60000, tenant_load_by_id);
    database.app.slugs = cache_new("slugs", 16, 60000, tenant_load_by_slug);
    database.app.domains = cache_new("domains", 16, 60000, tenant_load_by_domain);
    database.app.keys = cache_new("keys", 16, 60000, keys_load);
    database.app.tokens = token_cache_new(64);
    database.app.revocations = revocations_new(64);
    assert_int_equal(watch_start(&database.app, &database.app.watch, &reason), ERR_OK);
    assert_int_equal(housekeeping_start(&database.app, &database.app.housekeeping), ERR_OK);
}

static int begin_group(void **state)
{
    (void)state;
    if (database_begin(&database, NULL))
        start_app();
    return 0;
}

static int end_group(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    housekeeping_stop(database.app.housekeeping);
    watch_stop(database.app.watch);
    ctx_clear(&database.ctx);
    cache_free(database.app.tenants);
    cache_free(database.app.slugs);
    cache_free(database.app.domains);
    cache_free(database.app.keys);
    token_cache_free(database.app.tokens);
    revocations_free(database.app.revocations);
    database_end(&database);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    insert_tenant(&other, arena_printf(&database.arena, "other-%lld",
                                       (long long)clock_monotonic_us()));
    insert_tenant(&acme, arena_printf(&database.arena, "acme-%lld",
                                      (long long)clock_monotonic_us()));
    user = (struct user){.id = uuid_new(), .tenant_id = acme.id, .role = ROLE_ADMIN};
    grant = (struct grant){
        .id = uuid_new(),
        .tenant_id = acme.id,
        .user_id = user.id,
        .scope = "openid read",
        .user_epoch = 5,
        .tenant_epoch = 3,
    };
    while (!watch_is_fresh(database.app.watch))
        usleep(1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (database.seen != NULL)
        ctx_clear(&database.ctx);
    return 0;
}

#define NEEDS_DATABASE()                                                                           \
    do {                                                                                           \
        (void)state;                                                                               \
        if (database.seen == NULL)                                                                 \
            skip();                                                                                \
    } while (0)

static const char *sign(void)
{
    const char *token = NULL;
    int64_t expires_in = 0;

    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(access_token_sign(&database.ctx, &user, &grant, &token, &expires_in), ERR_OK);
    return token;
}

/* As a request without a hint does: the ctx has no tenant. */
static enum err verify_as(const char *token, struct token_claims *ret_claims)
{
    const struct tenant *tenant = NULL;

    ctx_set_tenant(&database.ctx, NULL, &(struct uuid){0});

    const enum err code = access_token_verify(&database.ctx, token, ret_claims, &tenant);

    if (code == ERR_OK)
        assert_true(uuid_equal(&tenant->id, &ret_claims->tenant_id));
    return code;
}

static enum err verify(const char *token)
{
    struct token_claims claims;

    return verify_as(token, &claims);
}

/* ---- honest tokens ---- */

static void test_session_token(void **state)
{
    struct token_claims claims;
    const int64_t now = clock_now_ms() / 1000;

    NEEDS_DATABASE();

    const char *token = sign();

    for (int i = 0; i < 2; i++) {
        assert_int_equal(verify_as(token, &claims), ERR_OK);
        assert_true(uuid_equal(&claims.tenant_id, &acme.id));
        assert_true(uuid_equal(&claims.user_id, &user.id));
        assert_true(uuid_equal(&claims.grant_id, &grant.id));
        assert_false(uuid_is_zero(&claims.token_id));
        assert_int_equal(claims.role, ROLE_ADMIN);
        assert_int_equal(claims.tenant_epoch, 3);
        assert_int_equal(claims.user_epoch, 5);
        assert_string_equal(claims.scope, "openid read");
        assert_string_equal(claims.client_id, "");
        assert_true(claims.issued_at >= now && claims.issued_at <= now + 5);
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
    assert_int_equal(verify_as(sign(), &claims), ERR_OK);
    assert_string_equal(claims.client_id, "client \"one\"");
    assert_int_equal(claims.expires_at, claims.issued_at + 3600);
    assert_true(uuid_equal(&claims.user_id, &user.id));
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    assert_int_equal(access_token_sign(&database.ctx, NULL, &grant, &token, &expires_in), ERR_OK);
    assert_int_equal(verify_as(token, &claims), ERR_OK);
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
        {"iss", VALUE_STRING}, {"sub", VALUE_STRING},  {"aud", VALUE_STRING}, {"exp", VALUE_INT},
        {"iat", VALUE_INT},    {"nbf", VALUE_INT},     {"jti", VALUE_STRING}, {"tid", VALUE_STRING},
        {"gid", VALUE_STRING}, {"scope", VALUE_STRING}, {"role", VALUE_STRING}, {"ep", VALUE_ARRAY},
    };
    struct jws_parts parts;
    struct value claims;

    NEEDS_DATABASE();

    const char *token = sign();

    assert_int_equal(jws_split(&database.ctx, token, strlen(token), &parts), ERR_OK);
    assert_string_equal(parts.alg, "ES256");
    assert_string_equal(parts.typ, "session+jwt");
    assert_int_equal(json_parse(&database.ctx, (const char *)parts.payload.data, parts.payload.size,
                                &claims),
                     ERR_OK);
    assert_int_equal(claims.object.count, COUNT_OF(members));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_int_equal(value_get(&claims, members[i].name)->type, members[i].type);
    assert_string_equal(value_get(&claims, "iss")->string.text,
                        arena_printf(&database.arena, "http://localhost:8080/t/%s", acme.slug));
}

static void test_seen_tokens_cost_no_round_trip(void **state)
{
    NEEDS_DATABASE();

    const char *token = sign();

    assert_int_equal(verify(token), ERR_OK);
    database_forget(&database);
    database.ctx.db_calls = 0;
    assert_int_equal(verify(token), ERR_OK);
    assert_int_equal(verify(sign()), ERR_OK);
    assert_int_equal(database.ctx.db_calls, 0);
    assert_int_equal(database_sent(&database, "find"), 0);
}

/* ---- forged claims, truly signed ---- */

static const char *sign_text(const struct tenant *tenant, const char *typ, const char *text)
{
    const struct key_set *keys;
    const char *token = NULL;

    assert_int_equal(keys_get_for(&database.ctx, &tenant->id, &keys), ERR_OK);
    assert_int_equal(
        jws_sign(&database.ctx, keys->signing[0], typ, text, strlen(text), &token), ERR_OK);
    return token;
}

/* The claims of a good token as members, to change one at a time. */
struct claim {
    const char *name, *json;
};

#define CLAIMS 12

static void good_claims(struct claim ret[CLAIMS])
{
    const long long now = clock_now_ms() / 1000;
    char tid[UUID_TEXT_SIZE], sub[UUID_TEXT_SIZE];
    struct arena *arena = &database.arena;
    const char *issuer = arena_printf(arena, "\"http://localhost:8080/t/%s\"", acme.slug);

    uuid_text(&acme.id, tid);
    uuid_text(&user.id, sub);
    ret[0] = (struct claim){"iss", issuer};
    ret[1] = (struct claim){"aud", issuer};
    ret[2] = (struct claim){"sub", arena_printf(arena, "\"%s\"", sub)};
    ret[3] = (struct claim){"role", "\"user\""};
    ret[4] = (struct claim){"iat", arena_printf(arena, "%lld", now)};
    ret[5] = (struct claim){"nbf", arena_printf(arena, "%lld", now)};
    ret[6] = (struct claim){"exp", arena_printf(arena, "%lld", now + 900)};
    ret[7] = (struct claim){"jti", "\"0190a5e4-7c1e-7000-8000-000000000001\""};
    ret[8] = (struct claim){"tid", arena_printf(arena, "\"%s\"", tid)};
    ret[9] = (struct claim){"gid", "\"0190a5e4-7c1e-7000-8000-000000000002\""};
    ret[10] = (struct claim){"scope", "\"read\""};
    ret[11] = (struct claim){"ep", "[3,5]"};
}

/* name with another value; json NULL: left out. extra: appended as it is. */
static const char *claims_with(const char *name, const char *json, const char *extra)
{
    struct claim claims[CLAIMS];
    struct buf out;
    bool first = true;

    good_claims(claims);
    buf_init(&out, &database.arena, 8192);
    buf_putc(&out, '{');
    for (size_t i = 0; i < CLAIMS; i++) {
        const bool changed = name != NULL && strcmp(claims[i].name, name) == 0;

        if (changed && json == NULL)
            continue;
        buf_printf(&out, "%s\"%s\":%s", first ? "" : ",", claims[i].name,
                   changed ? json : claims[i].json);
        first = false;
    }
    buf_printf(&out, "%s}", extra);
    return buf_text(&out);
}

static enum err verify_claims(const char *name, const char *json, const char *extra)
{
    return verify(sign_text(&acme, "session+jwt", claims_with(name, json, extra)));
}

static void test_every_claim_is_required(void **state)
{
    struct claim claims[CLAIMS];

    NEEDS_DATABASE();
    assert_int_equal(verify_claims(NULL, NULL, ""), ERR_OK);
    good_claims(claims);
    for (size_t i = 0; i < CLAIMS; i++)
        assert_int_equal(verify_claims(claims[i].name, NULL, ""), ERR_BAD_TOKEN);
}

/* Twice the same claim, with the same or with another value, first or last. */
static void test_no_claim_twice(void **state)
{
    struct claim claims[CLAIMS];

    NEEDS_DATABASE();
    good_claims(claims);
    for (size_t i = 0; i < CLAIMS; i++) {
        const char *again =
            arena_printf(&database.arena, ",\"%s\":%s", claims[i].name, claims[i].json);

        assert_int_equal(verify_claims(NULL, NULL, again), ERR_BAD_TOKEN);
    }
    assert_int_equal(verify_claims(NULL, NULL, ",\"other\":1"), ERR_OK);
}

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

static void test_bad_claims(void **state)
{
    char scope[400];

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(bad_claims); i++) {
        const enum err code = verify_claims(bad_claims[i].name, bad_claims[i].json, "");

        if (code != ERR_BAD_TOKEN)
            fail_msg("%s: %s gives %d", bad_claims[i].name, bad_claims[i].json, (int)code);
    }
    memset(scope, 'x', sizeof scope);
    scope[0] = scope[257] = '"';
    scope[258] = '\0';
    assert_int_equal(verify_claims("scope", scope, ""), ERR_BAD_TOKEN);
    assert_int_equal(verify_claims("ep", "[3,5,0]", ""), ERR_OK);
    assert_int_equal(verify_claims("ep", "[4,5]", ""), ERR_OK);
}

static void test_payloads_that_are_no_claims(void **state)
{
    static const char *const texts[] = {"[]", "null", "1", "\"x\"", "{}", "{", "{}{}", "\xff",
                                        "[{\"iss\":\"x\"}]", "{\"a\":\"\\u0000\"}"};

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(verify(sign_text(&acme, "session+jwt", texts[i])), ERR_BAD_TOKEN);
}

/* TS-2: no leeway for exp, a minute for clocks that are ahead. */
static void test_times(void **state)
{
    static const struct {
        const char *name;
        int64_t from_now;
        enum err answer;
    } cases[] = {
        {"exp", 0, ERR_BAD_TOKEN}, {"exp", -1, ERR_BAD_TOKEN}, {"exp", -86400, ERR_BAD_TOKEN},
        {"exp", 30, ERR_OK},       {"exp", 86400, ERR_OK},     {"nbf", 50, ERR_OK},
        {"nbf", 70, ERR_BAD_TOKEN}, {"nbf", 120, ERR_BAD_TOKEN}, {"nbf", -86400, ERR_OK},
        {"iat", 50, ERR_OK},       {"iat", 70, ERR_BAD_TOKEN}, {"iat", 86400, ERR_BAD_TOKEN},
        {"iat", -86400, ERR_OK},
    };

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const long long at = clock_now_ms() / 1000 + cases[i].from_now;

        assert_int_equal(
            verify_claims(cases[i].name, arena_printf(&database.arena, "%lld", at), ""),
            cases[i].answer);
    }
}

/* A token that is in the cache ends in its last second all the same. */
static void test_ends_on_time_although_seen(void **state)
{
    NEEDS_DATABASE();

    const long long end = clock_now_ms() / 1000 + 2;
    const char *token = sign_text(
        &acme, "session+jwt", claims_with("exp", arena_printf(&database.arena, "%lld", end), ""));

    assert_int_equal(verify(token), ERR_OK);
    while (clock_now_ms() / 1000 < end) {
        const enum err code = verify(token);

        /* The second may have ended between the two looks at the clock. */
        assert_true(code == ERR_OK || clock_now_ms() / 1000 >= end);
        usleep(10000);
    }
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
}

/* ---- kinds and keys ---- */

/* TS-3: another typ, or the typ of the other kind. */
static void test_other_kinds_of_token(void **state)
{
    static const char *const kinds[] = {"at+jwt", "JWT", "", "session+JWT", "logout+jwt", "dpop+jwt",
                                        "id", "application/session+jwt"};

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        assert_int_equal(verify(sign_text(&acme, kinds[i], claims_with(NULL, NULL, ""))),
                         ERR_BAD_TOKEN);
    assert_int_equal(verify(sign_text(&acme, "session+jwt",
                                      claims_with(NULL, NULL, ",\"client_id\":\"c\""))),
                     ERR_BAD_TOKEN);
    assert_int_equal(
        verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":\"c\""))),
        ERR_OK);
    assert_int_equal(
        verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":\"\""))),
        ERR_BAD_TOKEN);
    assert_int_equal(
        verify(sign_text(&acme, "at+jwt", claims_with(NULL, NULL, ",\"client_id\":null"))),
        ERR_BAD_TOKEN);
    /* A client's own token has no role. */
    assert_int_equal(verify(sign_text(&acme, "at+jwt",
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

    NEEDS_DATABASE();
    text = claims_with(NULL, NULL, "");
    assert_int_equal(verify(sign_text(&other, "session+jwt", text)), ERR_BAD_TOKEN);
    assert_int_equal(keys_get_for(&database.ctx, &acme.id, &mine), ERR_OK);
    assert_int_equal(keys_get_for(&database.ctx, &other.id, &theirs), ERR_OK);
    assert_int_equal(jws_generate(&database.ctx, JWS_ES256, &made), ERR_OK);
    assert_int_equal(jws_key_parse(&database.ctx, JWS_ES256, jws_key_kid(mine->signing[0]),
                                   &made.private_der, &posing),
                     ERR_OK);
    assert_int_equal(
        jws_sign(&database.ctx, posing, "session+jwt", text, strlen(text), &token), ERR_OK);
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
    jws_key_free(posing);
}

/* The tenant's id is replaced in a token that its own key signed: then it is another tenant's token. */
static void test_edited_tenant(void **state)
{
    char tid[UUID_TEXT_SIZE];

    NEEDS_DATABASE();
    uuid_text(&other.id, tid);
    assert_int_equal(verify_claims("tid", arena_printf(&database.arena, "\"%s\"", tid), ""),
                     ERR_BAD_TOKEN);
    assert_int_equal(
        verify(sign_text(&other, "session+jwt",
                         claims_with("tid", arena_printf(&database.arena, "\"%s\"", tid), ""))),
        ERR_BAD_TOKEN);
}

/* ---- text ---- */

static void test_texts_that_are_no_token(void **state)
{
    static const char *const texts[] = {"", ".", "..", "...", "a.b.c", "null", "Bearer x",
                                        "e30.e30.e30", "=.=.=", "\xff"};
    char *longest;

    NEEDS_DATABASE();
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(verify(texts[i]), ERR_BAD_TOKEN);
    longest = arena_alloc(&database.arena, 110001);
    memset(longest, 'A', 110000);
    longest[40000] = longest[80000] = '.';
    assert_int_equal(verify(longest), ERR_BAD_TOKEN);
}

/* TS-6: padding and trailing bytes do not make a second token of a revoked one. */
static void test_one_text_for_one_token(void **state)
{
    static const char *const tails[] = {"=", "==", "A", ".", " ", "\n", "%3D"};

    NEEDS_DATABASE();

    const char *token = sign();

    assert_int_equal(verify(token), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(tails); i++)
        assert_int_equal(verify(arena_printf(&database.arena, "%s%s", token, tails[i])),
                         ERR_BAD_TOKEN);
}

/* G8: one byte after the other, each replaced by some others. */
static void test_every_single_byte_counts(void **state)
{
    NEEDS_DATABASE();

    char *token = arena_strdup(&database.arena, sign());
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
            assert_int_equal(verify(token), ERR_BAD_TOKEN);
            ctx_clear(&database.ctx);
            database.ctx.arena = &database.arena;
            arena_clear(&scratch);
        }
        token[i] = good;
    }
    assert_int_equal(verify(token), ERR_OK);
}

/* ---- what changes while it lives ---- */

static void test_revoked_although_seen(void **state)
{
    NEEDS_DATABASE();

    const char *token = sign();

    assert_int_equal(verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_USER, &user.id, 5, 900);
    assert_int_equal(verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_USER, &user.id, 6, 900);
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
    grant.user_epoch = 6;
    token = sign();
    assert_int_equal(verify(token), ERR_OK);
    ctx_set_tenant(&database.ctx, &acme, &acme.id);
    revocation_apply(&database.ctx, REVOKED_GRANT, &grant.id, 0, 900);
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
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

static void wait_for(const char *token, enum err answer)
{
    const int64_t start = clock_monotonic_ms();
    enum err code;

    do {
        code = verify(token);
        ctx_clear(&database.ctx);
    } while (code != answer && clock_monotonic_ms() - start < 1000);
    assert_int_equal(code, answer);
}

/* TS-14: a suspended tenant's tokens end within a second, and so do those before its epoch. */
static void test_suspended_tenant(void **state)
{
    NEEDS_DATABASE();

    const char *token = sign();

    assert_int_equal(verify(token), ERR_OK);
    update_tenant("status", "suspended", 0);
    wait_for(token, ERR_BAD_TOKEN);
    update_tenant("status", "active", 0);
    wait_for(token, ERR_OK);
    update_tenant("epoch", NULL, 4);
    wait_for(token, ERR_BAD_TOKEN);
}

static void test_every_allocation_may_fail(void **state)
{
    bool done = false;

    NEEDS_DATABASE();

    const char *good = sign();

    for (int64_t n = 1; !done; n++) {
        const char *token = NULL;
        int64_t seconds;
        enum err signed_code, read_code;

        token_cache_flush(database.app.tokens);
        ctx_set_tenant(&database.ctx, &acme, &acme.id);
        arena_fail_after(n);
        signed_code = access_token_sign(&database.ctx, &user, &grant, &token, &seconds);
        read_code = verify(good);
        done = arena_fail_after(0) > 0;
        assert_true(signed_code == ERR_OK || signed_code == ERR_MEMORY);
        assert_true(read_code == ERR_OK || read_code == ERR_MEMORY);
        assert_true(n < 300);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_session_token),
        CASE(test_client_tokens),
        CASE(test_what_stands_in_it),
        CASE(test_seen_tokens_cost_no_round_trip),
        CASE(test_every_claim_is_required),
        CASE(test_no_claim_twice),
        CASE(test_bad_claims),
        CASE(test_payloads_that_are_no_claims),
        CASE(test_times),
        CASE(test_ends_on_time_although_seen),
        CASE(test_other_kinds_of_token),
        CASE(test_another_tenants_key),
        CASE(test_edited_tenant),
        CASE(test_texts_that_are_no_token),
        CASE(test_one_text_for_one_token),
        CASE(test_every_single_byte_counts),
        CASE(test_revoked_although_seen),
        CASE(test_suspended_tenant),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, begin_group, end_group);
}
