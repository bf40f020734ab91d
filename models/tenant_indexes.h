/* Uniqueness exists only as an index: a tenant's are looked at once by each process (OP-4). */
#pragma once

#include "app/ctx.h"
#include "models/tenant.h"

/* Costs a look into a small table after the first call for a tenant. A missing index is built
 * again; when it cannot be (duplicates came in meanwhile), the tenant's requests fail with the
 * reason in the log. */
CHECKED enum err tenant_indexes_check(struct ctx *ctx, const struct tenant *tenant);
