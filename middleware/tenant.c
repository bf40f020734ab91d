/* Decides the tenant from the hints, before any credential is looked at. */
#include "app/routes.h"
#include "app/tenant_hints.h"
#include "middleware/middleware.h"
#include "models/audit_refusals.h"

/* The tenant of the first hint is told. */
static void audit_conflict(struct request *req, const struct tenant *tenant)
{
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    audit_refusal(&req->ctx, "tenant.conflict", NULL, NULL);
    ctx_set_tenant(&req->ctx, NULL, NULL);
}

enum err mw_tenant(struct request *req, struct response *res)
{
    struct tenant_hints hints;
    const struct tenant_hint *hint = NULL;

    (void)res;
    if (req->route->tenant == TENANT_IGNORED)
        return ERR_OK;
    TRY(tenant_hints_collect(req, &hints));

    const enum err decided = tenant_hints_decide(req, &hints, &hint);

    if (decided == ERR_TENANT_CONFLICT)
        audit_conflict(req, hint->tenant);
    TRY(decided);
    if (hint == NULL)
        return ERR_OK;
    req->hint = hint->kind;
    ctx_set_tenant(&req->ctx, hint->tenant, &hint->tenant->id);
    return ERR_OK;
}
