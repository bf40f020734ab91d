/*
 * What UserInfo and ID tokens say about a user (OIDC Core §5.1): the standard claims that the
 * granted scopes stand for (§5.4), with their JSON types, what the claims parameter asked for by
 * name, and what the tenant maps from custom fields (setting "claims"). Ours are name, user name,
 * address and times; the others of the profile, address and phone_number come from custom fields
 * of the same names. What is empty, or of another type than the claim, is left out. Any thread.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"
#include "app/schema.h"
#include "app/shape.h"
#include "models/user.h"

struct claims_wanted {
    const char *scope;       /* as granted; NULL: none of it */
    struct strs names;       /* asked for one by one (the claims parameter, OIDC Core §5.5) */
    const char *names_scope; /* and given as far as these scopes would give them; NULL: none */
    bool legacy;             /* a token without openid: username and created_at too (api.md §11) */
};

/* Appends ,"name":value for each claim; out holds the object's first member already. sub is the
 * caller's. The ctx's tenant tells what is mapped. */
CHECKED enum err claims_write(struct ctx *ctx, const struct user *user,
                              const struct claims_wanted *wanted, struct buf *out);
/* The scope that gives a claim; NULL: it is none of a user. The ctx's tenant tells what is mapped.
 */
const char *claims_scope(const struct ctx *ctx, const char *name);
/* The names of the standard claims that may be asked for, sub among them. */
struct strs claims_supported(void);

/* The setting "claims", {"department": "custom_fields.department"}: names that are the protocol's
 * or the service's own, sources that are no custom field, and such that users may not see, are
 * refused (TI-15). */
CHECKED enum err claims_check_setting(struct ctx *ctx, const struct bytes *map);
/* Whether a schema would hide what that setting gives out: ERR_SCHEMA. */
CHECKED enum err claims_check_shape(struct ctx *ctx, const struct bytes *map,
                                    const struct shape *shape);
