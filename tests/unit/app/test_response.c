/* Answers: headers, cookies, redirects, errors; and what a request says of itself. */
#include "app/http.h"

#include <strings.h>

#include "app/log.h"
#include "app/proxy.h"
#include "app/routes.h"
#include "support/bare.h"
#include "support/unit.h"

static struct bare bare;
static struct request req;
static struct response res;

static int setup(void **state)
{
    (void)state;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    bare_init(&bare);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

static void begin(void)
{
    arena_reset(&bare.arena);
    memset(&req, 0, sizeof req);
    ctx_init(&req.ctx, &bare.app, &bare.arena);
    req.path = req.routed_path = "/";
    req.host = req.authority = "";
    response_init(&res, &bare.arena);
}

static void add_header(const char *name, const char *value)
{
    req.headers[req.header_count++] = (struct http_header){name, value};
}

static size_t count(const char *name)
{
    size_t found = 0;

    for (size_t i = 0; i < res.header_count; i++)
        found += strcasecmp(res.headers[i].name, name) == 0;
    return found;
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < res.header_count; i++) {
        if (strcasecmp(res.headers[i].name, name) == 0)
            return res.headers[i].value;
    }
    return "";
}

static void test_headers(void **state)
{
    (void)state;
    begin();
    response_header(&res, "ETag", "a");
    response_header(&res, "etag", "b");
    assert_int_equal(count("ETag"), 1);
    assert_string_equal(header("ETag"), "b");
    response_header(&res, "Set-Cookie", "a=1");
    response_header(&res, "Set-Cookie", "b=2");
    assert_int_equal(count("Set-Cookie"), 2);
    /* F10: nothing from outside can start a header of its own. */
    response_header(&res, "Location", "/a\r\nSet-Cookie: c=3");
    assert_int_equal(count("Location"), 0);
    for (int i = 0; i < HTTP_MAX_RESPONSE_HEADERS + 5; i++)
        response_header(&res, "Vary", "x");
    assert_int_equal(res.header_count, HTTP_MAX_RESPONSE_HEADERS);
}

/* HT-10 */
static void test_cookies(void **state)
{
    struct cookie cookie = {
        .name = "__Host-session-acme", .value = "abc", .path = "/", .max_age = 60, .secure = true};

    (void)state;
    begin();
    assert_int_equal(response_cookie(&req, &res, &cookie), ERR_OK);
    assert_string_equal(
        header("Set-Cookie"),
        "__Host-session-acme=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    assert_string_equal(header("Cache-Control"), "no-store");
    begin();
    cookie = (struct cookie){.name = "a", .value = "", .path = "/x", .max_age = 0, .strict = true};
    assert_int_equal(response_cookie(&req, &res, &cookie), ERR_OK);
    assert_string_equal(header("Set-Cookie"),
                        "a=; Path=/x; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; "
                        "SameSite=Strict");
    begin();
    cookie = (struct cookie){.name = "a", .value = "b; Domain=x", .path = "/", .max_age = -1};
    assert_int_equal(response_cookie(&req, &res, &cookie), ERR_INTERNAL);
    cookie.value = "b\r\nX: y";
    assert_int_equal(response_cookie(&req, &res, &cookie), ERR_INTERNAL);
    assert_int_equal(count("Set-Cookie"), 0);
}

static void test_reading_cookies(void **state)
{
    (void)state;
    begin();
    add_header("Cookie", "other=1; session-acme=abc; session-acme=def; x=");
    add_header("Cookie", "late=2");
    assert_string_equal(request_cookie(&req, "session-acme"), "abc");
    assert_string_equal(request_cookie(&req, "x"), "");
    assert_string_equal(request_cookie(&req, "late"), "2");
    assert_null(request_cookie(&req, "acme"));
    assert_null(request_cookie(&req, "session"));
}

static void test_redirects(void **state)
{
    static const char *const bad[] = {"/a\r\nX: y", "/a b", "/\\evil.example", "/a\n", NULL};

    (void)state;
    begin();
    assert_int_equal(respond_redirect(&req, &res, "/dashboard"), ERR_OK);
    assert_int_equal(res.status, 303);
    assert_string_equal(header("Location"), "/dashboard");
    for (size_t i = 0; bad[i] != NULL; i++) {
        begin();
        assert_int_equal(respond_redirect(&req, &res, bad[i]), ERR_INTERNAL);
    }
}

static void test_accept(void **state)
{
    static const struct {
        const char *accept;
        bool html, json_only;
    } cases[] = {
        {"text/html,application/xhtml+xml,*/*;q=0.8", true, false},
        {"*/*", false, false},
        {"application/json", false, true},
        {"application/json, text/html;q=0", false, true},
        {"application/json, text/html;q=0.1", true, false},
        {"application/problem+json;q=0.5, application/json", false, true},
        {"text/html;q=0.0", false, false},
        {"TEXT/HTML", true, false},
        {"", false, false},
        {";q=", false, false},
    };

    (void)state;
    begin();
    assert_false(request_accepts_html(&req));
    assert_false(request_wants_json_only(&req));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        add_header("Accept", cases[i].accept);
        assert_int_equal(request_accepts_html(&req), cases[i].html);
        assert_int_equal(request_wants_json_only(&req), cases[i].json_only);
    }
}

