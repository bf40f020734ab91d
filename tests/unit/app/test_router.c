/*
 * The router over the real table: prefixes, aliases and precedence of api.md §10, and the paths
 * that are refused whole (HT-2).
 */
#include "app/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/bare.h"

static struct bare bare;
static struct request req;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    router_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

static enum err match(const char *path, enum method method, unsigned *ret_allowed)
{
    arena_reset(&bare.arena);
    memset(&req, 0, sizeof req);
    req.ctx = bare.ctx;
    return router_match(&req, path, method, ret_allowed);
}

/* What a path leads to; NULL tenant: none. */
struct found {
    enum method method;
    const char *path, *route, *tenant, *routed;
};

static void same(const char *path, const char *what, const char *is, const char *wanted)
{
    if (wanted == NULL ? is != NULL : is == NULL || strcmp(is, wanted) != 0)
        fail_msg("%s: %s is %s, not %s", path, what, is != NULL ? is : "(none)",
                 wanted != NULL ? wanted : "(none)");
}

static void test_paths_lead_to_rows(void **state)
{
    static const struct found rows[] = {
        {GET, "/", "/", NULL, "/"},
        {GET, "/health", "/health", NULL, "/health"},
        {GET, "/%68ealth", "/health", NULL, "/health"},
        {GET, "/users/me", "/users/me", NULL, "/users/me"},
        {PATCH, "/users/me", "/users/me", NULL, "/users/me"},
        /* /t/{slug}/X is X */
        {GET, "/t/acme/", "/", "acme", "/"},
        {GET, "/t/acme", "/", "acme", "/"},
        {GET, "/t/Acme/users/me", "/users/me", "Acme", "/users/me"},
        {GET, "/t/acme/tenants/info", "/tenants/info", "acme", "/tenants/info"},
        {GET, "/t/acme/api/v1/users/me", "/users/me", "acme", "/users/me"},
        /* /tenants/{slug}/X is /tenants/X when that is a route, else /X; fixed rows win */
        {GET, "/tenants/info", "/tenants/info", NULL, "/tenants/info"},
        {GET, "/tenants/acme/info", "/tenants/info", "acme", "/tenants/info"},
        {GET, "/tenants/acme/users/me", "/users/me", "acme", "/users/me"},
        {GET, "/tenants/acme/users/1", "/tenants/users/{id}", "acme", "/tenants/users/1"},
        {POST, "/tenants/acme/auth/login", "/auth/login", "acme", "/auth/login"},
        {GET, "/tenants/acme/", "/", "acme", "/"},
        /* /api/v1: aliases, fixed rows before {cid} */
        {POST, "/api/v1/auth/login", "/auth/login", NULL, "/auth/login"},
        {GET, "/api/v1/tenants/info", "/tenants/info", NULL, "/tenants/info"},
        {GET, "/api/v1/clients/me", "/api/v1/clients/me", NULL, "/api/v1/clients/me"},
        {GET, "/api/v1/acme/me", "/api/v1/{cid}/me", "acme", "/api/v1/acme/me"},
        {GET, "/api/v1/users/me", "/users/me", NULL, "/users/me"},
        {GET, "/docs/0190a", "/docs/{client_id}", NULL, "/docs/0190a"},
    };
    unsigned allowed;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum err code = match(rows[i].path, rows[i].method, &allowed);
        if (code != ERR_OK)
            fail_msg("%s: %s", rows[i].path, error_info(code)->code);
        same(rows[i].path, "route", req.route->path, rows[i].route);
        same(rows[i].path, "tenant", req.path_tenant, rows[i].tenant);
        same(rows[i].path, "routed path", req.routed_path, rows[i].routed);
    }
}

static void test_parameters(void **state)
{
    unsigned allowed;

    (void)state;
    assert_int_equal(match("/api/v1/a%20b/me", GET, &allowed), ERR_OK);
    assert_string_equal(request_param(&req, "cid"), "a b");
    assert_string_equal(req.path_tenant, "a b");
    assert_int_equal(match("/t/acme/docs/x", GET, &allowed), ERR_OK);
    assert_string_equal(request_param(&req, "client_id"), "x");
    assert_string_equal(req.path_tenant, "acme");
    assert_string_equal(request_param(&req, "nothing"), "");
    assert_int_equal(match("/t/acme/api/v1/other/me", GET, &allowed), ERR_OK);
    assert_string_equal(req.path_tenant, "acme");
    assert_string_equal(req.path_client, "other");
    assert_int_equal(match("/api/v1/other/me", GET, &allowed), ERR_OK);
    assert_null(req.path_client);
}

