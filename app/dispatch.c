/*
 * The pipeline. The order of the steps is that of api.md §10 "Order of checks": what comes first
 * decides which error a request with several faults gets, and nothing costly runs before what is
 * cheap.
 */
#include "app/dispatch.h"

#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/form.h"
#include "app/json.h"
#include "app/metrics.h"
#include "app/router.h"
#include "app/stream.h"
#include "middleware/idempotency.h"
#include "middleware/middleware.h"
#include "middleware/rate.h"

/* After routing and reading the body; cors runs before, so that errors carry its headers too. */
static const middleware_fn steps[] = {
    mw_tenant, mw_rate_address, mw_authenticate, mw_rate_key, mw_authorize, mw_csrf,
};

static const struct method_name {
    const char *name;
    enum method method;
} method_names[] = {
    {"GET", GET},       {"POST", POST}, {"PUT", PUT},         {"PATCH", PATCH},
    {"DELETE", DELETE}, {"HEAD", HEAD}, {"OPTIONS", OPTIONS},
};

#define METHOD_COUNT (sizeof method_names / sizeof method_names[0])
#define ALL_METHODS  ((unsigned)(GET | POST | PUT | PATCH | DELETE))

/* --- method and route --- */

static enum method find_method(const char *name)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(method_names[i].name, name) == 0)
            return method_names[i].method;
    }
    return METHOD_UNSET;
}

static enum method lowest_method(unsigned methods)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if ((methods & (unsigned)method_names[i].method) != 0)
            return method_names[i].method;
    }
    return METHOD_UNSET;
}

/* Sets Allow; its text, or NULL without memory. */
static const char *set_allow(struct request *req, struct response *res, unsigned methods)
{
    struct buf text;

    if ((methods & GET) != 0)
        methods |= HEAD;
    methods |= OPTIONS;
    buf_init(&text, req->ctx.arena, 128);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if ((methods & (unsigned)method_names[i].method) == 0)
            continue;
        buf_puts(&text, text.size > 0 ? ", " : "");
        buf_puts(&text, method_names[i].name);
    }
    if (buf_ok(&text))
        response_header(res, "Allow", buf_text(&text));
    return buf_text(&text);
}

static bool is_probe(const struct route *route)
{
    return strcmp(route->path, "/health") == 0 || strcmp(route->path, "/ready") == 0;
}

/* Rows that are not there on this listener or in this environment are 404 like any other path. */
static bool is_available(const struct request *req)
{
    unsigned flags = req->route->flags;

    if (req->internal)
        return (flags & ROUTE_INTERNAL) != 0 || is_probe(req->route);
    if ((flags & ROUTE_INTERNAL) != 0)
        return false;
    return (flags & ROUTE_DEV_ONLY) == 0 || app_is_development(req->ctx.app);
}

static enum err not_found(struct request *req)
{
    req->route = NULL;
    fail_clear(&req->ctx);
    return fail_internal(&req->ctx, ERR_NOT_FOUND,
                         "no route is %.200s; GET /openapi.json lists all of them", req->path);
}

static enum err method_missing(struct request *req, struct response *res, unsigned allowed)
{
    const char *allow = set_allow(req, res, allowed);

    req->route = NULL;
    return fail_internal(&req->ctx, ERR_METHOD, "what this path answers: %s",
                         allow != NULL ? allow : "see Allow");
}

/* The path exists without this method. For OPTIONS it is matched by the method that a preflight
 * asks for, so that cors knows the row. */
static enum err match_other_method(struct request *req, struct response *res, const char *raw_path,
                                   unsigned allowed)
{
    const char *asked = request_header(req, "Access-Control-Request-Method");
    enum method wanted =
        req->method == OPTIONS && asked != NULL ? find_method(asked) : METHOD_UNSET;
    unsigned unused;

    if (((unsigned)wanted & allowed) == 0)
        wanted = lowest_method(allowed);
    fail_clear(&req->ctx);
    TRY(router_match(req, raw_path, wanted, &unused));
    if (!is_available(req))
        return not_found(req);
    if (req->method != OPTIONS)
        return method_missing(req, res, allowed);
    set_allow(req, res, allowed);
    return ERR_OK;
}

