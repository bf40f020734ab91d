/*
 * The route table: the single source of what exists. Router, OpenAPI, rate limits, authentication,
 * docs and the generated tests read it. A row with an unset column stops the start (routes_check).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/http.h"
#include "app/schema.h"

enum tenant_rule {
    TENANT_UNSET = 0,
    TENANT_IGNORED,  /* hints are not looked at */
    TENANT_OPTIONAL, /* hints are resolved; none is fine */
    TENANT_REQUIRED, /* mark T: hint or credential */
};

/* Credentials a route accepts: any of the set. */
enum auth_set {
    AUTH_UNSET = 0,
    AUTH_PUBLIC = 1 << 0,        /* none needed */
    AUTH_SESSION = 1 << 1,       /* S */
    AUTH_BEARER = 1 << 2,        /* B: user access token */
    AUTH_KEY = 1 << 3,           /* K */
    AUTH_PLATFORM = 1 << 4,      /* P */
    AUTH_BODY = 1 << 5,          /* the handler proves a credential in the body (refresh token) */
    AUTH_OPTIONAL = 1 << 6,      /* with others: used when present, else anonymous */
    AUTH_NO_CLIENTS = 1 << 7,    /* session-less tokens only: not of an OAuth client */
    AUTH_IGNORE = 1 << 8,        /* credentials are not even looked at (discovery, docs, health) */
    AUTH_CLIENT = 1 << 10,       /* C: an OAuth client, by Basic, body, or its id alone (public) */
    AUTH_FORM_TOKEN = 1 << 11,   /* with AUTH_BEARER: the form's access_token too, no cookie */
    AUTH_KEY_BY_TENANT = 1 << 9, /* with AUTH_KEY: none needed where the tenant says so (C33) */
};

enum rate_class {
    RATE_UNSET = 0,
    RATE_NONE, /* health */
    RATE_READ,
    RATE_WRITE,
    RATE_LOGIN,
    RATE_REGISTER,
    RATE_TENANT_CREATE,
};

enum body_rule {
    BODY_UNSET = 0,
    BODY_NONE, /* a body is allowed and ignored up to the cap */
    BODY_JSON,
    BODY_FORM,
    BODY_JSON_OR_FORM,
    BODY_MERGE_PATCH, /* application/merge-patch+json or application/json */
    BODY_LINES,       /* application/x-ndjson, in parts: the handler reads it (request_part) */
};

enum route_flags {
    ROUTE_PLAIN = 1 << 0,          /* nothing special */
    ROUTE_PAGE = 1 << 1,           /* answers HTML, errors as pages */
    ROUTE_NO_STORE = 1 << 2,       /* Cache-Control: no-store */
    ROUTE_INTERNAL = 1 << 3,       /* only on the internal listener */
    ROUTE_DEV_ONLY = 1 << 4,       /* 404 outside development */
    ROUTE_HIDDEN = 1 << 5,         /* not in OpenAPI: pages and their forms */
    ROUTE_API_V1 = 1 << 6,         /* also under /api/v1 */
    ROUTE_SETS_COOKIE = 1 << 7,    /* cross-site rule of api.md §11 applies */
    ROUTE_LINES = 1 << 8,          /* answers NDJSON: one object of the output per line */
    ROUTE_AUTHORIZATION = 1 << 10, /* other sites send browsers here (api.md §11) */
    ROUTE_OR_LATER = 1 << 11,      /* or 202: it goes on in the background */
    ROUTE_IDEMPOTENT = 1 << 9,     /* takes Idempotency-Key: creates, in a transaction */
};

typedef enum err (*handler_fn)(struct request *req, struct response *res);

struct route {
    enum method method; /* one, or several joined */
    const char *path;   /* "/users/{id}" */
    handler_fn handler;
    enum tenant_rule tenant;
    unsigned auth;         /* enum auth_set */
    const char *scope;     /* of bearer tokens and access keys; NULL = none */
    const char *key_scope; /* of access keys when it differs; NULL = scope */
    enum role role;        /* least role of users; ROLE_UNSET for public routes */
    enum rate_class rate;
    enum body_rule body;
    size_t body_cap;
    const struct schema *in;  /* of the body; of the query without one, or with lines */
    const struct schema *out; /* NULL: 204, page or text */
    int status;               /* of success */
    unsigned flags;           /* enum route_flags */
    const char *summary;
};

/* The input of the row stands in the query. */
static inline bool routes_take_query(const struct route *route)
{
    return route->body == BODY_NONE || route->body == BODY_LINES;
}

/* What the query of the row may hold; NULL: nobody says. */
static inline const struct schema *routes_query(const struct route *route)
{
    if (routes_take_query(route))
        return route->in;
    return route->in != NULL ? route->in->query : NULL;
}

extern const struct route routes[];
extern const size_t route_count;

/* NULL, or the first mistake of the table in one sentence. */
const char *routes_check(void);
size_t route_index(const struct route *route);
