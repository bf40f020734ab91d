/*
 * Browser sessions. The cookie value holds the tenant's id and a random secret; only its SHA-256 is
 * stored, so a request without a hint still goes to one tenant.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/user.h"

struct session {
    struct uuid id;
    struct uuid tenant_id;
    struct bytes hash; /* unique with tenant_id */
    struct uuid user_id;
    int role; /* enum role when it was opened; a change of role ends the session */
    int64_t user_epoch, tenant_epoch;
    const char *ip;
    const char *user_agent;
    int64_t created_at, last_seen_at;
    int64_t auth_time;   /* when the user was proven; 0: when it was opened */
    int64_t expires_at;  /* TTL; enforced in the query */
    int64_t codes;       /* that it gave to OAuth clients */
    struct strs clients; /* OAuth clients that got a code by it, the latest last */
};

extern const struct schema session_schema;

/* What a session comes from. */
struct session_origin {
    const char *audit_action; /* of the sign-in; NULL: it goes on with another session's */
    int64_t auth_time;        /* of that one; 0: the user was proven now */
    const char *replaces;     /* the cookie that the new one takes the place of, or NULL */
};

/* A new session with a new id; the audit row is committed before this returns. When it replaces one
 * of the same user, that one goes on under the new cookie, so that what it gave and its sid live as
 * long as the browser is signed in; another user's ends. */
CHECKED enum err session_open(struct ctx *ctx, const struct user *user,
                              const struct session_origin *origin, const char **ret_cookie,
                              struct session *ret_session);
int64_t session_auth_time(const struct session *session);
#define SESSION_USER_AGENT_BYTES 256
#define SESSION_CLIENTS_MAX      100
/* ERR_UNAUTHENTICATED when unknown, expired or revoked. The tenant in ctx must be the cookie's.
 * Notes that it was used, at most once a minute. */
CHECKED enum err session_find(struct ctx *ctx, const char *cookie, struct session *ret_session);
/* ERR_UNAUTHENTICATED when it has ended. */
CHECKED enum err session_is_alive(struct ctx *ctx, const struct uuid *session_id);
/* A client gets a code by this session, so that it is told of its end: the same proof of life, and
 * an end at the same time either knows the client or comes first. ERR_UNAUTHENTICATED. */
CHECKED enum err session_note_client(struct ctx *ctx, const struct uuid *session_id,
                                     const char *client_id);
/* False when the text is no session cookie of ours. */
bool session_peek_tenant(const char *cookie, struct uuid *ret_tenant_id);
/* Logout, with its audit row: what the session gave ends with it. ERR_UNAUTHENTICATED when it had
 * ended before. */
CHECKED enum err session_end(struct ctx *ctx, const struct uuid *session_id,
                             const struct uuid *user_id);
/* The same in the ctx's transaction, whose audit row is the caller's. ERR_NOT_FOUND. */
CHECKED enum err session_remove(struct ctx *ctx, const struct uuid *session_id,
                                const struct uuid *user_id);
/* All sessions of a user, in the ctx's transaction, whose caller ends the grants. */
CHECKED enum err session_end_user(struct ctx *ctx, const struct uuid *user_id);