static enum err match_route(struct request *req, struct response *res,
                            const struct dispatch_input *input)
{
    unsigned allowed;

    req->path = req->routed_path = input->raw_path;
    req->method = find_method(input->method);
    if (req->method == METHOD_UNSET)
        return method_missing(req, res, ALL_METHODS);
    req->head_only = req->method == HEAD;
    if (req->head_only)
        req->method = GET;

    enum err matched = router_match(req, input->raw_path, req->method, &allowed);
    if (matched == ERR_METHOD)
        return match_other_method(req, res, input->raw_path, allowed);
    if (matched == ERR_NOT_FOUND)
        return not_found(req);
    TRY(matched);
    return is_available(req) ? ERR_OK : not_found(req);
}

/* In production nothing but a probe is answered over plain http: a trusted proxy says that the
 * client came by https (R004-55). */
static enum err check_scheme(struct request *req)
{
    if (req->https || req->internal || app_is_development(req->ctx.app) || is_probe(req->route))
        return ERR_OK;
    return fail_internal(&req->ctx, ERR_HTTPS_REQUIRED,
                         "the request came from %s, and server.trusted_proxies or its "
                         "X-Forwarded-Proto did not make it https",
                         req->peer);
}

/* --- body --- */

enum media { MEDIA_NONE = 1, MEDIA_JSON, MEDIA_MERGE_PATCH, MEDIA_FORM, MEDIA_LINES, MEDIA_OTHER };

/* The only parameter that matters is charset, and there is only one of those. */
static bool is_utf8_or_unsaid(const char *parameters)
{
    const char *charset = strcasestr(parameters, "charset=");

    if (charset == NULL)
        return true;
    charset += strlen("charset=");
    if (*charset == '"')
        charset++;
    return strncasecmp(charset, "utf-8", 5) == 0;
}

static enum media media_of(const struct request *req)
{
    static const struct {
        const char *type;
        enum media media;
    } known[] = {
        {"application/json", MEDIA_JSON},
        {"application/merge-patch+json", MEDIA_MERGE_PATCH},
        {"application/x-www-form-urlencoded", MEDIA_FORM},
        {"application/x-ndjson", MEDIA_LINES},
    };
    const char *type = request_header(req, "Content-Type");

    if (type == NULL || type[0] == '\0')
        return MEDIA_NONE;
    size_t length = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (length == strlen(known[i].type) && strncasecmp(type, known[i].type, length) == 0)
            return is_utf8_or_unsaid(type + length) ? known[i].media : MEDIA_OTHER;
    }
    return MEDIA_OTHER;
}

static bool takes(enum body_rule rule, enum media media)
{
    switch (rule) {
    case BODY_JSON:
        return media == MEDIA_JSON;
    case BODY_FORM:
        return media == MEDIA_FORM;
    case BODY_JSON_OR_FORM:
        return media == MEDIA_JSON || media == MEDIA_FORM;
    case BODY_MERGE_PATCH:
        return media == MEDIA_JSON || media == MEDIA_MERGE_PATCH;
    case BODY_LINES:
        return media == MEDIA_LINES;
    case BODY_NONE:
        return true;
    case BODY_UNSET:
        break;
    }
    return false;
}

static enum err refuse_media(struct request *req)
{
    static const char *const wanted[] = {
        [BODY_JSON] = "application/json",
        [BODY_FORM] = "application/x-www-form-urlencoded",
        [BODY_JSON_OR_FORM] = "application/json or application/x-www-form-urlencoded",
        [BODY_MERGE_PATCH] = "application/merge-patch+json or application/json",
        [BODY_LINES] = "application/x-ndjson",
    };

    return fail(&req->ctx, ERR_MEDIA_TYPE, NULL, "This route takes the content type %s in UTF-8.",
                wanted[req->route->body]);
}

/* What was read whole, as the only part of itself. */
static enum err give_whole(struct request *req, void *arg, struct bytes *ret_part)
{
    (void)arg;
    *ret_part = (struct bytes){.data = (const uint8_t *)req->body, .size = req->body_size};
    req->body_size = 0;
    return ERR_OK;
}

/* The size comes before the type; a body of no bytes has no type to be wrong. */
static enum err read_body(struct request *req, const struct dispatch_input *input)
{
    size_t cap = req->route->body_cap;

    if (req->route->body == BODY_LINES && input->read_part != NULL) {
        req->parts = (struct body_parts){.next = input->read_part, .arg = input->read_arg};
        return ERR_OK;
    }
    if (input->read_body != NULL)
        TRY(input->read_body(req, cap, input->read_arg));
    if (req->body_size > cap)
        return fail(&req->ctx, ERR_TOO_LARGE, NULL, "The body may have at most %zu bytes.", cap);
    if (req->route->body == BODY_LINES)
        req->parts = (struct body_parts){.next = give_whole};
    return ERR_OK;
}

