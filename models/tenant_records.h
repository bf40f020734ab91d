/* The small documents beside a tenant's own: what it uses, and the domains it claims. Models only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/uuid.h"

/* Counters that plans limit; never cached. _id is the tenant's. */
struct tenant_usage {
    struct uuid tenant_id;
    int64_t users;
    int64_t inactive_users;
    int64_t access_keys; /* that were neither replaced nor deleted; changes with them */
    int64_t clients;     /* of OAuth; changes with them */
    int64_t owners;      /* active ones; absent in documents of versions before it was counted */
    bool has_owners;
};

struct tenant_domain {
    struct uuid id;
    struct uuid tenant_id;
    const char *domain;
    const char *verified_domain; /* the same once proven; unique; absent while pending */
    const char *status;          /* pending, verified */
    const char *challenge;       /* what the owner must publish */
    int64_t created_at;
};

CHECKED enum err tenant_usage_get(struct ctx *ctx, struct tenant_usage *ret_usage);
