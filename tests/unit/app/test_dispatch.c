/*
 * The pipeline without a socket: methods, listeners, bodies, the order of checks, and what every
 * answer carries (HT-5, HT-12, api.md §10 "Order of checks").
 */
#include "app/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "app/limit.h"
#include "app/log.h"
#include "app/router.h"
#include "support/bare.h"

#define REGISTER "/tenants/register"

static struct bare bare;
static struct request req;
static struct response res;

static int setup(void **state)
{
    (void)state;
    log_set_level((enum log_level)(LOG_ERROR + 1));
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

/* What a test sends; ended by "Name: value" headers without a name. */
struct sent {
    const char *method, *path, *body;
    struct http_header headers[6];
    bool internal, https;
};

static enum err give_body(struct request *request, size_t cap, void *arg)
{
    const struct sent *sent = arg;

    (void)cap;
    request->body = sent->body != NULL ? sent->body : "";
    request->body_size = strlen(request->body);
    return ERR_OK;
}

static int send(struct sent sent)
{
    const struct dispatch_input input = {
        .raw_path = sent.path, .method = sent.method, .read_body = give_body, .read_arg = &sent};

    ctx_clear(&bare.ctx);
    arena_reset(&bare.arena);
    memset(&req, 0, sizeof req);
    ctx_init(&req.ctx, &bare.app, &bare.arena);
    req.ctx.ip = req.peer = "192.0.2.1";
    req.host = req.authority = "localhost";
    req.internal = sent.internal;
    req.https = sent.https;
    while (req.header_count < 6 && sent.headers[req.header_count].name != NULL) {
        req.headers[req.header_count] = sent.headers[req.header_count];
        req.header_count++;
    }
    dispatch(&req, &res, &input);
    return res.status;
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < res.header_count; i++) {
        if (strcasecmp(res.headers[i].name, name) == 0)
            return res.headers[i].value;
    }
    return "";
}

static bool body_has(const char *text)
{
    return strstr(buf_text(&res.body), text) != NULL;
}

static void test_methods(void **state)
{
    static const char *const strange[] = {"TRACE", "CONNECT", "PROPFIND", "get", "BREW"};

    (void)state;
    assert_int_equal(send((struct sent){.method = "GET", .path = "/health"}), 200);
    assert_string_equal(buf_text(&res.body), "{\"status\":\"healthy\",\"service\":\"tenantd\"}");
    assert_int_equal(send((struct sent){.method = "HEAD", .path = "/health"}), 200);
    assert_true(req.head_only && res.body.size > 0);
    assert_int_equal(send((struct sent){.method = "POST", .path = "/health"}), 405);
    assert_string_equal(header("Allow"), "GET, HEAD, OPTIONS");
    assert_int_equal(send((struct sent){.method = "OPTIONS", .path = "/tenants/info"}), 204);
    assert_string_equal(header("Allow"), "GET, POST, HEAD, OPTIONS");
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        assert_int_equal(send((struct sent){.method = strange[i], .path = "/health"}), 405);
        assert_true(body_has("\"error\":\"method_not_allowed\""));
    }
}

static void test_listeners_and_environments(void **state)
{
    (void)state;
    assert_int_equal(send((struct sent){.method = "GET", .path = "/metrics"}), 404);
    assert_int_equal(send((struct sent){.method = "POST", .path = "/metrics"}), 404);
    assert_int_equal(send((struct sent){.method = "OPTIONS", .path = "/metrics"}), 404);
    assert_int_equal(send((struct sent){.method = "GET", .path = "/metrics", .internal = true}),
                     200);
    assert_int_equal(send((struct sent){.method = "GET", .path = "/health", .internal = true}),
                     200);
    assert_int_equal(send((struct sent){.method = "GET", .path = "/api/ping", .internal = true}),
                     404);
}

