/*
 * Tickets: each opens only what it was made for: tenant, use, browser, time (TS-3, IN-6). Their
 * reader accepts everything when it is given no key (security.md F1), so foreign texts of all kinds
 * are tried.
 */
#include "support/unit.h"

#include <stdio.h>

#include <jwt.h>

#include "app/cache.h"
#include "app/clock.h"
#include "app/ticket.h"
#include "support/bare.h"

static struct bare bare;
static uint32_t newest = 1; /* the MAC keys of the tenants are newest, newest - 1 … 1 */

/* A tenant's keys that follow from its id. */
static enum err load_keys(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct key_set *set = ARENA_NEW(ctx->arena, struct key_set);

    if (set == NULL)
        return ERR_MEMORY;
    memcpy(&set->tenant_id, key, size);
    for (uint32_t id = newest; id > 0; id--) {
        struct numbered_key *mac = &set->macs[set->mac_count++];

        mac->id = id;
        memset(mac->key, (int)id, sizeof mac->key);
        memcpy(mac->key, key, size);
    }
    *ret_data = set;
    return ERR_OK;
}

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    newest = 1;
    bare.app.keys = cache_new("keys", 16, 60000, load_keys);
    bare.ctx.tenant_id = uuid_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ctx_clear(&bare.ctx);
    cache_free(bare.app.keys);
    bare_clear(&bare);
    return 0;
}

static const char *form_token(const char *use, const char *binding)
{
    const char *token = NULL;

    assert_int_equal(ticket_form_issue(&bare.ctx, use, binding, &token), ERR_OK);
    return token;
}

static enum err check(const char *use, const char *binding, const char *token)
{
    return ticket_form_check(&bare.ctx, use, binding, token);
}

static void test_form_token(void **state)
{
    const char *token = form_token("login", "nonce");

    (void)state;
    assert_int_equal(check("login", "nonce", token), ERR_OK);
    assert_int_equal(check("logout", "nonce", token), ERR_FORM_TOKEN);
    assert_int_equal(check("login", "nonce2", token), ERR_FORM_TOKEN);
    assert_int_equal(check("login", "", token), ERR_FORM_TOKEN);
    assert_int_equal(check("login", NULL, token), ERR_FORM_TOKEN);
    assert_int_equal(check("login", "nonce", NULL), ERR_FORM_TOKEN);
}

/* The binding may be a session's secret: it must not be readable from the page. */
static void test_binding_is_not_in_the_token(void **state)
{
    const char *token = form_token("login", "a-very-secret-session-value");
    jwt_t *jwt = NULL;
    char *text;

    (void)state;
    assert_int_equal(jwt_decode(&jwt, token, NULL, 0), 0);
    text = jwt_get_grants_json(jwt, NULL);
    assert_null(strstr(text, "secret-session"));
    free(text);
    jwt_free(jwt);
}

static void test_another_tenant(void **state)
{
    const char *token = form_token("login", "nonce");

    (void)state;
    bare.ctx.tenant_id = uuid_new();
    assert_int_equal(check("login", "nonce", token), ERR_FORM_TOKEN);
    bare.ctx.tenant_id = (struct uuid){0};
    assert_int_equal(check("login", "nonce", token), ERR_FORM_TOKEN);
}

/* Ends the unit of work and begins another one for the same tenant. */
static void again(void)
{
    const struct uuid tenant = bare.ctx.tenant_id;

    ctx_clear(&bare.ctx);
    cache_flush(bare.app.keys);
    bare.ctx.tenant_id = tenant;
}

/* The MAC key is rotated: what the old one made is good until it expires. */
static void test_key_rotation(void **state)
{
    const char *token = form_token("login", "nonce");

    (void)state;
    newest = 2;
    again();
    assert_int_equal(check("login", "nonce", token), ERR_OK);
    token = form_token("login", "nonce");
    newest = 1;
    again();
    assert_int_equal(check("login", "nonce", token), ERR_FORM_TOKEN);
}

/* ---- forged ---- */

struct forged {
    jwt_alg_t alg;
    const uint8_t *key;
    const char *kid, *typ;
    int64_t exp;
    const char *binding;
};

static const char *forge(const struct forged *forged)
{
    jwt_t *jwt = NULL;
    char *text;
    const char *copy;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_set_alg(jwt, forged->alg, forged->key, forged->key != NULL ? 32 : 0), 0);
    if (forged->kid != NULL)
        assert_int_equal(jwt_add_header(jwt, "kid", forged->kid), 0);
    if (forged->typ != NULL)
        assert_int_equal(jwt_add_grant(jwt, "typ", forged->typ), 0);
    assert_int_equal(jwt_add_grant(jwt, "b", forged->binding), 0);
    assert_int_equal(jwt_add_grant_int(jwt, "exp", (long)forged->exp), 0);
    text = jwt_encode_str(jwt);
    copy = arena_strdup(&bare.arena, text);
    free(text);
    jwt_free(jwt);
    return copy;
}

