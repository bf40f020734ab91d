/*
 * CivetWeb's callbacks: from a connection to a request and back. begin_request always answers and
 * returns a status, so that nothing of CivetWeb beyond its parser and sockets is ever reached.
 */
#include "app/server_internal.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/dispatch.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/proxy.h"
#include "app/text.h"

/* --- threads and connections --- */

void *server_init_thread(const struct mg_context *context, int type)
{
    const struct listener *listener = mg_get_user_data(context);
    struct server *server = listener->server;

    if (type != 1)
        return NULL;
    size_t number = atomic_fetch_add(&server->workers_taken, 1);
    return number < server->worker_count ? &server->workers[number] : NULL;
}

void server_exit_thread(const struct mg_context *context, int type, void *arg)
{
    struct worker *worker = arg;

    (void)context;
    if (type == 1 && worker != NULL)
        arena_clear(&worker->arena);
}

int server_init_connection(const struct mg_connection *connection, void **data)
{
    struct worker *worker = mg_get_thread_pointer(connection);
    const struct listener *listener = mg_get_user_context_data(connection);
    struct server *server = worker->server;

    (void)data;
    /* CivetWeb's own time-out bounds the first head: whose it is, it tells only with the first
     * request (see meet). */
    server_phase(worker, PHASE_NONE, 0);
    worker->counted = !listener->internal;
    if (worker->counted) {
        atomic_fetch_add(&server->connections, 1);
        metric_add(server->app->metrics, METRIC_CONNECTIONS, 1);
    }
    return 0;
}

/* The first request of a connection: from here on the watchdog can find its socket. */
static void meet(struct worker *worker, const struct mg_request_info *info)
{
    if (worker->open)
        return;
    pthread_mutex_lock(&worker->server->lock);
    worker->open = true;
    snprintf(worker->peer, sizeof worker->peer, "%s", info->remote_addr);
    worker->peer_port = info->remote_port;
    worker->local_port = info->server_port;
    pthread_mutex_unlock(&worker->server->lock);
}

/* Before the socket is closed, so that the watchdog never sees another's descriptor. */
void server_connection_close(const struct mg_connection *connection)
{
    struct worker *worker = mg_get_thread_pointer(connection);
    struct server *server = worker->server;

    pthread_mutex_lock(&server->lock);
    worker->open = false;
    pthread_mutex_unlock(&server->lock);
    server_phase(worker, PHASE_NONE, 0);
    if (worker->counted) {
        worker->counted = false;
        atomic_fetch_sub(&server->connections, 1);
        metric_add(server->app->metrics, METRIC_CONNECTIONS, -1);
    }
}

int server_log_message(const struct mg_connection *connection, const char *message)
{
    (void)connection;
    log_event(LOG_DEBUG, "civetweb", "message", message, NULL);
    return 1;
}

/* --- the request --- */

/* A value without blanks behind it, and valid UTF-8: strings from outside are text. */
static const char *clean_value(struct arena *arena, const char *value)
{
    size_t length = strlen(value);
    size_t kept = length;
    bool is_ascii = true;
    char *copy;

    while (kept > 0 && (value[kept - 1] == ' ' || value[kept - 1] == '\t'))
        kept--;
    for (size_t i = 0; i < kept && is_ascii; i++)
        is_ascii = (unsigned char)value[i] < 0x80;
    if (kept == length && (is_ascii || text_is_utf8(value, length)))
        return value;
    copy = arena_strndup(arena, value, kept);
    if (copy != NULL && !text_is_utf8(copy, kept)) {
        for (size_t i = 0; i < kept; i++) {
            if ((unsigned char)copy[i] >= 0x80)
                copy[i] = '?';
        }
    }
    return copy;
}

static void begin(struct mg_connection *connection, struct worker *worker, struct request *req)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct listener *listener = mg_get_user_context_data(connection);

    server_phase(worker, PHASE_NONE, 0);
    meet(worker, info);
    atomic_fetch_add(&worker->server->in_flight, 1);
    memset(req, 0, sizeof *req);
    ctx_init(&req->ctx, worker->server->app, &worker->arena);
    req->started_us = clock_monotonic_us();
    req->internal = listener->internal;
    req->peer = req->ctx.ip = info->remote_addr;
    req->path = req->routed_path = "/";
    req->host = req->authority = "";
}

#define MAX_SKIPPED 3 /* one more than a line end */

/* Where the head begins: CivetWeb skips white space before the method without telling, and later
 * takes as many bytes of this request for the next one. What it skipped still stands before the
 * method. At the very start of its buffer there is the size that malloc keeps there instead
 * (glibc's and the sanitizers'), whose last byte is 0. */
__attribute__((no_sanitize("address"))) static const char *find_start(const char *method)
{
    const char *start = method;

    while (method - start < MAX_SKIPPED &&
           (start[-1] == ' ' || (start[-1] >= '\t' && start[-1] <= '\r')))
        start--;
    return start;
}

static enum err check_gate(const struct mg_request_info *info, struct request *req,
                           struct gate_result *gate)
{
    const char *start = find_start(info->request_method);
    const char *reason = NULL;

