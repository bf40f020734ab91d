/*
 * CORS: which pages of other origins may read an answer. Public documents (GET routes that
 * ignore credentials) answer any origin; other routes the service's own, and those that the tenant
 * of the request allows; pages none. Never with credentials: cookies do not travel this way.
 *
 * Where a token or a client counts, the origins of the redirect URIs of the tenant's clients count
 * too: their pages have nothing but tokens. Writes with cookies are not theirs (csrf.c).
 *
 * A preflight names no tenant in headers and has no credential. Where host and path name one its
 * origins count; else those that any tenant allows, since only the request that follows tells whose
 * it is, and its answer carries the header or not.
 */
#include "middleware/middleware.h"

#include "app/routes.h"
#include "app/tenant_hints.h"
#include "middleware/origin.h"
#include "models/client_origins.h"
#include "models/tenant_origin.h"

static const char exposed[] =
    "X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, ETag, Location, WWW-Authenticate, Idempotency-Replayed";
static const char accepted[] = "Authorization, Content-Type, X-Tenant-Slug, X-Tenant-ID, "
                               "X-Access-Key, If-Match, Idempotency-Key";

/* Discovery, keys, health: the same for everybody. */
static bool is_public_document(const struct request *req)
{
    return (req->route->auth & AUTH_IGNORE) != 0 && req->route->method == GET;
}

static bool is_readable(const struct request *req)
{
    return req->route != NULL && (req->route->flags & ROUTE_PAGE) == 0;
}

/* Errors are those of the request that follows, not of the preflight. */
static enum err tenant_of_preflight(struct request *req, const struct tenant **ret_tenant)
{
    struct tenant_hints hints;
    const struct tenant_hint *hint = NULL;
    enum err err = tenant_hints_collect(req, &hints);

    if (err == ERR_OK)
        err = tenant_hints_decide(req, &hints, &hint);
    fail_clear(&req->ctx);
    *ret_tenant = err == ERR_OK && hint != NULL ? hint->tenant : NULL;
    return err;
}

static bool is_of_client(struct request *req, const struct tenant *tenant, const char *origin)
{
    return (req->route->auth & (AUTH_BEARER | AUTH_CLIENT)) != 0 &&
           client_origin_is_registered(&req->ctx, &tenant->id, origin);
}

/* Each origin that nobody knows costs a read: an address has as many as of unknown tenants. */
static bool is_anybodys(struct request *req, const char *origin)
{
    tenant_look_ups_begin(&req->ctx);

    const bool is_known = tenant_origin_is_known(&req->ctx, origin);

    tenant_look_ups_end(&req->ctx, is_known);
    return is_known;
}

static bool preflight_is_allowed(struct request *req, const char *origin)
{
    const struct tenant *tenant = NULL;

    if (origin_is_own(req, origin) || origin_is_local(req, origin))
        return true;
    if (req->route->tenant == TENANT_IGNORED || tenant_of_preflight(req, &tenant) != ERR_OK)
        return false;
    if (tenant == NULL)
        return is_anybodys(req, origin);
    return tenant_allows_origin(tenant, origin) || is_of_client(req, tenant, origin);
}

static void answer_preflight(struct request *req, struct response *res, const char *origin)
{
    const bool is_public = is_public_document(req);

    if (!is_public && !preflight_is_allowed(req, origin))
        return;
    response_header(res, "Access-Control-Allow-Origin", is_public ? "*" : origin);
    response_header(res, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    response_header(res, "Access-Control-Allow-Headers", accepted);
    response_header(res, "Access-Control-Max-Age", "600");
}

enum err mw_cors(struct request *req, struct response *res)
{
    const char *origin = request_header(req, "Origin");

    if (!is_readable(req))
        return ERR_OK;
    if (!is_public_document(req))
        response_header(res, "Vary", "Origin");
    if (req->method != OPTIONS || origin == NULL ||
        request_header(req, "Access-Control-Request-Method") == NULL)
        return ERR_OK;
    answer_preflight(req, res, origin);
    return respond_empty(res, 204);
}

/* A refusal may come before the tenant is known: its page must still be able to read why. */
static bool answer_is_allowed(struct request *req, const char *origin)
{
    if (origin_is_own(req, origin) || origin_is_allowed(req, origin))
        return true;
    if (req->ctx.tenant != NULL)
        return is_of_client(req, req->ctx.tenant, origin);
    return req->route->tenant != TENANT_IGNORED && is_anybodys(req, origin);
}

void mw_cors_answer(struct request *req, struct response *res)
{
    const char *origin = request_header(req, "Origin");

    if (!is_readable(req) || req->method == OPTIONS)
        return;
    if (is_public_document(req))
        response_header(res, "Access-Control-Allow-Origin", "*");
    else if (origin != NULL && answer_is_allowed(req, origin))
        response_header(res, "Access-Control-Allow-Origin", origin);
    else
        return;
    if (origin != NULL)
        response_header(res, "Access-Control-Expose-Headers", exposed);
}
