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
        struct mac_key *mac = &set->macs[set->mac_count++];

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

static const char *cursor(const char *list, const char *position)
{
    const char *text = NULL;

    assert_int_equal(ticket_cursor_issue(&bare.ctx, list, position, &text), ERR_OK);
    return text;
}

static enum err read_cursor(const char *list, const char *text)
{
    const char *position = NULL;

    return ticket_cursor_read(&bare.ctx, list, text, &position);
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
    assert_int_equal(read_cursor("login", token), ERR_BAD_CURSOR);
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
    assert_null(strstr(text, "secret"));
    free(text);
    jwt_free(jwt);
}

static void test_another_tenant(void **state)
{
    const char *token = form_token("login", "nonce");
    const char *position = cursor("audit", "17");

    (void)state;
    bare.ctx.tenant_id = uuid_new();
    assert_int_equal(check("login", "nonce", token), ERR_FORM_TOKEN);
    assert_int_equal(read_cursor("audit", position), ERR_BAD_CURSOR);
    bare.ctx.tenant_id = (struct uuid){0};
    assert_int_equal(check("login", "nonce", token), ERR_FORM_TOKEN);
    assert_int_equal(read_cursor("audit", position), ERR_BAD_CURSOR);
}

static void test_cursor(void **state)
{
    static const char *const positions[] = {"",
                                            "17",
                                            "a b/c?d=e&f",
                                            "\xc3\xa9\xf0\x9f\x94\x91",
                                            "\"quoted\\",
                                            "0190a5e4-7c1e-7000-8000-000000000000"};
    char longest[2050];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(positions); i++) {
        const char *text = cursor("audit", positions[i]);
        const char *position = NULL;

        assert_int_equal(ticket_cursor_read(&bare.ctx, "audit", text, &position), ERR_OK);
        assert_string_equal(position, positions[i]);
        assert_int_equal(read_cursor("tenants", text), ERR_BAD_CURSOR);
        assert_int_equal(check("audit", "", text), ERR_FORM_TOKEN);
    }
    memset(longest, 'x', sizeof longest);
    longest[2048] = '\0';
    assert_int_equal(read_cursor("audit", cursor("audit", longest)), ERR_OK);
    longest[2048] = 'x';
    longest[2049] = '\0';

    const char *text;

    assert_int_equal(ticket_cursor_issue(&bare.ctx, "audit", longest, &text), ERR_INTERNAL);
}

/* Lists without a tenant have a key too, which is no tenant's. */
static void test_cursor_without_tenant(void **state)
{
    const struct uuid tenant = bare.ctx.tenant_id;
    const char *text;

    (void)state;
    bare.ctx.tenant_id = (struct uuid){0};
    text = cursor("tenants", "acme");
    assert_int_equal(read_cursor("tenants", text), ERR_OK);
    bare.ctx.tenant_id = tenant;
    assert_int_equal(read_cursor("tenants", text), ERR_BAD_CURSOR);
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
    const char *text = cursor("audit", "17");

    (void)state;
    newest = 2;
    again();
    assert_int_equal(check("login", "nonce", token), ERR_OK);
    assert_int_equal(read_cursor("audit", text), ERR_OK);
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
    assert_int_equal(jwt_add_grant(jwt, "pos", "17"), 0);
    assert_int_equal(jwt_add_grant(jwt, "b", ""), 0);
    assert_int_equal(jwt_add_grant_int(jwt, "exp", (long)forged->exp), 0);
    text = jwt_encode_str(jwt);
    copy = arena_strdup(&bare.arena, text);
    free(text);
    jwt_free(jwt);
    return copy;
}

/* The key of cursors over "audit" of the ctx's tenant, as ticket.c derives it. */
static void cursor_key(uint8_t ret_key[SECRET_KEY_SIZE])
{
    const struct key_set *keys;

    assert_int_equal(keys_get(&bare.ctx, &keys), ERR_OK);
    secret_derive(keys->macs[0].key, "ticket:cursor:audit", ret_key);
}

