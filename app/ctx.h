/*
 * What a unit of work carries through every layer: its arena, its tenant, its time budget, who
 * asks, and what went wrong. Handlers get it inside struct request; commands and background work
 * make their own with ctx_init. Models take it and nothing of HTTP. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/arena.h"
#include "app/error.h"
#include "app/uuid.h"

struct app;
struct tenant;

/* How the caller proved who it is. */
enum credential {
    CREDENTIAL_NONE = 0,
    CREDENTIAL_SESSION,  /* session cookie */
    CREDENTIAL_BEARER,   /* access token of a user, or (client_id set) of an OAuth client */
    CREDENTIAL_KEY,      /* tenant access key */
    CREDENTIAL_PLATFORM, /* platform administrator key */
    CREDENTIAL_CLIENT,   /* an OAuth client, by its secret or (public) its id alone */
};

enum role { ROLE_UNSET = 0, ROLE_USER, ROLE_ADMIN, ROLE_OWNER };

/* The authenticated caller. Strings live in the ctx arena. */
struct identity {
    enum credential credential;
    struct uuid tenant_id;
    struct uuid user_id;  /* zero when the credential has no user */
    struct uuid grant_id; /* the grant of a token, or zero */
    struct uuid session_id;
    struct uuid key_id;
    const char *client_id; /* OAuth client of the token, or NULL */
    const char *scope;     /* space-separated, "" when none */
    enum role role;
    bool as_admin;      /* the route or page demanded an administrator, and this is one */
    bool from_cookie;   /* the credential came in a cookie: the cross-site rule applies */
    bool has_claims;    /* of a token whose grant asks for claims of UserInfo by name */
    bool has_token;     /* a bearer token or key was sent, good or not (RFC 6750 §3) */
    int64_t issued_at;  /* seconds; of the token or session */
    int64_t expires_at; /* seconds */
};

struct ctx {
    struct app *app;
    struct arena *arena;
    const struct tenant *tenant; /* snapshot held for the whole unit of work; NULL when none */
    struct uuid tenant_id;       /* of tenant; db.c reads only this. Zero when none */
    int64_t deadline;            /* monotonic milliseconds; 0 = none (commands, background) */
    const char *request_id;      /* never NULL */
    const char *ip;              /* of the client, "" when none */
    const char *user_agent;      /* NULL when none sent */
    struct identity who;
    struct failure failure;
    void *transaction;             /* db.c: the running transaction, or NULL */
    struct db_hook *before_commit; /* db.h: what every transaction of this work does last */
    const struct uuid *object_id;  /* the id of the object that is made, or NULL: ctx_new_id */
    struct app_hold *holds;        /* snapshots to release when the work ends (cache.h) */
    unsigned db_calls;             /* round trips so far, for metrics and tests */
    /* Asked before a cache reads from the database (tenant_hints.c), NULL = it may. */
    enum err (*may_load)(struct ctx *ctx);
    unsigned look_ups; /* that it let pass */
};

/* For work that is no request. The arena is the caller's. */
void ctx_init(struct ctx *ctx, struct app *app, struct arena *arena);
/* Releases what the ctx holds (cache snapshots). The arena stays the caller's. */
void ctx_clear(struct ctx *ctx);
/* Makes a tenant the ctx's own; the snapshot must be held by the ctx (cache_get) or outlive it. The
 * id is given apart because this layer does not know the struct. NULL, NULL: none. */
void ctx_set_tenant(struct ctx *ctx, const struct tenant *tenant, const struct uuid *tenant_id);

/* The id for an object that this work creates: the one that was fixed beforehand (a retry of the
 * same creation finds what an earlier try left under it), else a new one. */
struct uuid ctx_new_id(const struct ctx *ctx);

/* Milliseconds until the deadline, at least 1 when there is none left, at most cap. */
int64_t ctx_remaining(const struct ctx *ctx, int64_t cap);

/* Record why and return code, so that callers write: return fail(ctx, ERR_X, "email", "...", ...).
 * The formatted sentence is shown to the client for 4xx codes whose table sentence is generic
 * (validation and syntax); it must say what was wrong and what is allowed, and hold no secret. */
enum err fail(struct ctx *ctx, enum err code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for what only the log (and in development "hint") may say. */
enum err fail_internal(struct ctx *ctx, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 429 and 503 with Retry-After. */
enum err fail_retry(struct ctx *ctx, enum err code, int64_t seconds);
/* Forget a failure that was handled. */
void fail_clear(struct ctx *ctx);