static void test_query(void **state)
{
    const char *value;
    int64_t limit;

    (void)state;
    begin();
    req.query = "limit=25&name=a%20b&empty=";
    assert_int_equal(request_query(&req, "name", &value), ERR_OK);
    assert_string_equal(value, "a b");
    assert_int_equal(request_query(&req, "empty", &value), ERR_OK);
    assert_null(value);
    assert_int_equal(request_limit(&req, 50, 200, &limit), ERR_OK);
    assert_int_equal(limit, 25);
    static const char *const bad[] = {"limit=0",   "limit=201", "limit=-1",
                                      "limit=1e2", "limit=1 ",  "limit=99999999999999999999",
                                      "limit=x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin();
        req.query = bad[i];
        assert_int_equal(request_limit(&req, 50, 200, &limit), ERR_VALIDATION);
        assert_string_equal(req.ctx.failure.field, "limit");
    }
    begin();
    req.query = "a=1&a=2";
    assert_int_equal(request_query(&req, "a", &value), ERR_BAD_REQUEST);
}

/* What clients may read of an error (HT-16): never the inside, never the detail of a 5xx. */
static void test_errors_keep_secrets(void **state)
{
    (void)state;
    bare.config.environment = ENV_PRODUCTION;
    begin();
    req.ctx.request_id = "r1";
    (void)fail(&req.ctx, ERR_INTERNAL, "field", "canary");
    (void)fail_internal(&req.ctx, ERR_INTERNAL, "canary");
    respond_error(&req, &res, ERR_INTERNAL);
    assert_int_equal(res.status, 500);
    assert_null(strstr(buf_text(&res.body), "canary"));
    assert_non_null(strstr(buf_text(&res.body), "\"request_id\":\"r1\""));
    /* A failure recorded for another code does not belong to this one. */
    begin();
    (void)fail(&req.ctx, ERR_VALIDATION, "email", "canary");
    respond_error(&req, &res, ERR_CONFLICT);
    assert_int_equal(res.status, 409);
    assert_null(strstr(buf_text(&res.body), "canary"));
    bare.config.environment = ENV_DEVELOPMENT;
}

