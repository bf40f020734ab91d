/* Starting and stopping: two CivetWeb contexts, one for clients and one for the machine's own
 * probes. */
#include "app/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/clock.h"
#include "app/condition.h"
#include "app/log.h"
#include "app/router.h"
#include "app/server_internal.h"

#define INTERNAL_THREADS 4
#define INTERNAL_ADDRESS "127.0.0.1"
#define NUMBER_SIZE      24
#define PORTS_SIZE       160
#define STEP_MS          20

/* --- ports --- */

/* A port, and what to change when it is taken. */
struct port {
    const char *address;
    int64_t number;
    const char *key;
    const char *variable; /* of ./dev run */
};

static char *sentence(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *sentence(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return text;
}

/* CivetWeb only says that some port failed: each is tried here first. NULL when it can be had. */
static char *try_port(const struct port *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port->number)};
    const int on = 1;
    int failure = 0;

    if (inet_pton(AF_INET, port->address, &address.sin_addr) != 1)
        return sentence("Cannot listen on \"%s\": set server.bind to an IPv4 address such as "
                        "127.0.0.1 or 0.0.0.0.",
                        port->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sentence("Cannot open a socket: %s.", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)
        failure = errno;
    close(fd);
    if (failure == 0)
        return NULL;
    if (failure == EADDRINUSE)
        return sentence("Port %lld on %s is taken: stop the program that has it, or set %s in "
                        "config.yaml (%s for ./dev run) to a free one.",
                        (long long)port->number, port->address, port->key, port->variable);
    return sentence("Cannot listen on %s:%lld (%s): change server.bind or %s in config.yaml.",
                    port->address, (long long)port->number, strerror(failure), port->key);
}

/* --- contexts --- */

struct settings {
    char ports[PORTS_SIZE];
    char threads[NUMBER_SIZE];
    char head_ms[NUMBER_SIZE];
    char keep_alive_ms[NUMBER_SIZE];
    char head_size[NUMBER_SIZE];
};

static void write_number(char text[NUMBER_SIZE], int64_t number)
{
    snprintf(text, NUMBER_SIZE, "%lld", (long long)number);
}

static char *start_context(struct listener *listener, const struct settings *settings)
{
    const char *options[] = {
        "listening_ports",
        settings->ports,
        "num_threads",
        settings->threads,
        "request_timeout_ms",
        settings->head_ms,
        "keep_alive_timeout_ms",
        settings->keep_alive_ms,
        "max_request_size",
        settings->head_size,
        "enable_keep_alive",
        "yes",
        "tcp_nodelay",
        "1",
        "connection_queue",
        "128",
        "listen_backlog",
        "512",
        "decode_url",
        "no",
        "decode_query_string",
        "no",
        "enable_directory_listing",
        "no",
        "enable_auth_domain_check",
        "no",
        NULL,
    };
    const struct mg_callbacks callbacks = {
        .begin_request = server_begin_request,
        .http_error = server_http_error,
        .init_thread = server_init_thread,
        .exit_thread = server_exit_thread,
        .init_connection = server_init_connection,
        .connection_close = server_connection_close,
        .log_message = server_log_message,
    };
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = listener, .configuration_options = options};
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    struct mg_server_port ports[SERVER_MAX_PORTS];

    listener->context = mg_start2(&init, &error);
    if (listener->context == NULL)
        return sentence("The HTTP server does not start on %s: %s.", settings->ports, text);
    int count = mg_get_server_ports(listener->context, SERVER_MAX_PORTS, ports);
    for (int i = 0; i < count; i++)
        listener->ports[listener->port_count++] = ports[i].port;
    return NULL;
}

/* "127.0.0.1:8080,127.0.0.1:5000", after each was tried. */
static char *list_ports(const struct port *ports, size_t count, char text[PORTS_SIZE])
{
    size_t size = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char *message = try_port(&ports[i]);
        if (message != NULL)
            return message;
        int length = snprintf(text + size, PORTS_SIZE - size, "%s%s:%lld", i > 0 ? "," : "",
                              ports[i].address, (long long)ports[i].number);
        if (length < 0 || (size_t)length >= PORTS_SIZE - size)
            return sentence("server.bind is too long.");
        size += (size_t)length;
    }
    return NULL;
}

