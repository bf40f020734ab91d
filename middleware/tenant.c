/* Decides the tenant from the hints, before any credential is looked at. */
#include "app/app.h"
#include "app/limit.h"
#include "app/routes.h"
#include "app/tenant_hints.h"
#include "middleware/middleware.h"
#include "models/audit.h"

/* Audited once a minute per tenant: the refusal itself must not become a way to fill the log. */
static enum err audit_conflict(struct request *req, const struct tenant *tenant)
{
    const struct failure failure = req->ctx.failure;
    const struct limit_rule once_a_minute = {.count = 1, .seconds = 60};
    struct limit_result result;

    limit_take(req->ctx.app->limiter, LIMIT_AUDIT, tenant->id.bytes, sizeof tenant->id.bytes,
               &once_a_minute, &result);
    if (!result.allowed)
        return ERR_OK;
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);

    const enum err written = audit_write(&req->ctx, "tenant.conflict", "failed", NULL, NULL);

    ctx_set_tenant(&req->ctx, NULL, NULL);
    req->ctx.failure = failure;
    return written;
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
        TRY(audit_conflict(req, hint->tenant));
    TRY(decided);
    if (hint == NULL)
        return ERR_OK;
    req->hint = hint->kind;
    ctx_set_tenant(&req->ctx, hint->tenant, &hint->tenant->id);
    return ERR_OK;
}
