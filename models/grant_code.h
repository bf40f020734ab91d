/*
 * Authorization codes (RFC 6749 §4.1): the grant's own document in state "code", for a minute. The
 * exchange is one conditional update that makes it active; nothing else uses a code up. Any thread.
 */
#pragma once

#include "models/grant.h"

#define GRANT_CODE_SECONDS 60

/* What the user of a browser session granted. */
struct code_terms {
    const struct oauth_client *client;
    const struct user *user;
    struct uuid session_id;
    int64_t auth_time; /* ms */
    const char *scope;
    const char *redirect_uri;
    const char *challenge, *nonce, *claims; /* NULL: not sent */
    const char *claims_scope;               /* of claims, as far as it was allowed */
    struct strs resources;
};

CHECKED enum err grant_code_issue(struct ctx *ctx, const struct code_terms *terms,
                                  const char **ret_code);

struct code_exchange {
    const struct oauth_client *client;
    const char *code, *redirect_uri;
    const char *verifier;  /* NULL: not sent */
    struct strs resources; /* for this access token; none: all that were granted */
};

/* What was granted, for whoever tells the client of it. */
struct code_outcome {
    struct grant grant;
    struct user user;
    struct token_pair pair; /* without a refresh token where none is due (api.md §11) */
};

/* ERR_BAD_REFRESH for every reason. A wrong client, redirect URI or verifier consumes nothing; the
 * second use with all of them right ends what the first one gave, with its audit row. ERR_TARGET
 * for a resource that was not granted consumes nothing either. */
CHECKED enum err grant_code_exchange(struct ctx *ctx, const struct code_exchange *exchange,
                                     struct code_outcome *ret_outcome);

/* A refresh token is due: the client registered for one and, with openid, offline access was
 * granted. */
bool grant_gets_refresh(const struct oauth_client *client, const char *scope);