/* The key of login forms of the ctx's tenant, and the claim of "nonce", as ticket.c makes them. */
static const char *form_key(uint8_t ret_key[SECRET_KEY_SIZE])
{
    static char binding[BASE64URL_LENGTH(16) + 1];
    uint8_t bound[SECRET_KEY_SIZE], mac[SECRET_MAC_SIZE];
    const struct key_set *keys;

    assert_int_equal(keys_get(&bare.ctx, &keys), ERR_OK);
    secret_derive(keys->macs[0].key, "ticket:form:login", ret_key);
    secret_derive(ret_key, "binding", bound);
    secret_mac(bound, "nonce", 5, mac);
    base64url_encode(mac, 16, binding);
    return binding;
}

static void test_forged_form_tokens(void **state)
{
    static const uint8_t zero[32];
    uint8_t key[SECRET_KEY_SIZE];
    const int64_t now = clock_now_ms() / 1000, later = now + 100;
    const char *b = form_key(key);

    (void)state;

    const struct forged good = {JWT_ALG_HS256, key, "1", "form", later, b};
    const struct forged bad[] = {
        {JWT_ALG_HS256, zero, "1", "form", later, b}, {JWT_ALG_NONE, NULL, "1", "form", later, b},
        {JWT_ALG_HS384, key, "1", "form", later, b},  {JWT_ALG_HS512, key, "1", "form", later, b},
        {JWT_ALG_HS256, key, NULL, "form", later, b}, {JWT_ALG_HS256, key, "2", "form", later, b},
        {JWT_ALG_HS256, key, "01", "form", later, b}, {JWT_ALG_HS256, key, "0", "form", later, b},
        {JWT_ALG_HS256, key, "1", "code", later, b},  {JWT_ALG_HS256, key, "1", NULL, later, b},
        {JWT_ALG_HS256, key, "1", "form", later, ""}, {JWT_ALG_HS256, key, "1", "form", now - 1, b},
    };

    assert_int_equal(check("login", "nonce", forge(&good)), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(check("login", "nonce", forge(&bad[i])), ERR_FORM_TOKEN);
}

static void test_malformed_texts(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.e30",
        "....",
        "%%%",
        "\xff",
        " ",
        "=.=.=",
        "e30.e30.",
        "e30..",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ..",
        "eyJhbGciOiJub25lIiwia2lkIjoiMSIsInR5cCI6IkpXVCJ9.e30.",
        "eyJhbGciOiJub25lIiwia2lkIjoiMSIsInR5cCI6IkpXVCJ9.e30.AA",
    };
    char *longest = arena_alloc(&bare.arena, 110001);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(check("login", "", texts[i]), ERR_FORM_TOKEN);
    memset(longest, 'A', 110000);
    longest[40000] = longest[80000] = '.';
    assert_int_equal(check("login", "nonce", longest), ERR_FORM_TOKEN);
}

static void test_every_single_byte_counts(void **state)
{
    char *text = arena_strdup(&bare.arena, form_token("login", "nonce"));

    (void)state;
    for (size_t i = 0; i < strlen(text); i++) {
        const char good = text[i];
        struct arena scratch;

        for (int c = 1; c < 256; c += 3) {
            arena_init(&scratch, (size_t)256 * 1024);
            bare.ctx.arena = &scratch;
            text[i] = (char)c;
            if (text[i] != good)
                assert_int_equal(check("login", "nonce", text), ERR_FORM_TOKEN);
            again();
            arena_clear(&scratch);
        }
        text[i] = good;
    }
    bare.ctx.arena = &bare.arena;
    assert_int_equal(check("login", "nonce", text), ERR_OK);
}

static void test_every_allocation_may_fail(void **state)
{
    const char *good = form_token("login", "nonce");
    bool done = false;

    (void)state;
    for (int64_t n = 1; !done; n++) {
        const char *token = NULL;
        enum err issued, checked;

        again();
        arena_fail_after(n);
        issued = ticket_form_issue(&bare.ctx, "login", "nonce", &token);
        checked = check("login", "nonce", good);
        done = arena_fail_after(0) > 0;
        assert_true(issued == ERR_OK || issued == ERR_MEMORY);
        assert_true(checked == ERR_OK || checked == ERR_MEMORY);
        assert_true(!done || (issued == ERR_OK && checked == ERR_OK));
        assert_true(n < 100);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_form_token),
        CASE(test_binding_is_not_in_the_token),
        CASE(test_another_tenant),
        CASE(test_key_rotation),
        CASE(test_forged_form_tokens),
        CASE(test_malformed_texts),
        CASE(test_every_single_byte_counts),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
