/*
 * CORS: which pages of other origins may read an answer. Public documents (GET routes that
 * ignore credentials) answer any origin; other routes the allowed ones; pages none. Never with
 * credentials: cookies do not travel this way.
 */
#include "middleware/middleware.h"

#include "app/routes.h"
#include "middleware/origin.h"

static const char exposed[] =
    "X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, ETag, Location, WWW-Authenticate";
static const char accepted[] = "Authorization, Content-Type, X-Tenant-Slug, X-Tenant-ID, "
                               "X-Access-Key, If-Match, Idempotency-Key";

/* Discovery, keys, health: the same for everybody. */
static bool is_public_document(const struct request *req)
{
    return (req->route->auth & AUTH_IGNORE) != 0 && req->route->method == GET;
}

static const char *allowed_origin(struct request *req, const char *origin)
{
    if (is_public_document(req))
        return "*";
    if (origin != NULL && (origin_is_own(req, origin) || origin_is_allowed(req, origin)))
        return origin;
    return NULL;
}

static void answer_preflight(struct response *res)
{
    response_header(res, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    response_header(res, "Access-Control-Allow-Headers", accepted);
    response_header(res, "Access-Control-Max-Age", "600");
}

enum err mw_cors(struct request *req, struct response *res)
{
    const char *origin = request_header(req, "Origin");
    bool is_preflight = req->method == OPTIONS && origin != NULL &&
                        request_header(req, "Access-Control-Request-Method") != NULL;
    const char *allowed;

    if (req->route == NULL || (req->route->flags & ROUTE_PAGE) != 0)
        return ERR_OK;
    allowed = allowed_origin(req, origin);
    if (!is_public_document(req))
        response_header(res, "Vary", "Origin");
    if (allowed != NULL) {
        response_header(res, "Access-Control-Allow-Origin", allowed);
        if (is_preflight)
            answer_preflight(res);
        else if (origin != NULL)
            response_header(res, "Access-Control-Expose-Headers", exposed);
    }
    return is_preflight ? respond_empty(res, 204) : ERR_OK;
}
