/* One JSON line per request. Never a query (it may hold a token), a body or a credential. */
#include "middleware/middleware.h"

#include <string.h>

#include "app/clock.h"
#include "app/log.h"
#include "app/routes.h"
#include "models/tenant.h"

#define MAX_LINE       ((size_t)8 * 1024)
#define MAX_PATH       1024
#define MAX_REQUEST_ID 64

static void add_text(struct buf *line, const char *name, const char *text)
{
    if (text == NULL)
        return;
    buf_puts(line, ",\"");
    buf_puts(line, name);
    buf_puts(line, "\":");
    buf_json_string(line, text, strnlen(text, MAX_PATH));
}

static void add_number(struct buf *line, const char *name, int64_t number)
{
    buf_puts(line, ",\"");
    buf_puts(line, name);
    buf_puts(line, "\":");
    buf_int(line, number);
}

static void add_id(struct buf *line, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    if (uuid_is_zero(id))
        return;
    uuid_text(id, text);
    add_text(line, name, text);
}

static const char *method_text(const struct request *req)
{
    if (req->head_only)
        return "HEAD";
    switch (req->method) {
    case GET:
        return "GET";
    case POST:
        return "POST";
    case PUT:
        return "PUT";
    case PATCH:
        return "PATCH";
    case DELETE:
        return "DELETE";
    case HEAD:
        return "HEAD";
    case OPTIONS:
        return "OPTIONS";
    case METHOD_UNSET:
        break;
    }
    return "other";
}

/* The id that a client or proxy gave: useful to find its line, never trusted. */
static const char *clients_id(const struct request *req)
{
    static const char safe[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";
    const char *id = request_header(req, "X-Request-Id");

    if (id == NULL || id[0] == '\0' || strlen(id) > MAX_REQUEST_ID || id[strspn(id, safe)] != '\0')
        return NULL;
    return id;
}

static void add_failure(struct buf *line, const struct request *req)
{
    const struct failure *failure = &req->ctx.failure;

    add_text(line, "error", error_info(failure->code)->code);
    add_text(line, "field", failure->field);
    add_text(line, "detail", failure->internal);
}

void mw_access_log(const struct request *req, const struct response *res)
{
    enum log_level level = res->status >= 500 ? LOG_ERROR : LOG_INFO;
    int64_t micros = clock_monotonic_us() - req->started_us;
    char now[TIME_TEXT_SIZE];
    struct buf line;

    if (!log_enabled(level))
        return;
    buf_init(&line, req->ctx.arena, MAX_LINE);
    time_text(clock_now_ms(), now);
    buf_puts(&line, "{\"ts\":\"");
    buf_puts(&line, now);
    buf_puts(&line, level == LOG_ERROR ? "\",\"level\":\"error\"" : "\",\"level\":\"info\"");
    buf_puts(&line, ",\"event\":\"request\"");
    add_text(&line, "request_id", req->ctx.request_id);
    add_text(&line, "client_request_id", clients_id(req));
    add_text(&line, "method", method_text(req));
    add_text(&line, "route", req->route != NULL ? req->route->path : NULL);
    /* A link in a mail carries its token in the path. */
    if (req->route == NULL || strstr(req->route->path, "{token}") == NULL)
        add_text(&line, "path", req->path);
    add_number(&line, "status", res->status);
    buf_puts(&line, ",\"ms\":");
    buf_int(&line, micros / 1000);
    buf_putc(&line, '.');
    buf_putc(&line, (char)('0' + micros / 100 % 10));
    buf_putc(&line, (char)('0' + micros / 10 % 10));
    add_number(&line, "bytes", res->streamed > 0 ? res->streamed : (int64_t)res->body.size);
    if (res->cut)
        buf_puts(&line, ",\"cut\":true");
    add_text(&line, "ip", req->ctx.ip);
    add_text(&line, "tenant", req->ctx.tenant != NULL ? req->ctx.tenant->slug : NULL);
    add_id(&line, "user_id", &req->ctx.who.user_id);
    add_id(&line, "key_id", &req->ctx.who.key_id);
    if ((res->status >= 400 || res->cut) && req->ctx.failure.code != ERR_OK)
        add_failure(&line, req);
    buf_putc(&line, '}');
    const char *text = buf_text(&line);
    log_line(text != NULL ? text : "{\"level\":\"warn\",\"event\":\"request_line_too_long\"}");
}
