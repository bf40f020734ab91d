/* Names of the tenants' cookies hold the slug, which keeps tenants of one host apart. */
#include "app/cookies.h"

#include <string.h>

#include "models/tenant.h"

#define REFRESH_ROUTE "/auth/refresh"

enum err cookie_name(struct request *req, const char *kind, const char *slug, const char **ret_name)
{
    /* The refresh cookie has a Path of its own, which __Host- forbids. */
    const char *prefix = !req->https ? "" : strcmp(kind, "refresh") == 0 ? "__Secure-" : "__Host-";

    *ret_name = arena_printf(req->ctx.arena, "%s%s-%s", prefix, kind, slug);
    return *ret_name == NULL ? ERR_MEMORY : ERR_OK;
}

/* The refresh route as this client addresses it: with the prefix that named its tenant, if one did.
 */
static enum err refresh_path(struct request *req, const char **ret_path)
{
    const size_t routed = strlen(req->routed_path), sent = strlen(req->path);

    if (sent >= routed && strcmp(req->path + sent - routed, req->routed_path) == 0)
        *ret_path =
            arena_printf(req->ctx.arena, "%.*s" REFRESH_ROUTE, (int)(sent - routed), req->path);
    else
        *ret_path = REFRESH_ROUTE;
    return *ret_path == NULL ? ERR_MEMORY : ERR_OK;
}

enum err tenant_cookie_set(struct request *req, struct response *res, const char *kind,
                           const char *value, int64_t max_age)
{
    struct cookie cookie = {.value = value, .path = "/", .max_age = max_age, .secure = req->https};

    TRY(cookie_name(req, kind, req->ctx.tenant->slug, &cookie.name));
    if (strcmp(kind, "refresh") == 0)
        TRY(refresh_path(req, &cookie.path));
    return response_cookie(req, res, &cookie);
}

enum err tenant_cookie_get(struct request *req, const char *kind, const char **ret_value)
{
    const char *name = NULL;

    *ret_value = NULL;
    if (req->ctx.tenant == NULL)
        return ERR_OK;
    TRY(cookie_name(req, kind, req->ctx.tenant->slug, &name));

    const char *value = request_cookie(req, name);

    *ret_value = value != NULL && value[0] != '\0' ? value : NULL;
    return ERR_OK;
}

enum err caller_cookies_expire(struct request *req, struct response *res)
{
    if (req->ctx.who.credential == CREDENTIAL_SESSION)
        return tenant_cookie_set(req, res, "session", "", 0);
    if (!req->ctx.who.from_cookie)
        return ERR_OK;
    TRY(tenant_cookie_set(req, res, "access", "", 0));
    return tenant_cookie_set(req, res, "refresh", "", 0);
}
