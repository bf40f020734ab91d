/*
 * Collecting what a request says about its tenant (api.md §2). Used by mw_tenant, which decides,
 * and by GET /tenants/resolve, which explains.
 */
#pragma once

#include "app/http.h"
#include "models/tenant.h"

#define TENANT_HINTS_MAX 6

struct tenant_hint {
    enum hint_kind kind;
    const char *value;           /* as understood: slug, id or domain */
    const struct tenant *tenant; /* NULL: names no active tenant */
};

struct tenant_hints {
    struct tenant_hint items[TENANT_HINTS_MAX];
    size_t count;
};

const char *hint_name(enum hint_kind kind); /* "X-Tenant-Slug", "subdomain", … */

/* Between these two what is read from the database for somebody who has proven nothing counts
 * against the address's budget of unknown tenants, unless it is found. */
void tenant_look_ups_begin(struct ctx *ctx);
void tenant_look_ups_end(struct ctx *ctx, bool found);

/* All hints in reporting order. ERR_BAD_HINT for malformed ones; unknown tenants are no error here.
 * A host that is no registered domain gives no hint. */
CHECKED enum err tenant_hints_collect(struct request *req, struct tenant_hints *ret_hints);
/* ERR_TENANT_NOT_FOUND, ERR_TENANT_CONFLICT; *ret_hint is NULL when there is none. */
CHECKED enum err tenant_hints_decide(struct request *req, const struct tenant_hints *hints,
                                     const struct tenant_hint **ret_hint);