static void test_unknown_paths(void **state)
{
    static const char *const paths[] = {
        "/nothing",
        "/health/",
        "/health/x",
        "/t",
        "/t/",
        "/users/me/",
        "/t/acme/nothing",
        "/t/acme/t/acme/health",
        "/tenants/acme",
        "/tenants/register/info",
        "/api/v1/",
        "/api/v1/acme/nothing",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r",
        "/api/v1/health",
        "/HEALTH",
    };
    unsigned allowed;

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        enum err code = match(paths[i], GET, &allowed);
        if (code != ERR_NOT_FOUND)
            fail_msg("%s: %s", paths[i], error_info(code)->code);
        assert_null(req.route);
    }
}

static void test_other_methods(void **state)
{
    unsigned allowed;

    (void)state;
    assert_int_equal(match("/health", POST, &allowed), ERR_METHOD);
    assert_int_equal(allowed, GET);
    assert_int_equal(match("/tenants/info", DELETE, &allowed), ERR_METHOD);
    assert_int_equal(allowed, GET | POST);
    assert_int_equal(match("/users/me", OPTIONS, &allowed), ERR_METHOD);
    assert_int_equal(allowed, GET | PATCH | DELETE);
    /* The fixed row exists: its other methods never fall through to {cid}. */
    assert_int_equal(match("/api/v1/users/me", PUT, &allowed), ERR_METHOD);
}

static void test_refused_paths(void **state)
{
    static const char *const paths[] = {
        "",
        "health",
        "*",
        "//health",
        "/t//health",
        "/health//",
        "/%00",
        "/a%00b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/%",
        "/%4",
        "/%zz",
        "/%4g",
        "/..",
        "/a/../health",
        "/./health",
        "/%2e%2e/a",
        "/.%2e/a",
        "/%2E",
        "/%0d%0aX:y",
        "/a%7f",
        "/%ff",
        "/%c0%af",
        "/%ed%a0%80",
        "/\xff",
        "/a#b",
        "/a%23b",
        "/a%3fb",
        "/a\x01",
        "/t/%00/info",
        "/t/../health",
        "/tenants/%2e%2e/info",
    };
    unsigned allowed;

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        enum err code = match(paths[i], GET, &allowed);
        if (code != ERR_BAD_REQUEST)
            fail_msg("%s: %s", paths[i], error_info(code)->code);
    }
    /* Decoded once: what is left of a double escape is text. */
    assert_int_equal(match("/api/v1/%252e%252e/me", GET, &allowed), ERR_OK);
    assert_string_equal(req.path_tenant, "%2e%2e");
}

/* C21 */
static void test_reserved_slugs(void **state)
{
    static const char *const reserved[] = {
        "www",       "api", "admin", "auth",   "static", "docs",     "mail", "clients",
        "localhost", "t",   "v1",    "health", "info",   "register", "me",   "oauth"};
    static const char *const free_slugs[] = {"acme", "client1", "default", "apis", "w", "{cid}"};

    (void)state;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (!router_is_reserved_slug(reserved[i]))
            fail_msg("%s is not reserved", reserved[i]);
    }
    for (size_t i = 0; i < sizeof free_slugs / sizeof free_slugs[0] - 1; i++) {
        if (router_is_reserved_slug(free_slugs[i]))
            fail_msg("%s is reserved", free_slugs[i]);
    }
}

static void test_table_is_sound(void **state)
{
    (void)state;
    const char *mistake = routes_check();
    assert_string_equal(mistake != NULL ? mistake : "", "");
    assert_int_equal(route_index(&routes[1]), 1);
    assert_true(route_index(NULL) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_lead_to_rows), cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_unknown_paths),      cmocka_unit_test(test_other_methods),
        cmocka_unit_test(test_refused_paths),      cmocka_unit_test(test_reserved_slugs),
        cmocka_unit_test(test_table_is_sound),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
