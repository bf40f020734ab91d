/*
 * Error answers: one code becomes a status, a body in the style of the path (api.md §1) and the
 * headers that belong to it. What clients may read is decided here and nowhere else: the details of
 * 5xx codes and everything internal stay in the log.
 */
#include "app/http.h"

#include <string.h>

#include "app/app.h"
#include "app/log.h"
#include "app/page.h"
#include "app/routes.h"
#include "app/shape.h"
#include "models/tenant.h"

/* What was recorded belongs to this code only when the codes agree. */
static const struct failure *failure_of(const struct request *req, enum err code)
{
    static const struct failure none = {.code = ERR_OK};

    return req->ctx.failure.code == code ? &req->ctx.failure : &none;
}

static const char *description_of(const struct failure *failure, const struct error_info *info)
{
    return info->status < 500 && failure->detail != NULL ? failure->detail : info->sentence;
}

/* --- headers --- */

static bool sent_bearer(const struct request *req)
{
    return request_header(req, "Authorization") != NULL;
}

/* RFC 6750 §3: realm, and what was wrong where a token was sent. Values are ours or checked slugs.
 */
static void add_challenge(struct request *req, struct response *res, const struct error_info *info)
{
    const unsigned bearers = AUTH_BEARER | AUTH_KEY | AUTH_PLATFORM;
    const char *realm = req->ctx.tenant != NULL ? req->ctx.tenant->slug : "tenantd";
    struct buf text;

    if (req->route != NULL && (req->route->auth & AUTH_CLIENT) != 0 && info->status == 401) {
        const char *basic = arena_printf(req->ctx.arena, "Basic realm=\"%s\"", realm);

        if (basic != NULL)
            response_header(res, "WWW-Authenticate", basic);
        return;
    }
    if (req->route == NULL || (req->route->auth & bearers) == 0 ||
        (info->status != 401 && info->status != 403))
        return;
    buf_init(&text, req->ctx.arena, 1024);
    buf_printf(&text, "Bearer realm=\"%s\"", realm);
    if (sent_bearer(req)) {
        buf_printf(&text, ", error=\"%s\"", info->code);
        if (req->route->scope != NULL)
            buf_printf(&text, ", scope=\"%s\"", req->route->scope);
    }
    if (buf_ok(&text))
        response_header(res, "WWW-Authenticate", buf_text(&text));
}

static void add_headers(struct request *req, struct response *res, const struct failure *failure,
                        const struct error_info *info)
{
    response_no_store(res);
    add_challenge(req, res, info);
    if (info->retryable || failure->retry_after > 0) {
        int64_t seconds = failure->retry_after > 0 ? failure->retry_after : 1;
        char *text = arena_printf(req->ctx.arena, "%lld", (long long)seconds);
        response_header(res, "Retry-After", text != NULL ? text : "1");
    }
}

/* --- JSON --- */

enum style { STYLE_PLAIN = 1, STYLE_DETAIL, STYLE_MESSAGE };

static bool is_below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Paths of document 001 repeat the sentence in "detail", those of 003 have the plain body, all
 * others repeat it in "message" as document 004 does. */
static enum style style_of(const struct request *req)
{
    const char *path = req->routed_path != NULL ? req->routed_path : "/";

    if (is_below(path, "/auth") || is_below(path, "/users"))
        return STYLE_DETAIL;
    if (is_below(path, "/api/v1") &&
        (req->route == NULL || strncmp(req->route->path, "/api/v1/{cid}", 13) == 0))
        return STYLE_PLAIN;
    return STYLE_MESSAGE;
}

static void add_required(struct buf *out, const struct failure *failure)
{
    buf_puts(out, ",\"required\":[");
    for (size_t i = 0; i < failure->required_count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        buf_json_string(out, failure->required[i], strlen(failure->required[i]));
    }
    buf_putc(out, ']');
}

/* Held by the ctx of a request; tests may run without an app. */
static const struct config *config_of(const struct request *req)
{
    return req->ctx.app != NULL ? app_config(req->ctx.app) : NULL;
}

static void add_plan_limit(struct request *req, struct buf *out, const struct failure *failure)
{
    const struct config *config = config_of(req);

    buf_printf(out, ",\"limit\":%lld,\"usage\":%lld", (long long)failure->limit,
               (long long)failure->usage);
    buf_member_text(out, "upgrade_url", config != NULL ? config->tenants.upgrade_url : NULL);
}

