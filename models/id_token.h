/*
 * ID tokens (OIDC Core §2): signing one for a client, and reading one that comes back as a hint.
 * Signed with RS256, or ES256 if the client registered it, by a key of the tenant. Any thread.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"
#include "app/schema.h"
#include "models/oauth_client.h"
#include "models/user.h"

/* acr values, by the number of factors (api.md §11). */
#define ACR_ONE_FACTOR  "aal1"
#define ACR_TWO_FACTORS "aal2"

struct id_token_terms {
    const struct oauth_client *client; /* its id is aud; its id_token_alg signs */
    const struct user *user;
    int64_t auth_time;        /* seconds; when the user proved who they are, kept by refreshes */
    const char *nonce;        /* as sent to the authorization endpoint; NULL: none, or a refresh */
    const char *access_token; /* handed out with it: at_hash; NULL: none */
    const struct uuid *sid;   /* of the session (api.md §11), NULL: none */
    const char *acr;          /* NULL: ACR_ONE_FACTOR */
    const char *amr;          /* words of RFC 8176 with blanks between; NULL: "pwd" */
    struct strs claims;       /* asked for in the ID token by the claims parameter */
    const char *claims_scope; /* as far as these scopes allow; NULL: none */
};

/* Of the ctx's tenant; in the arena. */
CHECKED enum err id_token_sign(struct ctx *ctx, const struct id_token_terms *terms,
                               const char **ret_token);

/* Any claims for a client, whole in the buffer, with the algorithm that it registered. */
CHECKED enum err id_token_sign_claims(struct ctx *ctx, const struct oauth_client *client,
                                      const char *typ, const struct buf *claims,
                                      const char **ret_token);

/* What a hint tells (id_token_hint of authorize and end-session). */
struct id_token_hint {
    struct uuid user_id;
    const char *client_id; /* aud */
    struct uuid sid;       /* zero: none */
    int64_t auth_time;     /* seconds */
    bool expired;
};

/* Our signature, tenant, issuer and kind are right; it may have expired. ERR_BAD_TOKEN. The caller
 * compares client and user. */
CHECKED enum err id_token_read(struct ctx *ctx, const char *text, struct id_token_hint *ret_hint);
