/* Access tokens: signing claims, and verifying without a database round trip (design §7). */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "app/token_cache.h"
#include "models/grant.h"

CHECKED enum err access_token_sign(struct ctx *ctx, const struct user *user,
                                   const struct grant *grant, const char **ret_token,
                                   int64_t *ret_expires_in);
/* This one token is honoured no longer, on every instance; with its audit row. */
CHECKED enum err access_token_revoke(struct ctx *ctx, const struct token_claims *claims);
/* Text, signature (cached), claims, revocation. Needs no tenant in ctx: it reads tid and loads that
 * tenant's keys; the caller compares tenants. ERR_BAD_TOKEN, ERR_DB_UNAVAILABLE. */
CHECKED enum err access_token_verify(struct ctx *ctx, const char *token,
                                     struct token_claims *ret_claims,
                                     const struct tenant **ret_tenant);
/* The same for whoever manages tokens and does not act on them: also those whose aud is another
 * service (RFC 8707). */
CHECKED enum err access_token_read(struct ctx *ctx, const char *token,
                                   struct token_claims *ret_claims,
                                   const struct tenant **ret_tenant);
/* The aud of a token that was read, in the arena. */
CHECKED enum err access_token_audience(struct ctx *ctx, const char *token, struct strs *ret);