static bool has_body(const struct request *req)
{
    const char *length = request_header(req, "Content-Length");

    if (req->route->body != BODY_LINES || req->body_size > 0)
        return req->body_size > 0;
    return request_header(req, "Transfer-Encoding") != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static enum err check_media(struct request *req)
{
    if (request_header_count(req, "Content-Type") > 1)
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "Content-Type stands there more than once.");
    if (has_body(req) && !takes(req->route->body, media_of(req)))
        return refuse_media(req);
    return ERR_OK;
}

static enum err parse_body(struct request *req)
{
    struct value *value;

    if (routes_take_query(req->route) || req->body_size == 0)
        return ERR_OK;
    value = ARENA_NEW(req->ctx.arena, struct value);
    if (value == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a body");
    if (media_of(req) == MEDIA_FORM)
        TRY(form_parse(&req->ctx, req->body, req->body_size, value));
    else
        TRY(json_parse(&req->ctx, req->body, req->body_size, value));
    req->input = value;
    return ERR_OK;
}

/* --- the walk --- */

/* What was refused while memory was out may have been refused for what could not be read. */
static enum err blame(struct request *req, enum err code, int status)
{
    if (!req->ctx.arena->ran_out || status >= 500)
        return code;
    return fail_internal(&req->ctx, ERR_MEMORY, "refused with %d after memory had run out", status);
}

static enum err call_once(struct request *req, struct response *res)
{
    size_t headers = res->header_count;
    enum err code = req->route->handler(req, res);

    if (code == ERR_OK && res->status == 0)
        code = fail_internal(&req->ctx, ERR_INTERNAL, "the handler gave no answer");
    /* A page that says what was wrong with a form says so of what it could not read, too. */
    if (code == ERR_OK && res->status >= 400)
        code = blame(req, code, res->status);
    /* Cookies and the like of a success that did not come about. */
    if (code != ERR_OK) {
        res->header_count = headers;
        stream_end(req, res);
    }
    return code;
}

static enum err call_handler(struct request *req, struct response *res)
{
    TRY(idempotency_begin(req, res));
    if (res->status != 0)
        return ERR_OK;
    return idempotency_end(req, res, call_once(req, res));
}

static enum err walk(struct request *req, struct response *res, const struct dispatch_input *input)
{
    TRY(mw_request_id(req, res));
    TRY(match_route(req, res, input));
    TRY(check_scheme(req));
    TRY(mw_cors(req, res));
    if (res->status != 0)
        return ERR_OK;
    if (req->method == OPTIONS)
        return respond_empty(res, 204);
    TRY(read_body(req, input));
    TRY(check_media(req));
    req->ctx.deadline = clock_monotonic_ms() + app_config(req->ctx.app)->server.request_timeout_ms;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        TRY(steps[i](req, res));
    TRY(parse_body(req));
    TRY(mw_client(req, res));
    return call_handler(req, res);
}

static void record(const struct request *req, const struct response *res)
{
    metric_request(req->ctx.app->metrics, route_index(req->route), res->status,
                   clock_monotonic_us() - req->started_us);
    mw_access_log(req, res);
}

static void finish(struct request *req, struct response *res)
{
    struct app *app = req->ctx.app;

    mw_cors_answer(req, res);
    response_finish(req, res);
    if (atomic_load_explicit(&app->stopping, memory_order_relaxed))
        res->close = true;
    if (res->stream.more == NULL)
        record(req, res);
}

static void begin(struct request *req, struct response *res)
{
    response_init(res, req->ctx.arena);
    req->rate_left = INT64_MAX;
    if (req->started_us == 0)
        req->started_us = clock_monotonic_us();
}

void dispatch(struct request *req, struct response *res, const struct dispatch_input *input)
{
    begin(req, res);
    enum err code = walk(req, res, input);
    if (code != ERR_OK) {
        code = blame(req, code, error_info(code)->status);
        mw_refused(req, code);
        respond_error(req, res, code);
    }
    if (req->ctx.app->limiter != NULL)
        rate_settle_create(req, res);
    finish(req, res);
}

void dispatch_refuse(struct request *req, struct response *res, enum err code)
{
    begin(req, res);
    /* Without an id the answer carries "-": a refusal must not fail. */
    if (mw_request_id(req, res) != ERR_OK)
        fail_clear(&req->ctx);
    metric_add(req->ctx.app->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    respond_error(req, res, code);
    res->close = true;
    finish(req, res);
}

void dispatch_streamed(struct request *req, struct response *res)
{
    record(req, res);
}
