/*
 * Origins whose pages may call a tenant's API (api.md §11): what may be stored in allowed_origins,
 * and whether an Origin is one of them. Text is compared byte by byte, so it is stored in the form
 * in which browsers send it. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/ctx.h"
#include "models/tenant.h"

/* field_check_fn: NULL when it is scheme, host and perhaps port, in lower case. */
const char *tenant_origin_check(const char *text);
/* Brings checked origins into the form of browsers (no default port). ERR_VALIDATION names the
 * item: outside development plain http is for the own machine only. */
CHECKED enum err tenant_origins_settle(struct ctx *ctx, struct strs *origins);

/* Whether the text of an Origin header is one of the tenant's allowed_origins. */
bool tenant_allows_origin(const struct tenant *tenant, const char *origin);
/* Whether any active tenant allows it: for requests that do not say whose they are. Cached. Errors
 * count as no. */
bool tenant_origin_is_known(struct ctx *ctx, const char *origin);
/* Loader for app->origins. */
enum err tenant_load_by_origin(struct ctx *ctx, const void *key, size_t size,
                               const void **ret_data);
