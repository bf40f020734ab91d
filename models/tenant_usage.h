/*
 * The counters of a tenant in "tenant_usage": users (with those that are inactive), inactive users,
 * active owners. users is reserved ahead of a sign-up (models/tenant_limits.c); everything else
 * changes inside the transaction of the change that it counts, so that the counters are exact and
 * two changes that would together remove the last owner conflict. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/tenant_records.h"

struct usage_change {
    int64_t users, inactive_users, owners; /* how many more, or with a minus less */
};

/* What is made and ended in one transaction with its counter. */
enum tenant_uses { TENANT_USES_UNSET = 0, TENANT_USES_KEYS, TENANT_USES_CLIENTS };

/* Within the transaction that makes one: ERR_PLAN_LIMIT when the plan's number is reached. */
CHECKED enum err tenant_usage_take(struct ctx *ctx, enum tenant_uses what);
/* Within the transaction that ends one. */
CHECKED enum err tenant_usage_give_back(struct ctx *ctx, enum tenant_uses what);
/* Housekeeping: there were counted and are there; nothing when somebody changes it meanwhile, for
 * object and counter change together: one that is still as it was read was wrong then. */
CHECKED enum err tenant_usage_settle(struct ctx *ctx, enum tenant_uses what, int64_t counted,
                                     int64_t there);

/* Within a transaction, before the users themselves are written. ERR_LAST_OWNER when no active
 * owner would be left. */
CHECKED enum err tenant_usage_change(struct ctx *ctx, const struct usage_change *change);
/* Users, inactive users and active owners of the ctx's tenant as they are, not as counted. */
CHECKED enum err tenant_usage_count(struct ctx *ctx, struct tenant_usage *ret_usage);
/* False while a place reserved for a sign-up may still be unused: then users may count too many. */
CHECKED enum err tenant_usage_is_settled(struct ctx *ctx, bool *ret_settled);
/* Housekeeping: corrects the counters of the ctx's tenant by what is there, but not while a place
 * reserved for a sign-up may still be unused. */
CHECKED enum err tenant_recount_users(struct ctx *ctx);
