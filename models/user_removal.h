/*
 * The end of accounts. Whoever closes their own account is out at once, everywhere; for seven days
 * an administrator of the tenant can take it back by making it active (signing in cannot), then
 * housekeeping removes it. What waits stands in "user_removals", one small document each, so that
 * no tenant is searched for it. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/user.h"

#define USER_REMOVAL_GRACE_MS (INT64_C(7) * 24 * 3600 * 1000)

/* An account that is to be removed. Two tenants may have users of the same id (imported ones bring
 * theirs), so _id is made of both ids; that of a version before is the user's. */
struct user_removal {
    struct uuid id;
    struct uuid tenant_id;
    struct uuid user_id;
    int64_t due_at;
};

/* Global: housekeeping asks it for all tenants at once. */
extern const struct schema user_removal_schema;

/* The account of the ctx's caller, whose login must be fresh (models/fresh_login.h). ret_user has
 * deletion_at. ERR_LAST_OWNER, ERR_LOGIN_REQUIRED. */
CHECKED enum err user_close_own(struct ctx *ctx, struct user *ret_user);
/* Within a transaction: the closed account goes then. */
CHECKED enum err user_removal_put(struct ctx *ctx, const struct uuid *user_id, int64_t due_at);
/* Within a transaction: the account stays after all. */
CHECKED enum err user_removal_cancel(struct ctx *ctx, const struct uuid *user_id);
/* Within a transaction: the user as just read goes, with everything that is theirs, and is audited
 * as "user.deleted"; rows of the audit log stay. ERR_LAST_OWNER. */
CHECKED enum err user_remove(struct ctx *ctx, const struct user *user, const char *reason);
/* Housekeeping: removes closed accounts of any tenant whose time has come, some at a time. */
CHECKED enum err user_remove_due(struct ctx *ctx, int64_t *ret_removed);
