/*
 * A request and its response as handlers and middleware see them: no CivetWeb type appears here.
 * All strings live in ctx.arena. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/buf.h"
#include "app/ctx.h"
#include "app/db.h"
#include "app/schema.h"
#include "app/value.h"

#define HTTP_MAX_HEADERS          64
#define HTTP_MAX_PARAMS           4
#define HTTP_MAX_RESPONSE_HEADERS 32
#define HTTP_MAX_RESPONSE         ((size_t)4 * 1024 * 1024)

struct route;
struct request;
struct oauth_client;

enum method {
    METHOD_UNSET = 0,
    GET = 1 << 0,
    POST = 1 << 1,
    PUT = 1 << 2,
    PATCH = 1 << 3,
    DELETE = 1 << 4,
    HEAD = 1 << 5,
    OPTIONS = 1 << 6
};

struct http_header {
    const char *name;
    const char *value;
};

/* Which hint named the tenant, in the reporting order of api.md §2. */
enum hint_kind {
    HINT_UNSET = 0,
    HINT_SLUG_HEADER,
    HINT_ID_HEADER,
    HINT_SUBDOMAIN,
    HINT_DOMAIN,
    HINT_PATH,
    HINT_DEFAULT,
    HINT_CREDENTIAL,
};

struct response;

/* An answer that is written within the transaction that makes what it tells of (respond_within). */
typedef enum err (*answer_fn)(struct request *req, struct response *res, void *arg);
struct early_answer {
    struct db_hook hook;
    struct response *res;
    answer_fn build;
    void *arg;
};

/* The next part of a body that is longer than memory (BODY_LINES), borrowed until the next call; of
 * no bytes behind the last. ERR_TOO_LARGE, ERR_TIMEOUT, ERR_BAD_REQUEST. */
typedef enum err (*body_part_fn)(struct request *req, void *arg, struct bytes *ret_part);
struct body_parts {
    body_part_fn next;
    void *arg;
};

struct request {
    struct ctx ctx;
    const struct route *route; /* NULL before routing and when nothing matched */
    enum method method;        /* HEAD becomes GET with head_only */
    bool head_only;
    bool https;              /* as the client sees it (trusted proxy's word) */
    const char *path;        /* decoded once per segment, as sent */
    const char *routed_path; /* after the tenant prefix was taken off: what decides error style */
    const char
        *path_tenant; /* of /t/{slug}, /tenants/{slug}, else {cid} of /api/v1/{cid}; or NULL */
    const char *path_client; /* {cid} beside a tenant prefix: a second hint; or NULL */
    const char *query;       /* raw, or NULL */
    const char *host;        /* normalised: lower case, no port, no trailing dot */
    const char *authority;   /* host[:port] as sent, for URLs back to the same host */
    const char *peer; /* address of the TCP peer; ctx.ip is the client behind trusted proxies */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    struct http_header params[HTTP_MAX_PARAMS]; /* {id} of the route */
    size_t param_count;
    const char *body;
    size_t body_size;
    struct body_parts parts;           /* of a route with BODY_LINES, instead of body */
    const struct value *input;         /* parsed body, NULL when none */
    const struct oauth_client *client; /* of a route with AUTH_CLIENT, proven; or NULL */
    const struct value *query_input;   /* parsed query, NULL until asked for */
    enum hint_kind hint;               /* what decided the tenant */
    int64_t started_us;                /* monotonic */
    bool internal;                     /* arrived on the internal listener */
    unsigned
        limits_taken; /* bit n: a budget of enum limit_class n was charged (middleware/rate.h) */
    struct early_answer early;
    struct attempt *attempt; /* middleware/idempotency.c, while the handler runs; or NULL */
    bool replayed;     /* the answer is that of an earlier request with the same Idempotency-Key */
    int64_t rate_left; /* least remaining budget shown in RateLimit-* so far; INT64_MAX = none */
};

/* Appends the next part of a long answer to out; *ret_done: it was the last. ctx and its arena are
 * of this part alone. */
typedef enum err (*stream_fn)(struct ctx *ctx, void *arg, struct buf *out, bool *ret_done);