static void test_every_answer_is_guarded(void **state)
{
    static const struct sent all[] = {
        {.method = "GET", .path = "/health"},     {.method = "GET", .path = "/nothing"},
        {.method = "GET", .path = "/../x"},       {.method = "PUT", .path = "/health"},
        {.method = "OPTIONS", .path = "/health"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int status = send(all[i]);
        assert_string_equal(header("X-Content-Type-Options"), "nosniff");
        assert_string_equal(header("Referrer-Policy"), "no-referrer");
        assert_string_equal(header("Cross-Origin-Opener-Policy"), "same-origin");
        assert_string_equal(header("Content-Security-Policy"),
                            "default-src 'none'; frame-ancestors 'none'");
        assert_string_equal(header("Strict-Transport-Security"), "");
        assert_int_equal(strlen(header("X-Request-Id")), 36);
        if (status < 400)
            continue;
        assert_string_equal(header("Cache-Control"), "no-store");
        assert_true(body_has(header("X-Request-Id")));
    }
    send((struct sent){.method = "GET", .path = "/health", .https = true});
    assert_string_equal(header("Strict-Transport-Security"), "max-age=31536000");
}

static void test_bodies(void **state)
{
    static char large[64 * 1024 + 2];
    const struct http_header json = {"Content-Type", "application/json; charset=\"UTF-8\""};
    const struct http_header text = {"Content-Type", "text/plain"};
    const struct http_header latin = {"Content-Type", "application/json; charset=latin1"};
    const struct http_header form = {"Content-Type", "application/x-www-form-urlencoded"};

    (void)state;
    memset(large, ' ', sizeof large - 1);
    /* An empty body is an empty object, whatever its type says. */
    assert_int_equal(send((struct sent){"POST", REGISTER, NULL, {{0}}, false, false}), 400);
    assert_true(body_has("\"validation_failed\"") && body_has("\"required\":[\"tenant_name\""));
    assert_int_equal(send((struct sent){"POST", REGISTER, "", {form}, false, false}), 400);
    assert_true(body_has("\"validation_failed\""));
    assert_int_equal(send((struct sent){"POST", REGISTER, "{}", {json}, false, false}), 400);
    assert_true(body_has("\"validation_failed\""));
    assert_int_equal(send((struct sent){"POST", REGISTER, "{", {json}, false, false}), 400);
    assert_true(body_has("\"invalid_json\""));
    assert_int_equal(send((struct sent){"POST", REGISTER, "{}", {{0}}, false, false}), 415);
    assert_int_equal(send((struct sent){"POST", REGISTER, "{}", {text}, false, false}), 415);
    assert_int_equal(send((struct sent){"POST", REGISTER, "{}", {latin}, false, false}), 415);
    assert_int_equal(send((struct sent){"POST", REGISTER, "a=b", {form}, false, false}), 415);
    assert_int_equal(send((struct sent){"POST", REGISTER, "{}", {json, text}, false, false}), 400);
    /* Size before type, type before anything else. */
    assert_int_equal(send((struct sent){"POST", REGISTER, large, {text}, false, false}), 413);
    large[64 * 1024] = '\0';
    assert_int_equal(send((struct sent){"POST", REGISTER, large, {json}, false, false}), 400);
    assert_int_equal(send((struct sent){"POST", "/nothing", large, {text}, false, false}), 404);
}

static void test_error_styles(void **state)
{
    const struct http_header json = {"Content-Type", "application/json"};

    (void)state;
    send((struct sent){"POST", "/auth/login", "{", {json}, false, false});
    assert_true(body_has("\"detail\":") && !body_has("\"message\":"));
    send((struct sent){"GET", "/users/nothing", NULL, {{0}}, false, false});
    assert_true(body_has("\"detail\":") && !body_has("\"message\":"));
    send((struct sent){"GET", "/tenants/nothing/at/all", NULL, {{0}}, false, false});
    assert_true(!body_has("\"detail\":") && body_has("\"message\":"));
    send((struct sent){"GET", "/api/v1/acme/nothing", NULL, {{0}}, false, false});
    assert_true(!body_has("\"detail\":") && !body_has("\"message\":"));
    send((struct sent){"PUT", "/api/v1/auth/login", NULL, {{0}}, false, false});
    assert_true(body_has("\"detail\":"));
}

static void test_hints_are_for_development(void **state)
{
    (void)state;
    send((struct sent){.method = "PUT", .path = "/health"});
    assert_true(body_has("\"hint\":"));
    bare.config.environment = ENV_PRODUCTION;
    send((struct sent){.method = "PUT", .path = "/health"});
    assert_false(body_has("\"hint\":"));
    bare.config.environment = ENV_DEVELOPMENT;
}

/* HT-13 */
static void test_cors(void **state)
{
    const struct http_header dev = {"Origin", "http://app.localhost:3000"};
    const struct http_header evil = {"Origin", "http://localhost.evil.example"};
    const struct http_header null = {"Origin", "null"};
    const struct http_header asks = {"Access-Control-Request-Method", "POST"};

    (void)state;
    send((struct sent){"POST", REGISTER, NULL, {dev}, false, false});
    assert_string_equal(header("Access-Control-Allow-Origin"), dev.value);
    assert_string_equal(header("Vary"), "Origin");
    assert_string_equal(header("Access-Control-Allow-Credentials"), "");
    send((struct sent){"POST", REGISTER, NULL, {evil}, false, false});
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
    assert_string_equal(header("Vary"), "Origin");
    send((struct sent){"POST", REGISTER, NULL, {null}, false, false});
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
    send((struct sent){"GET", "/health", NULL, {evil}, false, false});
    assert_string_equal(header("Access-Control-Allow-Origin"), "*");
    assert_int_equal(send((struct sent){"OPTIONS", REGISTER, NULL, {dev, asks}, false, false}),
                     204);
    assert_string_equal(header("Access-Control-Allow-Origin"), dev.value);
    assert_string_not_equal(header("Access-Control-Allow-Headers"), "");
    assert_int_equal(send((struct sent){"OPTIONS", REGISTER, NULL, {evil, asks}, false, false}),
                     204);
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
    bare.config.environment = ENV_PRODUCTION;
    send((struct sent){"POST", REGISTER, NULL, {dev}, false, false});
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
    bare.config.environment = ENV_DEVELOPMENT;
}

/* Budgets by address: a tenant that was not created costs nothing; health is never limited. */
static void test_rate_limits(void **state)
{
    (void)state;
    bare.app.limiter = limiter_new(1000);
    bare.config.limits.requests_per_minute = 3;
    bare.config.limits.tenants_per_day = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(send((struct sent){.method = "POST", .path = REGISTER}), 400);
    assert_int_equal(send((struct sent){.method = "POST", .path = REGISTER}), 429);
    assert_string_equal(header("RateLimit-Limit"), "3");
    assert_string_equal(header("RateLimit-Remaining"), "0");
    /* One fits each 20 s; a stall of the machine is taken off. */
    const char *wait = header("Retry-After");
    assert_true(strlen(wait) == 2 && strcmp(wait, "10") >= 0 && strcmp(wait, "20") <= 0);
    assert_true(body_has("\"rate_limited\""));
    assert_int_equal(send((struct sent){.method = "GET", .path = "/health"}), 200);
    limiter_free(bare.app.limiter);
    bare.app.limiter = NULL;
}

static void test_stopping_closes(void **state)
{
    (void)state;
    send((struct sent){.method = "GET", .path = "/health"});
    assert_false(res.close);
    atomic_store(&bare.app.stopping, true);
    send((struct sent){.method = "GET", .path = "/health"});
    assert_true(res.close);
    atomic_store(&bare.app.stopping, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_listeners_and_environments),
        cmocka_unit_test(test_every_answer_is_guarded),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_error_styles),
        cmocka_unit_test(test_hints_are_for_development),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_rate_limits),
        cmocka_unit_test(test_stopping_closes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
