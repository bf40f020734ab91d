/*
 * What the parts of server.c share: the server, its connection threads and what each is doing. A
 * worker is one connection thread; it serves one connection at a time and is also that connection's
 * record.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include <civetweb.h>

#include "app/arena.h"
#include "app/gate.h"
#include "app/http.h"
#include "app/server.h"

/* CivetWeb's buffer for a head: target and headers at their largest, and the rest of the lines. */
#define SERVER_HEAD_SIZE  ((size_t)32 * 1024)
/* A whole request: its body, its values, and an answer that doubled its buffer on the way. */
#define SERVER_ARENA_SIZE ((size_t)16 * 1024 * 1024)
#define SERVER_MAX_PORTS  3

/* What a connection waits for; each has its deadline, kept by server_deadline.c. */
enum phase {
    PHASE_NONE = 0, /* no connection, its first head, or ours to finish */
    PHASE_IDLE,     /* kept alive: the next head, which may never come */
    PHASE_BODY,
    PHASE_ANSWER,
};

struct worker {
    struct server *server;
    struct arena arena;
    time_t date_second;
    char date[32];
    _Atomic bool counted; /* has a connection of the public listener */
    _Atomic int phase;
    _Atomic int64_t since_ms;
    _Atomic int64_t deadline_ms; /* 0 = none */
    /* Written by the worker alone, under server->lock: */
    bool open; /* has a connection whose addresses are known */
    char peer[48];
    int peer_port;
    int local_port;
};

struct listener {
    struct server *server;
    struct mg_context *context;
    bool internal;
    int ports[SERVER_MAX_PORTS];
    size_t port_count;
};

struct server {
    struct app *app;
    struct listener public_listener;
    struct listener internal_listener;
    int threads;             /* of the public listener */
    _Atomic int connections; /* of the public listener */
    _Atomic int in_flight;   /* requests being answered */
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t watchdog;
    bool has_watchdog;
    struct census *census; /* the watchdog's */
    size_t worker_count;
    _Atomic size_t workers_taken;
    struct worker *workers;
};

/* --- server_deadline.c: no connection outlives its deadline --- */

void server_phase(struct worker *worker, enum phase phase, int64_t deadline_ms);
bool server_is_busy(const struct server *server);
/* Calls fn for each open descriptor until it returns true. */
typedef bool (*server_socket_fn)(int fd, void *arg);
void server_each_descriptor(server_socket_fn fn, void *arg);
/* -1: no port, for it is no address of the internet. */
int server_port_of(const struct sockaddr_storage *address);
bool server_watch(struct server *server);
void server_unwatch(struct server *server);
/* Ends the kept-alive connections that wait for a request. */
void server_cut_idle(struct server *server);
/* After CivetWeb called a head malformed: it was only too large for its buffer. */
bool server_head_overflowed(const struct worker *worker, bool is_first);
/* Says goodbye and reads what the client still sends for a moment: closing over unread bytes would
 * destroy the answer on its way. */
void server_linger(struct worker *worker);
/* Wakes CivetWeb's accepting thread, which otherwise sleeps up to two seconds. */
void server_close_listeners(const struct listener *listener);

/* --- server_census.c: no address takes all connections --- */

struct census *server_census_new(struct server *server);
void server_census_free(struct census *census);
/* Under server->lock. Cheap while nobody has too many connections or is silent. */
void server_census_take(struct census *census);

/* --- server_body.c --- */

struct body_source {
    struct mg_connection *connection;
    struct worker *worker;
    const struct gate_result *gate;
    bool done; /* read to its end: the next request begins where it should */
    /* Of a body that comes in parts: */
    char *part;
    int64_t size, began_ms, waited_ms; /* so far; waited for the client */
};

CHECKED enum err server_read_body(struct request *req, size_t cap, void *source);
/* A part of it; what is done between two parts does not count as the client's time. */
CHECKED enum err server_read_part(struct request *req, void *source, struct bytes *ret_part);

/* --- server_stream.c --- */

/* Writes head and parts; sets close and cut of res when it could not finish. */
void server_stream(struct mg_connection *connection, struct worker *worker, struct request *req,
                   struct response *res);

/* --- server_answer.c --- */

/* Status line and headers; the length of the body unless it is a stream. */
void server_write_head(struct mg_connection *connection, struct worker *worker, struct buf *out,
                       const struct response *res);

/* Writes head and body, one write where they are small. */
void server_answer(struct mg_connection *connection, struct worker *worker,
                   const struct request *req, const struct response *res);

/* --- server_request.c: CivetWeb's callbacks --- */

void *server_init_thread(const struct mg_context *context, int type);
void server_exit_thread(const struct mg_context *context, int type, void *worker);
int server_init_connection(const struct mg_connection *connection, void **data);
void server_connection_close(const struct mg_connection *connection);
int server_begin_request(struct mg_connection *connection);
int server_http_error(struct mg_connection *connection, int status, const char *message);
int server_log_message(const struct mg_connection *connection, const char *message);
