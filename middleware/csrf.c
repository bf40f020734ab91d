/*
 * Cross-site writes (api.md §11): a request that sets or uses a cookie is refused when the browser
 * says that another site sent it. Programs send neither Origin nor Sec-Fetch-Site and pass.
 */
#include "middleware/middleware.h"

#include <string.h>

#include "app/form.h"
#include "app/routes.h"
#include "middleware/origin.h"

static bool header_is(const struct request *req, const char *name, const char *value)
{
    const char *sent = request_header(req, name);

    return sent != NULL && strcmp(sent, value) == 0;
}

/* A link on another site that a person followed. */
static bool is_top_level_get(const struct request *req)
{
    return req->method == GET && request_header(req, "Origin") == NULL &&
           (request_header(req, "Sec-Fetch-Mode") == NULL ||
            (header_is(req, "Sec-Fetch-Mode", "navigate") &&
             header_is(req, "Sec-Fetch-Dest", "document")));
}

/* As the handler will read it: a form has more than one way to write a name. What cannot be read is
 * no request of another site either; dispatch refuses it. */
static bool is_decision(struct request *req)
{
    struct value form = {0};

    if (req->method == GET || req->body_size == 0)
        return false;
    return form_parse_repeats(&req->ctx, req->body, req->body_size, &form) != ERR_OK ||
           value_get(&form, "confirm") != NULL;
}

/* Other sites send browsers here with their requests; what a person decided comes from our page. */
static bool is_authorization_request(struct request *req)
{
    return (req->route->flags & ROUTE_AUTHORIZATION) != 0 && !is_decision(req);
}

enum err mw_csrf(struct request *req, struct response *res)
{
    const char *origin = request_header(req, "Origin");

    (void)res;
    if (!req->ctx.who.from_cookie && (req->route->flags & ROUTE_SETS_COOKIE) == 0)
        return ERR_OK;
    if (is_top_level_get(req) || is_authorization_request(req))
        return ERR_OK;
    if (origin != NULL) {
        if (origin_is_own(req, origin) || origin_is_allowed(req, origin))
            return ERR_OK;
        return fail_internal(&req->ctx, ERR_CROSS_SITE,
                             "Origin is \"%s\", the request went to \"%s\"", origin,
                             req->authority != NULL ? req->authority : "");
    }
    if (header_is(req, "Sec-Fetch-Site", "cross-site"))
        return fail_internal(&req->ctx, ERR_CROSS_SITE, "Sec-Fetch-Site is cross-site");
    return ERR_OK;
}
