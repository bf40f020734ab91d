/*
 * Grants: one document in "tokens" for the whole life of a session-less login, or of what a user
 * granted an OAuth client. Access tokens are signed from it, refresh tokens name it; see docs/adr
 * for the scheme.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/oauth_client.h"
#include "models/user.h"

struct grant {
    struct uuid id; /* token_id */
    struct uuid tenant_id;
    struct uuid user_id;
    struct uuid session_id; /* browser session it came from, or zero */
    const char *client_id;  /* OAuth client, or NULL */
    const char *state;      /* code, active, revoked */
    const char *scope;
    /* Of an authorization code and what it gave; NULL and 0 elsewhere. */
    const char *redirect_uri; /* as it was sent */
    const char *challenge;    /* PKCE, S256; NULL: none was sent */
    const char *nonce;
    const char *claims;       /* the parameter "claims": JSON text */
    const char *claims_scope; /* scopes whose claims may be given so */
    struct strs resources;    /* whom its access tokens are for (RFC 8707); none: this service */
    int64_t auth_time;        /* ms: when the user of the session was proven */
    bool cookies;             /* delivered as cookies */
    const char *ip;           /* of the sign-in, or NULL */
    const char *user_agent;   /* of the sign-in, or NULL */
    int64_t generation;
    int64_t user_epoch, tenant_epoch, client_epoch;
    int64_t access_seconds;   /* of the access token, when not as the tenant says; not stored */
    int64_t retry_generation; /* its rotation was never answered: may be repeated once; 0 = none */
    int64_t created_at, rotated_at;
    int64_t expires_at; /* idle end */
    int64_t ends_at;    /* absolute end */
    int64_t purge_at;   /* TTL */
};

#define GRANT_USER_AGENT_BYTES 256
#define GRANT_NONCE_BYTES      2048
#define GRANT_CLAIMS_BYTES     4096

extern const struct schema grant_schema;

/* What a login or refresh hands out; shape of the /auth paths. */
struct token_pair {
    const char *access_token;
    const char *refresh_token;
    const char *token_type; /* "bearer" */
    const char *id_token;   /* of an OAuth client with openid, or NULL */
    int64_t expires_in;     /* seconds of the access token */
    int64_t refresh_expires_in;
    const char *scope;
    struct uuid user_id;
    struct uuid grant_id;
};

/* Opens a grant for a user who was just proven, and signs. The audit row (action, "success") is
 * committed before this returns. */
CHECKED enum err grant_open(struct ctx *ctx, const struct user *user, const char *audit_action,
                            bool cookies, struct token_pair *ret_pair);
/* What an OAuth client gets. */
struct client_grant {
    const struct oauth_client *client;
    const struct user *user; /* NULL: the client acts for itself */
    const char *scope;       /* as granted */
    struct strs resources;   /* none: this service */
    bool with_refresh;       /* else there is no document: the access token is all */
    int64_t access_seconds;  /* 0: as long as the tenant says */
};
/* The same for an OAuth client; ret_pair->refresh_token is NULL without one. */
CHECKED enum err grant_open_for_client(struct ctx *ctx, const struct client_grant *terms,
                                       const char *audit_action, struct token_pair *ret_pair);
/* An access token alone that nobody signed in for (command line). client NULL: of a session-less
 * login of user. */
CHECKED enum err grant_issue(struct ctx *ctx, const struct client_grant *terms,
                             struct token_pair *ret_pair);
/* One conditional update; see design §7 for reuse, grace and unknown outcomes. ERR_BAD_REFRESH.
 * Resolves the tenant from the token when ctx has none; a foreign tenant's is ERR_TENANT_MISMATCH.
 */
CHECKED enum err grant_refresh(struct ctx *ctx, const char *refresh_token,
                               struct token_pair *ret_pair);
/* What a client asks of one access token: less than was granted. */
struct narrowing {
    const char *scope;     /* NULL: all */
    struct strs resources; /* none: all */
};
/* The same for an OAuth client, of whose grants alone it is. ERR_SCOPE_INVALID and ERR_TARGET
 * consume nothing. */
CHECKED enum err grant_refresh_for_client(struct ctx *ctx, const struct oauth_client *client,
                                          const char *refresh_token, const struct narrowing *less,
                                          struct token_pair *ret_pair);
/* Ends the grant of a refresh token: logout, or revocation by its client (NULL: session-less). */
CHECKED enum err grant_logout(struct ctx *ctx, const char *refresh_token,
                              const struct oauth_client *client);
/* The live grant of a client's refresh token, which is not used up. ERR_BAD_REFRESH. */
CHECKED enum err grant_inspect(struct ctx *ctx, const char *refresh_token,
                               const struct oauth_client *client, struct grant *ret_grant);
/* Ends all grants of a user, in the ctx's transaction. */
CHECKED enum err grant_revoke_user(struct ctx *ctx, const struct uuid *user_id);
/* Removes all documents of a user who is removed, in the ctx's transaction. */
CHECKED enum err grant_delete_user(struct ctx *ctx, const struct uuid *user_id);
CHECKED enum err grant_find(struct ctx *ctx, const struct uuid *id, struct grant *ret_grant);
/* Seconds for which the revocation of tokens must be remembered: the longest life that settings and
 * configuration allow, since a setting may have been lowered after a token was signed. */
#define GRANT_REVOCATION_SECONDS 86400
CHECKED enum err grant_count_active(struct ctx *ctx, int64_t *ret_count);

/* The scopes of a session-less token by role (api.md §11). */
const char *role_scopes(enum role role);
