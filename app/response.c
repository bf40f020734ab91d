/* What handlers and middleware answer with (the answering half of app/http.h; errors:
 * http_error.c). */
#include "app/http.h"

#include <string.h>
#include <strings.h>

#include "app/log.h"
#include "app/routes.h"

#define JSON_TYPE "application/json"

void response_init(struct response *res, struct arena *arena)
{
    memset(res, 0, sizeof *res);
    buf_init(&res->body, arena, HTTP_MAX_RESPONSE);
}

/* --- headers --- */

/* Headers that may stand there several times. */
static bool is_list(const char *name)
{
    return strcasecmp(name, "Set-Cookie") == 0 || strcasecmp(name, "Vary") == 0 ||
           strcasecmp(name, "WWW-Authenticate") == 0;
}

static struct http_header *find_header(struct response *res, const char *name)
{
    for (size_t i = 0; i < res->header_count; i++) {
        if (strcasecmp(res->headers[i].name, name) == 0)
            return &res->headers[i];
    }
    return NULL;
}

void response_header(struct response *res, const char *name, const char *value)
{
    struct http_header *header;

    if (value == NULL || strpbrk(value, "\r\n") != NULL) {
        log_event(LOG_ERROR, "response_header_refused", "header", name, NULL);
        return;
    }
    header = is_list(name) ? NULL : find_header(res, name);
    if (header == NULL && res->header_count == HTTP_MAX_RESPONSE_HEADERS) {
        log_event(LOG_ERROR, "response_header_dropped", "header", name, NULL);
        return;
    }
    if (header == NULL)
        header = &res->headers[res->header_count++];
    *header = (struct http_header){.name = name, .value = value};
}

static void header_default(struct response *res, const char *name, const char *value)
{
    if (find_header(res, name) == NULL)
        response_header(res, name, value);
}

void response_no_store(struct response *res)
{
    response_header(res, "Cache-Control", "no-store");
}

/* --- answers --- */

enum err respond_sized(struct request *req, struct response *res, int status,
                       const void *struct_ptr, size_t size)
{
    const struct schema *schema = req->route != NULL ? req->route->out : NULL;

    if (schema == NULL || schema->size != size)
        return fail_internal(&req->ctx, ERR_INTERNAL,
                             "the answer's struct is not the row's schema");
    buf_init(&res->body, req->ctx.arena, HTTP_MAX_RESPONSE);
    schema_to_json(schema, struct_ptr, &res->body);
    if (!buf_ok(&res->body))
        return fail_internal(&req->ctx, ERR_MEMORY, "the answer is too large");
    res->status = status;
    res->content_type = JSON_TYPE;
    return ERR_OK;
}

static enum err build_early(struct ctx *ctx, void *arg)
{
    struct request *req = arg;

    (void)ctx; /* the request's own */
    return req->early.build(req, req->early.res, req->early.arg);
}

void respond_within(struct request *req, struct response *res, answer_fn build, void *arg)
{
    req->early = (struct early_answer){
        .hook = {.run = build_early, .arg = req}, .res = res, .build = build, .arg = arg};
    db_before_commit(&req->ctx, &req->early.hook);
}

enum err respond_empty(struct response *res, int status)
{
    buf_init(&res->body, res->body.arena, HTTP_MAX_RESPONSE);
    res->status = status;
    res->content_type = NULL;
    return ERR_OK;
}

enum err respond_redirect(struct request *req, struct response *res, const char *location)
{
    if (location == NULL || strpbrk(location, "\r\n \t\\") != NULL)
        return fail_internal(&req->ctx, ERR_INTERNAL, "a redirect has no valid location");
    response_header(res, "Location", location);
    return respond_empty(res, 303);
}

enum err respond_text(struct response *res, int status, const char *content_type, const char *text,
                      size_t length)
{
    buf_init(&res->body, res->body.arena, HTTP_MAX_RESPONSE);
    buf_add(&res->body, text, length);
    if (!buf_ok(&res->body))
        return ERR_MEMORY;
    res->status = status;
    res->content_type = content_type;
    return ERR_OK;
}

/* --- cookies --- */

/* RFC 6265 §4.1.1: visible ASCII without quote, comma, semicolon and backslash. */
static bool is_cookie_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= 0x20 || *text >= 0x7f || strchr("\",;\\", *text) != NULL)
            return false;
    }
    return true;
}

enum err response_cookie(struct request *req, struct response *res, const struct cookie *cookie)
{
    struct buf text;

    if (!is_cookie_text(cookie->name) || !is_cookie_text(cookie->value) ||
        !is_cookie_text(cookie->path) || cookie->name[0] == '\0')
        return fail_internal(&req->ctx, ERR_INTERNAL, "a cookie holds what no cookie may hold");
    buf_init(&text, req->ctx.arena, 4096);
    buf_printf(&text, "%s=%s; Path=%s", cookie->name, cookie->value, cookie->path);
    if (cookie->max_age >= 0)
        buf_printf(&text, "; Max-Age=%lld", (long long)cookie->max_age);
    if (cookie->max_age == 0)
        buf_puts(&text, "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    buf_printf(&text, "; HttpOnly; SameSite=%s%s", cookie->strict ? "Strict" : "Lax",
               cookie->secure ? "; Secure" : "");
    if (!buf_ok(&text))
        return fail_internal(&req->ctx, ERR_INTERNAL, "a cookie is longer than 4096 bytes");
    response_header(res, "Set-Cookie", buf_text(&text));
    /* An answer with a credential is nobody else's. */
    response_no_store(res);
    return ERR_OK;
}

/* --- what every answer carries --- */

static bool is_html(const struct response *res)
{
    return res->content_type != NULL && strncmp(res->content_type, "text/html", 9) == 0;
}

static void add_page_headers(struct response *res)
{
    header_default(res, "Content-Security-Policy",
                   "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
                   "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                   "frame-ancestors 'none'");
    header_default(res, "Referrer-Policy", "same-origin");
    header_default(res, "Cross-Origin-Resource-Policy", "same-origin");
    header_default(res, "Cache-Control", "no-store");
}

static void add_data_headers(struct response *res)
{
    bool is_shared = find_header(res, "Access-Control-Allow-Origin") != NULL;

    header_default(res, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    header_default(res, "Referrer-Policy", "no-referrer");
    header_default(res, "Cross-Origin-Resource-Policy", is_shared ? "cross-origin" : "same-origin");
}

void response_finish(struct request *req, struct response *res)
{
    bool is_page = is_html(res) || (req->route != NULL && (req->route->flags & ROUTE_PAGE) != 0);

    if (req->route != NULL && (req->route->flags & ROUTE_NO_STORE) != 0)
        header_default(res, "Cache-Control", "no-store");
    response_header(res, "X-Request-Id", req->ctx.request_id);
    response_header(res, "X-Content-Type-Options", "nosniff");
    response_header(res, "Cross-Origin-Opener-Policy", "same-origin");
    if (is_page)
        add_page_headers(res);
    else
        add_data_headers(res);
    if (req->https)
        response_header(res, "Strict-Transport-Security", "max-age=31536000");
}