static void test_forged_cursors(void **state)
{
    static const uint8_t zero[32];
    uint8_t key[SECRET_KEY_SIZE];
    const int64_t later = clock_now_ms() / 1000 + 100;

    (void)state;
    cursor_key(key);

    const struct forged good = {JWT_ALG_HS256, key, "1", "cursor", later};
    const struct forged bad[] = {
        {JWT_ALG_HS256, zero, "1", "cursor", later}, {JWT_ALG_NONE, NULL, "1", "cursor", later},
        {JWT_ALG_HS384, key, "1", "cursor", later},  {JWT_ALG_HS512, key, "1", "cursor", later},
        {JWT_ALG_HS256, key, NULL, "cursor", later}, {JWT_ALG_HS256, key, "2", "cursor", later},
        {JWT_ALG_HS256, key, "01", "cursor", later}, {JWT_ALG_HS256, key, "0", "cursor", later},
        {JWT_ALG_HS256, key, "1", "form", later},    {JWT_ALG_HS256, key, "1", NULL, later},
    };

    assert_int_equal(read_cursor("audit", forge(&good)), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(read_cursor("audit", forge(&bad[i])), ERR_BAD_CURSOR);
}

static void test_expired_form_token(void **state)
{
    uint8_t key[SECRET_KEY_SIZE], bound[SECRET_KEY_SIZE], mac[SECRET_MAC_SIZE];
    const struct key_set *keys;
    const int64_t now = clock_now_ms() / 1000;
    char binding[BASE64URL_LENGTH(16) + 1];

    (void)state;
    assert_int_equal(keys_get(&bare.ctx, &keys), ERR_OK);
    secret_derive(keys->macs[0].key, "ticket:form:login", key);
    secret_derive(key, "binding", bound);
    secret_mac(bound, "nonce", 5, mac);
    base64url_encode(mac, 16, binding);
    for (int64_t lives = -1; lives <= 100; lives += 101) {
        jwt_t *jwt = NULL;
        char *text;

        assert_int_equal(jwt_new(&jwt), 0);
        jwt_set_alg(jwt, JWT_ALG_HS256, key, 32);
        jwt_add_header(jwt, "kid", "1");
        jwt_add_grant(jwt, "typ", "form");
        jwt_add_grant(jwt, "b", binding);
        jwt_add_grant_int(jwt, "exp", (long)(now + lives));
        text = jwt_encode_str(jwt);
        assert_int_equal(check("login", "nonce", text), lives > 0 ? ERR_OK : ERR_FORM_TOKEN);
        free(text);
        jwt_free(jwt);
    }
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
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_cursor("audit", texts[i]), ERR_BAD_CURSOR);
        assert_int_equal(check("login", "", texts[i]), ERR_FORM_TOKEN);
    }
    memset(longest, 'A', 110000);
    longest[40000] = longest[80000] = '.';
    assert_int_equal(read_cursor("audit", longest), ERR_BAD_CURSOR);
}

static void test_every_single_byte_counts(void **state)
{
    char *text = arena_strdup(&bare.arena, cursor("audit", "17"));

    (void)state;
    for (size_t i = 0; i < strlen(text); i++) {
        const char good = text[i];
        struct arena scratch;

        for (int c = 1; c < 256; c += 3) {
            arena_init(&scratch, (size_t)256 * 1024);
            bare.ctx.arena = &scratch;
            text[i] = (char)c;
            if (text[i] != good)
                assert_int_equal(read_cursor("audit", text), ERR_BAD_CURSOR);
            again();
            arena_clear(&scratch);
        }
        text[i] = good;
    }
    bare.ctx.arena = &bare.arena;
    assert_int_equal(read_cursor("audit", text), ERR_OK);
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
        CASE(test_cursor),
        CASE(test_cursor_without_tenant),
        CASE(test_key_rotation),
        CASE(test_forged_cursors),
        CASE(test_expired_form_token),
        CASE(test_malformed_texts),
        CASE(test_every_single_byte_counts),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
