/* What was refused before a handler could say so in the audit log: R004-57, ASVS 16.3. */
#include "middleware/middleware.h"

#include "app/routes.h"
#include "models/audit_refusals.h"

/* Routes for administrators, keys and the platform: knocking there is worth a row. */
static bool is_guarded(const struct route *route)
{
    return route->role >= ROLE_ADMIN || (route->auth & (AUTH_KEY | AUTH_PLATFORM)) != 0;
}

static const struct uuid *known_user(const struct request *req)
{
    return uuid_is_zero(&req->ctx.who.user_id) ? NULL : &req->ctx.who.user_id;
}

void mw_refused(struct request *req, enum err code)
{
    struct ctx *ctx = &req->ctx;

    if (req->route == NULL || ctx->tenant == NULL)
        return;
    switch ((int)code) {
    case ERR_TENANT_MISMATCH: /* whose credential it is, is another tenant's business */
        audit_refusal(ctx, "tenant.mismatch", NULL, NULL);
        break;
    case ERR_RATE_LIMITED:
        audit_refusal(ctx, "rate.limited", NULL, known_user(req));
        break;
    case ERR_UNAUTHENTICATED:
    case ERR_BAD_TOKEN:
    case ERR_BAD_KEY:
    case ERR_SCOPE:
    case ERR_ROLE:
    case ERR_CROSS_SITE:
        if (is_guarded(req->route))
            audit_refusal(ctx, "access.denied", error_info(code)->code, known_user(req));
        break;
    default:
        break;
    }
}