struct stream {
    stream_fn more; /* NULL: the body is all there is (app/stream.h) */
    void *arg;
    bool done;
};

struct response {
    int status; /* 0 = not answered yet */
    struct http_header headers[HTTP_MAX_RESPONSE_HEADERS];
    size_t header_count;
    struct buf body;
    const char *content_type;
    bool close; /* end the connection after this answer */
    struct stream stream;
    int64_t streamed; /* bytes of a stream's body that were written */
    bool cut;         /* … and it could not be finished */
};

/* --- reading --- */

/* First value of a header (names without case), or NULL. request_header_count tells repeats. */
const char *request_header(const struct request *req, const char *name);
size_t request_header_count(const struct request *req, const char *name);
/* A path parameter of the route; never NULL for names in the route's path. */
const char *request_param(const struct request *req, const char *name);
/* A query parameter, NULL when absent or empty. Errors: ERR_BAD_REQUEST. */
CHECKED enum err request_query(struct request *req, const char *name, const char **ret_value);
/* limit=… between 1 and maximum. */
CHECKED enum err request_limit(struct request *req, int64_t standard, int64_t maximum,
                               int64_t *ret_limit);
/* The value of a cookie in the arena, NULL when absent; several of one name: the first. */
const char *request_cookie(struct request *req, const char *name);
/* True when Accept names text/html (with q > 0), resp. only JSON. */
bool request_accepts_html(const struct request *req);
bool request_wants_json_only(const struct request *req);

/* Decodes the body by the route's input schema into *out, which is zeroed first. */
#define request_input(req, out) request_input_sized((req), (out), sizeof *(out))
CHECKED enum err request_input_sized(struct request *req, void *ret_struct, size_t size);

/* The next part of the body of a route with BODY_LINES. */
CHECKED enum err request_part(struct request *req, struct bytes *ret_part);

/* Decodes the query by the route's schema of it (routes_query) into *out, which is zeroed first;
 * parameters that the schema does not know are refused. */
#define request_query_input(req, out) request_query_input_sized((req), (out), sizeof *(out))
CHECKED enum err request_query_input_sized(struct request *req, void *ret_struct, size_t size);

/* --- answering --- */

/* An empty answer whose body grows in the arena. */
void response_init(struct response *res, struct arena *arena);
/* What every answer carries: request id, security headers, caching. Called once, by dispatch. */
void response_finish(struct request *req, struct response *res);

/* Encodes by the route's output schema. */
#define respond(req, res, status, ptr) respond_sized((req), (res), (status), (ptr), sizeof *(ptr))
CHECKED enum err respond_sized(struct request *req, struct response *res, int status,
                               const void *struct_ptr, size_t size);
/* For handlers that create: build is run at the end of the creating transaction, before it commits,
 * so that object and answer become true together; a model that is called afterwards does the rest,
 * and the handler returns its result. build sees the transaction's ctx (req->ctx) and may write. */
void respond_within(struct request *req, struct response *res, answer_fn build, void *arg);
CHECKED enum err respond_empty(struct response *res, int status);
/* 303 See Other to a same-origin path or a validated URL. */
CHECKED enum err respond_redirect(struct request *req, struct response *res, const char *location);
/* Ready text of a type ("application/json", "text/html; charset=utf-8"). */
CHECKED enum err respond_text(struct response *res, int status, const char *content_type,
                              const char *text, size_t length);
/* Sets or appends; value must be free of CR and LF. False when there is no room (a bug). */
void response_header(struct response *res, const char *name, const char *value);
void response_no_store(struct response *res);

struct cookie {
    const char *name;
    const char *value; /* "" with max_age 0 expires it */
    const char *path;  /* "/" */
    int64_t max_age;   /* seconds; -1 = session cookie */
    bool secure;
    bool strict; /* SameSite=Strict instead of Lax */
};
CHECKED enum err response_cookie(struct request *req, struct response *res,
                                 const struct cookie *cookie);
/* The error body of ctx.failure for a code, by the path's style (api.md §1); pages for HTML routes.
 */
void respond_error(struct request *req, struct response *res, enum err code);
