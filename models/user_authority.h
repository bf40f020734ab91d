/*
 * Who may change whom among the users of a tenant: owner > admin > user; nobody reaches above
 * themselves. An access key makes and changes users and nobody above. Asked within the transaction
 * of the change, so that an administrator who was just demoted no longer changes anybody. Any
 * thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

struct authority {
    enum role role;
    struct uuid user_id; /* zero: a key, or the operator, who may what owners may */
};

/* Of the ctx's caller, read again. ERR_ROLE below admin; ERR_BAD_TOKEN when the account ended. */
CHECKED enum err user_authority(struct ctx *ctx, struct authority *ret_authority);
/* For work that outlasts a request: the tenant as it is by now becomes the ctx's, and the caller
 * must still be who they were, with at least that role. ERR_TENANT_NOT_FOUND, ERR_BAD_KEY,
 * ERR_BAD_TOKEN, ERR_ROLE. */
CHECKED enum err user_authority_lasts(struct ctx *ctx, enum role least);
/* ERR_ROLE: only owners change owners. */
CHECKED enum err user_authority_over(struct ctx *ctx, const struct authority *authority,
                                     const struct user *target);
/* The caller may give this role to somebody new. ERR_ROLE_NOT_GRANTED. */
CHECKED enum err user_authority_to_give(struct ctx *ctx, enum role role);
bool user_authority_is_self(const struct authority *authority, const struct user *target);