    for (int i = 0; i < info->num_headers && i < HTTP_MAX_HEADERS; i++) {
        req->headers[i].name = info->http_headers[i].name;
        req->headers[i].value = info->http_headers[i].value;
    }
    struct gate_head head = {
        .start = start,
        .limit = start + SERVER_HEAD_SIZE,
        .method = info->request_method,
        .target = info->request_uri,
        .query = info->query_string,
        .version = info->http_version,
        .headers = req->headers,
        .header_count = (size_t)info->num_headers,
    };
    enum err code = gate_check(&head, gate, &reason);
    return code == ERR_OK ? ERR_OK : fail(&req->ctx, code, NULL, "%s", reason);
}

static enum err fill(const struct mg_request_info *info, struct request *req,
                     const struct gate_result *gate)
{
    req->header_count = (size_t)info->num_headers;
    for (size_t i = 0; i < req->header_count; i++) {
        req->headers[i].value = clean_value(req->ctx.arena, req->headers[i].value);
        if (req->headers[i].value == NULL)
            return fail_internal(&req->ctx, ERR_MEMORY, "no memory for headers");
    }
    req->query = info->query_string;
    req->https = info->is_ssl != 0;
    req->authority = gate->host != NULL ? gate->host : "";
    req->ctx.user_agent = request_header(req, "User-Agent");
    TRY(proxy_resolve(req, &app_config(req->ctx.app)->server.trusted_proxies));
    if (req->authority[0] == '\0')
        return ERR_OK;
    TRY(text_host(&req->ctx, req->authority, &req->host));
    if (req->host == NULL || !gate_is_host(req->authority)) {
        req->host = "";
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "Host is not a valid host.");
    }
    return ERR_OK;
}

/* Writes the answer and leaves the worker as it was before the request. */
static void end(struct mg_connection *connection, struct worker *worker, struct request *req,
                struct response *res)
{
    const struct config_server *config = &app_config(worker->server->app)->server;

    const bool streams = res->stream.more != NULL;

    if (streams) {
        server_stream(connection, worker, req, res);
        dispatch_streamed(req, res);
    }
    if (res->close)
        mg_disable_connection_keep_alive(connection);
    if (!streams)
        server_answer(connection, worker, req, res);
    if (res->close)
        server_phase(worker, PHASE_NONE, 0);
    else
        server_phase(worker, PHASE_IDLE,
                     clock_monotonic_ms() + config->keep_alive_ms + config->header_timeout_ms);
    ctx_clear(&req->ctx);
}

static void leave(struct worker *worker)
{
    arena_reset(&worker->arena);
    atomic_fetch_sub(&worker->server->in_flight, 1);
}

int server_begin_request(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct worker *worker = mg_get_thread_pointer(connection);
    struct gate_result gate;
    struct request req;
    struct response res;

    begin(connection, worker, &req);
    enum err code = check_gate(info, &req, &gate);
    if (code == ERR_OK)
        code = fill(info, &req, &gate);
    struct body_source source = {.connection = connection, .worker = worker, .gate = &gate};
    source.done = code == ERR_OK && !gate.chunked && gate.length == 0;
    const struct dispatch_input input = {.raw_path = info->request_uri,
                                         .method = info->request_method,
                                         .read_body = server_read_body,
                                         .read_part = server_read_part,
                                         .read_arg = &source};
    if (code == ERR_OK)
        dispatch(&req, &res, &input);
    else
        dispatch_refuse(&req, &res, code);
    res.close = res.close || !source.done || !gate.keep_alive || server_is_busy(worker->server);
    end(connection, worker, &req, &res);
    if (!source.done)
        server_linger(worker);
    leave(worker);
    return res.status;
}

/* --- what CivetWeb refuses itself --- */

static bool is_known_method(const char *method)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(method, known[i]) == 0)
            return true;
    }
    return false;
}

static enum err explain(struct request *req, const struct mg_request_info *info, int status,
                        bool overflowed, int64_t waited_ms)
{
    if (status == 413 || overflowed)
        return fail(&req->ctx, ERR_HEADERS_TOO_LARGE, NULL,
                    "The head of the request is larger than 32 KiB.");
    if (waited_ms >= app_config(req->ctx.app)->server.header_timeout_ms)
        return fail(&req->ctx, ERR_TIMEOUT, NULL, "The head of the request came too slowly.");
    if (status == 505)
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "The version must be HTTP/1.1 or HTTP/1.0.");
    if (info->request_method != NULL && info->http_version != NULL &&
        !is_known_method(info->request_method))
        return fail(&req->ctx, ERR_METHOD, NULL, NULL);
    return fail(&req->ctx, ERR_BAD_REQUEST, NULL,
                "The head of the request is malformed or did not arrive in time.");
}

int server_http_error(struct mg_connection *connection, int status, const char *message)
{
    struct worker *worker = mg_get_thread_pointer(connection);
    bool is_first = !worker->open;
    /* Of a later head it is not known when it began. */
    int64_t waited_ms = is_first ? clock_monotonic_ms() - atomic_load(&worker->since_ms) : 0;
    struct request req;
    struct response res;

    begin(connection, worker, &req);
    /* The same words stand for a bad byte, a time-out and a full buffer. */
    bool overflowed =
        strcmp(message, "Malformed message") == 0 && server_head_overflowed(worker, is_first);
    enum err code = explain(&req, mg_get_request_info(connection), status, overflowed, waited_ms);
    dispatch_refuse(&req, &res, code);
    if (code == ERR_METHOD)
        response_header(&res, "Allow", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
    end(connection, worker, &req, &res);
    server_linger(worker);
    leave(worker);
    return 0;
}