static void add_items(struct buf *out, const struct failure *failure)
{
    buf_puts(out, ",\"errors\":[");
    for (size_t i = 0; i < failure->item_count; i++) {
        const struct shape_failure *item = &failure->items[i];

        buf_puts(out, i > 0 ? ",{\"pointer\":" : "{\"pointer\":");
        buf_json_string(out, item->pointer, strlen(item->pointer));
        buf_member_text(out, "keyword", item->keyword);
        buf_member_text(out, "message", item->message);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void write_json(struct request *req, struct response *res, const struct failure *failure,
                       const struct error_info *info)
{
    const char *description = description_of(failure, info);
    enum style style = style_of(req);
    struct buf *out = &res->body;

    buf_puts(out, "{\"error\":\"");
    buf_puts(out, info->code);
    buf_putc(out, '"');
    buf_member_text(out, "error_description", description);
    buf_member_text(out, "request_id", req->ctx.request_id);
    if (style == STYLE_DETAIL)
        buf_member_text(out, "detail", description);
    if (style == STYLE_MESSAGE)
        buf_member_text(out, "message", description);
    if (failure->field != NULL && info->status < 500)
        buf_member_text(out, "field", failure->field);
    if (failure->required_count > 0)
        add_required(out, failure);
    if (failure->item_count > 0)
        add_items(out, failure);
    if (failure->code == ERR_PLAN_LIMIT)
        add_plan_limit(req, out, failure);
    if (failure->internal != NULL && req->ctx.app != NULL && app_is_development(req->ctx.app))
        buf_member_text(out, "hint", failure->internal);
    buf_putc(out, '}');
    res->content_type = "application/json";
}

/* --- pages --- */

/* Links of the page keep the tenant that the path named. On the host of a tenant that does not
 * exist every page is an error, so they lead away from it. */
static const char *prefix_of(struct request *req, enum err code)
{
    const struct config *config = config_of(req);
    const char *prefix = NULL;

    if (req->ctx.tenant != NULL && req->hint == HINT_PATH)
        prefix = arena_printf(req->ctx.arena, "/t/%s", req->ctx.tenant->slug);
    if (code == ERR_TENANT_NOT_FOUND && req->path_tenant == NULL && config != NULL)
        prefix = config->server.public_url;
    return prefix != NULL ? prefix : "";
}

static bool write_page(struct request *req, struct response *res, const struct failure *failure,
                       enum err code)
{
    const struct error_info *info = error_info(code);
    const bool is_development = req->ctx.app != NULL && app_is_development(req->ctx.app);
    const struct tenant *tenant = req->ctx.tenant;
    const struct template_var vars[] = {
        {.name = "status", .text = arena_printf(req->ctx.arena, "%d", info->status)},
        {.name = "message", .text = description_of(failure, info)},
        {.name = "request-id", .text = req->ctx.request_id},
        {.name = "hint", .text = is_development ? failure->internal : NULL},
    };
    const struct page page = {
        .template_name = "error",
        .title = page_status_title(info->status),
        .brand = tenant != NULL ? tenant->name : NULL,
        .slug = tenant != NULL ? tenant->slug : NULL,
        .prefix = prefix_of(req, code),
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };
    const struct failure recorded = req->ctx.failure;

    if (page_render(&req->ctx, &page, &res->body) == ERR_OK && buf_ok(&res->body)) {
        res->content_type = "text/html; charset=utf-8";
        return true;
    }
    log_event(LOG_ERROR, "error_page_failed", "request_id", req->ctx.request_id, "reason",
              req->ctx.failure.internal, NULL);
    req->ctx.failure = recorded;
    return false;
}

static void write_plain(struct request *req, struct response *res, const struct failure *failure,
                        const struct error_info *info)
{
    buf_init(&res->body, req->ctx.arena, HTTP_MAX_RESPONSE);
    buf_printf(&res->body, "%d %s\nRequest %s\n", info->status, description_of(failure, info),
               req->ctx.request_id);
    res->content_type = "text/plain; charset=utf-8";
}

static bool wants_page(const struct request *req)
{
    if (req->route != NULL)
        return (req->route->flags & ROUTE_PAGE) != 0 && !request_wants_json_only(req);
    return request_accepts_html(req);
}

void respond_error(struct request *req, struct response *res, enum err code)
{
    const struct error_info *info = error_info(code);
    const struct failure *failure = failure_of(req, code);

    buf_init(&res->body, req->ctx.arena, HTTP_MAX_RESPONSE);
    res->status = info->status;
    add_headers(req, res, failure, info);
    if (!wants_page(req))
        write_json(req, res, failure, info);
    else if (!write_page(req, res, failure, code))
        write_plain(req, res, failure, info);
    if (buf_ok(&res->body))
        return;
    /* Even without memory the client gets an answer. */
    res->status = 503;
    res->body = (struct buf){.arena = req->ctx.arena};
    res->content_type = NULL;
}
