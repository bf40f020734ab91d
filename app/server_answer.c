/* Writing answers. */
#include "app/server_internal.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"

#define ONE_WRITE ((size_t)64 * 1024) /* copying up to this is cheaper than a second packet */

/* IMF-fixdate, made once a second. */
static const char *date_of(struct worker *worker)
{
    time_t now = (time_t)(clock_now_ms() / 1000);
    struct tm parts;

    if (now != worker->date_second && gmtime_r(&now, &parts) != NULL) {
        strftime(worker->date, sizeof worker->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        worker->date_second = now;
    }
    return worker->date;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void add_header(struct buf *out, const char *name, const char *value)
{
    buf_puts(out, name);
    buf_add(out, ": ", 2);
    buf_puts(out, value);
    buf_add(out, "\r\n", 2);
}

void server_write_head(struct mg_connection *connection, struct worker *worker, struct buf *out,
                       const struct response *res)
{
    buf_puts(out, "HTTP/1.1 ");
    buf_int(out, res->status);
    buf_putc(out, ' ');
    buf_puts(out, mg_get_response_code_text(connection, res->status));
    buf_add(out, "\r\n", 2);
    add_header(out, "Date", date_of(worker));
    if (res->content_type != NULL)
        add_header(out, "Content-Type", res->content_type);
    if (!has_no_body(res->status) && res->stream.more == NULL) {
        buf_puts(out, "Content-Length: ");
        buf_int(out, (int64_t)res->body.size);
        buf_add(out, "\r\n", 2);
    }
    for (size_t i = 0; i < res->header_count; i++)
        add_header(out, res->headers[i].name, res->headers[i].value);
    add_header(out, "Connection", res->close ? "close" : "keep-alive");
    buf_add(out, "\r\n", 2);
}

void server_answer(struct mg_connection *connection, struct worker *worker,
                   const struct request *req, const struct response *res)
{
    bool with_body = !req->head_only && !has_no_body(res->status) && res->body.size > 0;
    bool in_one = with_body && res->body.size <= ONE_WRITE;
    struct buf out;

    server_phase(worker, PHASE_ANSWER,
                 clock_monotonic_ms() + app_config(worker->server->app)->server.body_timeout_ms);
    buf_init(&out, &worker->arena, HTTP_MAX_RESPONSE);
    server_write_head(connection, worker, &out, res);
    if (in_one)
        buf_add(&out, res->body.data, res->body.size);
    /* Without memory for a head there is nothing to say; closing says it. */
    if (!buf_ok(&out)) {
        mg_disable_connection_keep_alive(connection);
        return;
    }
    if (mg_write(connection, out.data, out.size) == (int)out.size && with_body && !in_one)
        mg_write(connection, res->body.data, res->body.size);
}
