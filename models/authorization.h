/*
 * Authorization requests that wait for somebody to sign in: what the ticket in "/login?ticket=…"
 * stands for. Bound to the browser that brought it, to tenant and client; works once, within ten
 * minutes. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

#define AUTHORIZATION_SECONDS   600
#define AUTHORIZATION_MAX_QUERY 16384

struct authorization {
    struct uuid id; /* the ticket */
    struct uuid tenant_id;
    const char *client_id;
    struct bytes browser;     /* SHA-256 of what only that browser sends */
    const char *redirect_uri; /* proven; where a form may lead */
    const char *login_hint;   /* or NULL */
    const char *query;        /* the request, percent-encoded */
    int64_t used_at;          /* 0: not yet */
    int64_t expires_at;       /* TTL; enforced in the query */
};

extern const struct schema authorization_schema;

/* request: client, redirect URI, hint and query. */
CHECKED enum err authorization_keep(struct ctx *ctx, const struct authorization *request,
                                    const char *browser, const char **ret_ticket);
/* Without using it up. ERR_NOT_FOUND for every reason. */
CHECKED enum err authorization_look(struct ctx *ctx, const char *ticket, const char *browser,
                                    struct authorization *ret_request);
/* One of many at the same time gets it; the others ERR_NOT_FOUND. */
CHECKED enum err authorization_take(struct ctx *ctx, const char *ticket, const char *browser,
                                    struct authorization *ret_request);
