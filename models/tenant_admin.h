/* What only the platform may: find among all tenants, and change what their owners cannot. */
#pragma once

#include "app/ctx.h"
#include "models/tenant.h"

/* Where a page of a search goes on: behind this tenant, in the first or second part. */
struct tenant_position {
    bool by_name;
    const char *slug; /* NULL = the beginning */
};

struct tenant_search {
    const char *prefix; /* of slug or name, any case; NULL = all */
    int status;         /* TENANT_STATUS_UNSET = all that are not gone */
    int plan;           /* PLAN_UNSET = any */
    int64_t limit;
    struct tenant_position after;
};

/* One page: first those whose slug begins so, by slug, then those whose name does, by name. Each
 * part is read in the order of an index. ret_next->slug is NULL on the last page. list of struct
 * tenant. */
CHECKED enum err tenant_search(struct ctx *ctx, const struct tenant_search *search,
                               struct list *ret_tenants, struct tenant_position *ret_next);
/* Users of each tenant of the list, in its order. */
CHECKED enum err tenant_search_users(struct ctx *ctx, const struct list *tenants,
                                     int64_t *ret_users);

struct tenant_change {
    const char *name; /* NULL = unchanged */
    const char *industry;
    bool has_industry; /* changed; NULL clears it */
    bool discoverable, has_discoverable;
    int plan; /* PLAN_UNSET = unchanged */
    struct tenant_overrides limits;
    uint64_t limits_mask; /* fields of tenant_overrides_schema; those without a value are cleared */
};

/* Changes the ctx's tenant, with its audit row. ERR_CONFLICT when it is being removed. */
CHECKED enum err tenant_change(struct ctx *ctx, const struct tenant_change *change,
                               struct tenant *ret_tenant);
