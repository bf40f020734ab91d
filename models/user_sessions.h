/*
 * What a user is signed in with: browser sessions, and the grants of logins that got tokens without
 * a browser session. Grants of OAuth clients are consents, not sessions, and are not among them.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

#define USER_SESSIONS_MAX 100 /* of each kind, the newest */

struct user_session {
    struct uuid id;
    const char *kind;   /* "browser" or "token" */
    const char *device; /* "Firefox on Windows" */
    const char *ip;     /* of the sign-in, or NULL */
    int64_t created_at;
    int64_t last_seen_at; /* to the minute; of tokens the last refresh */
    int64_t expires_at;
    bool current; /* the one that asks */
};

extern const struct schema user_session_schema;

/* Those alive, the newest first. list of struct user_session. */
CHECKED enum err user_sessions_list(struct ctx *ctx, const struct uuid *user_id,
                                    struct list *ret_sessions);
/* Ends one of them on every instance, with its audit row, in one transaction. ERR_NOT_FOUND when
 * this user has no such one alive. */
CHECKED enum err user_sessions_end(struct ctx *ctx, const struct uuid *user_id,
                                   const struct uuid *id);