static char *start_public(struct server *server, const struct config_server *config)
{
    const struct port ports[] = {
        {config->bind, config->port, "server.port", "PORT"},
        {config->bind, config->extra_port, "server.extra_port", "EXTRA_PORT"},
    };
    struct settings settings;
    char *message = list_ports(ports, config->extra_port > 0 ? 2 : 1, settings.ports);

    if (message != NULL)
        return message;
    write_number(settings.threads, config->threads);
    write_number(settings.head_ms, config->header_timeout_ms);
    write_number(settings.keep_alive_ms, config->keep_alive_ms);
    write_number(settings.head_size, (int64_t)SERVER_HEAD_SIZE);
    return start_context(&server->public_listener, &settings);
}

static char *start_internal(struct server *server, const struct config_server *config)
{
    const struct port port = {INTERNAL_ADDRESS, config->metrics_port, "server.metrics_port",
                              "METRICS_PORT"};
    struct settings settings;

    if (config->metrics_port <= 0)
        return NULL;
    char *message = list_ports(&port, 1, settings.ports);
    if (message != NULL)
        return message;
    write_number(settings.threads, INTERNAL_THREADS);
    write_number(settings.head_ms, config->header_timeout_ms);
    /* A scraper that keeps its connection must not hold one of four threads for long. */
    write_number(settings.keep_alive_ms, 1000);
    write_number(settings.head_size, (int64_t)SERVER_HEAD_SIZE);
    return start_context(&server->internal_listener, &settings);
}

/* --- life --- */

static void server_free(struct server *server)
{
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->wake);
    server_census_free(server->census);
    free(server->workers);
    free(server);
}

static struct server *server_new(struct app *app)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return NULL;
    server->app = app;
    server->threads = (int)app_config(app)->server.threads;
    server->worker_count = (size_t)server->threads + INTERNAL_THREADS;
    server->workers = calloc(server->worker_count, sizeof *server->workers);
    server->census = server_census_new(server);
    if (server->workers == NULL || server->census == NULL) {
        server_census_free(server->census);
        free(server->workers);
        free(server);
        return NULL;
    }
    for (size_t i = 0; i < server->worker_count; i++) {
        server->workers[i].server = server;
        arena_init(&server->workers[i].arena, SERVER_ARENA_SIZE);
    }
    server->public_listener.server = server;
    server->internal_listener = (struct listener){.server = server, .internal = true};
    pthread_mutex_init(&server->lock, NULL);
    condition_init(&server->wake);
    return server;
}

static void stop_context(struct listener *listener)
{
    if (listener->context == NULL)
        return;
    server_close_listeners(listener);
    mg_stop(listener->context);
    listener->context = NULL;
}

static void stop_all(struct server *server)
{
    stop_context(&server->public_listener);
    stop_context(&server->internal_listener);
    server_unwatch(server);
    mg_exit_library();
    server_free(server);
}

enum err server_start(struct app *app, struct server **ret_server, char **ret_message)
{
    const struct config_server *config = &app_config(app)->server;
    struct server *server = server_new(app);

    if (server == NULL) {
        *ret_message = sentence("There is not enough memory for the HTTP server.");
        return ERR_MEMORY;
    }
    router_init();
    mg_init_library(MG_FEATURES_DEFAULT);
    char *message = start_internal(server, config);
    if (message == NULL)
        message = start_public(server, config);
    if (message == NULL && !server_watch(server))
        message = sentence("Cannot start the thread that keeps the deadlines.");
    if (message != NULL) {
        stop_all(server);
        *ret_message = message;
        return ERR_INTERNAL;
    }
    for (size_t i = 0; i < server->public_listener.port_count; i++)
        log_message(LOG_INFO, "listening", "%s:%d", config->bind, server->public_listener.ports[i]);
    *ret_server = server;
    return ERR_OK;
}

static void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

void server_stop(struct server *server)
{
    int64_t until;

    if (server == NULL)
        return;

    const struct config_server *config = &app_config(server->app)->server;

    atomic_store(&server->app->stopping, true);
    /* A balancer looks at /ready now and then: until it has, it may send on any connection it has.
     */
    pause_ms(config->notice_ms);
    until = clock_monotonic_ms() + config->drain_ms;
    /* Twice in a row: between two requests of one client there is a moment with none. */
    for (int quiet = 0; quiet < 2 && clock_monotonic_ms() < until;) {
        server_cut_idle(server);
        quiet = atomic_load(&server->in_flight) == 0 ? quiet + 1 : 0;
        pause_ms(STEP_MS);
    }
    stop_all(server);
}
