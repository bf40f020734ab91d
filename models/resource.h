/*
 * Resource indicators (RFC 8707): for which service a token is, where that is not this one. A
 * tenant's setting "resources" names those that there are; a token's aud is what was asked for of
 * them, with the issuer beside it where openid was granted, so that UserInfo takes it. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

#define RESOURCE_BYTES 255
#define RESOURCES_MAX  5  /* of one request */
#define RESOURCES_SET  50 /* of a tenant */

/* A field's check: NULL when it is an absolute URI without a fragment, else what is allowed. */
const char *resource_check(const char *text);
/* All values of the parameter "resource" of a form or query, each once, in the arena. ERR_TARGET
 * when one is none of the tenant's, which its issuer always is. */
CHECKED enum err resources_read(struct ctx *ctx, const struct value *form, struct strs *ret);
/* Every one of wanted is among granted; where granted has none, nothing was said before. */
bool resources_are_within(const struct strs *wanted, const struct strs *granted);
/* Those that the tenant still names, its issuer among them. */
CHECKED enum err resources_named(struct ctx *ctx, const struct strs *list, struct strs *ret);
/* Both, each once. */
CHECKED enum err resources_unite(struct ctx *ctx, const struct strs *a, const struct strs *b,
                                 struct strs *ret);