static void test_error_members(void **state)
{
    static const char *const names[] = {"a", "b"};

    (void)state;
    begin();
    (void)fail(&req.ctx, ERR_VALIDATION, "email", "Say \"please\".");
    req.ctx.failure.required = names;
    req.ctx.failure.required_count = 2;
    respond_error(&req, &res, ERR_VALIDATION);
    assert_string_equal(buf_text(&res.body),
                        "{\"error\":\"validation_failed\",\"error_description\":\"Say "
                        "\\\"please\\\".\",\"request_id\":\"-\",\"message\":\"Say "
                        "\\\"please\\\".\",\"field\":\"email\",\"required\":[\"a\",\"b\"]}");
    begin();
    (void)fail(&req.ctx, ERR_PLAN_LIMIT, NULL, NULL);
    req.ctx.failure.limit = 10;
    req.ctx.failure.usage = 10;
    respond_error(&req, &res, ERR_PLAN_LIMIT);
    assert_non_null(strstr(buf_text(&res.body), "\"limit\":10,\"usage\":10,\"upgrade_url\":null"));
    begin();
    (void)fail_retry(&req.ctx, ERR_LOCKED, 30);
    respond_error(&req, &res, ERR_LOCKED);
    assert_int_equal(res.status, 429);
    assert_string_equal(header("Retry-After"), "30");
    begin();
    respond_error(&req, &res, ERR_DB_UNAVAILABLE);
    assert_string_equal(header("Retry-After"), "1");
}

/* RFC 6750 §3 */
static void test_challenge(void **state)
{
    static const struct route row = {
        .method = GET, .path = "/x", .auth = AUTH_BEARER, .scope = "users:read", .flags = 1};

    (void)state;
    begin();
    req.route = &row;
    respond_error(&req, &res, ERR_UNAUTHENTICATED);
    assert_string_equal(header("WWW-Authenticate"), "Bearer realm=\"tenantd\"");
    begin();
    req.route = &row;
    add_header("Authorization", "Bearer x");
    respond_error(&req, &res, ERR_SCOPE);
    assert_string_equal(header("WWW-Authenticate"),
                        "Bearer realm=\"tenantd\", error=\"insufficient_scope\", "
                        "scope=\"users:read\"");
    begin();
    respond_error(&req, &res, ERR_BAD_CREDENTIALS);
    assert_int_equal(count("WWW-Authenticate"), 0);
}

/* HT-8: the rightmost hop that is not ours, and only from proxies of ours. */
static void test_proxies(void **state)
{
    static const char *networks[] = {"10.0.0.0/8", "127.0.0.1", "fd00::/8"};
    const struct strs trusted = {.items = networks, .count = 3};
    static const struct {
        const char *peer, *forwarded, *ip;
    } cases[] = {
        {"192.0.2.1", "203.0.113.9", "192.0.2.1"},
        {"10.1.2.3", "203.0.113.9", "203.0.113.9"},
        {"10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"},
        {"10.1.2.3", "10.0.0.1,10.0.0.2", "10.0.0.1"},
        {"127.0.0.1", "nonsense", "127.0.0.1"},
        {"127.0.0.1", "9.9.9.9, nonsense, 10.0.0.9", "10.0.0.9"},
        {"127.0.0.2", "9.9.9.9", "127.0.0.2"},
        {"fd00::1", "[2001:db8::1]:443", "2001:db8::1"},
        {"::ffff:10.0.0.1", "203.0.113.9:1234", "203.0.113.9"},
        {"10.1.2.3", ", ,", "10.1.2.3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        req.peer = cases[i].peer;
        add_header("X-Forwarded-For", cases[i].forwarded);
        assert_int_equal(proxy_resolve(&req, &trusted), ERR_OK);
        assert_string_equal(req.ctx.ip, cases[i].ip);
    }
    begin();
    req.peer = "10.0.0.1";
    add_header("X-Forwarded-Proto", "http, https");
    add_header("X-Forwarded-Host", "evil.example, acme.example:8443");
    assert_int_equal(proxy_resolve(&req, &trusted), ERR_OK);
    assert_true(req.https);
    assert_string_equal(req.authority, "acme.example:8443");
    begin();
    req.peer = "192.0.2.1";
    add_header("X-Forwarded-Proto", "https");
    add_header("X-Forwarded-Host", "evil.example");
    assert_int_equal(proxy_resolve(&req, &trusted), ERR_OK);
    assert_false(req.https);
    assert_string_equal(req.authority, "");
    assert_false(proxy_is_trusted(&trusted, "110.0.0.1"));
    assert_false(proxy_is_trusted(&trusted, "nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_reading_cookies),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_errors_keep_secrets),
        cmocka_unit_test(test_error_members),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_proxies),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
