/*
 * The parameter "claims" of an authorization request (OIDC Core §5.5): single claims by their names
 * and, for the ID token, who it has to be about and how they have to have signed in. What its
 * "essential" asks for beyond acr is as good as voluntary, as the standard allows. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

struct claims_request {
    struct strs userinfo, id_token; /* names, in the order in which they were sent */
    const char *subject;            /* the sub that the answer must be about; NULL: any */
    struct strs acr;                /* of an essential acr: only these will do; empty: any */
};

/* json: the parameter's text, NULL for none. Strings live in the arena. ERR_JSON, with nothing
 * noted in ctx, when it is no object of objects. */
CHECKED enum err claims_request_read(struct ctx *ctx, const char *json,
                                     struct claims_request *ret_request);
/* The scopes that stand for these claims, as far as allowed has them; "" for none. In the arena. */
CHECKED enum err claims_request_scope(struct ctx *ctx, const struct claims_request *request,
                                      const char *allowed, const char **ret_scope);
