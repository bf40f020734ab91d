/*
 * Figures of the whole platform. Counted are tenants, by an index, and the rows of tenant_usage:
 * of both there are never more than tenants.max_collections, whatever their users do. No collection
 * of a tenant is looked at.
 */
#pragma once

#include "app/ctx.h"
#include "models/tenant.h"

struct platform_stats {
    int64_t by_status[TENANT_PURGING + 1];
    int64_t by_plan[PLAN_COUNT]; /* of those that are not gone */
    int64_t users, inactive_users;
    int64_t places, bound;
    int64_t logins, login_failures, lockouts; /* since the installation began */
};

CHECKED enum err platform_stats_read(struct ctx *ctx, struct platform_stats *ret_stats);

/* What this process has added to the platform's counters so far. */
struct platform_flushed {
    int64_t logins, login_failures, lockouts;
};

/* Housekeeping of every instance: adds what its metrics counted since the last time. A process that
 * is killed takes the last seconds with it. */
CHECKED enum err platform_stats_flush(struct ctx *ctx, struct platform_flushed *flushed);
