/* May this caller use this route: scope of tokens and keys, role of users. */
#include "app/routes.h"
#include "middleware/middleware.h"
#include "models/scope.h"

static const char *role_word(enum role role)
{
    return role == ROLE_OWNER ? "owner" : role == ROLE_ADMIN ? "admin" : "user";
}

enum err mw_authorize(struct request *req, struct response *res)
{
    const struct route *route = req->route;
    struct identity *who = &req->ctx.who;
    const char *scope = route->scope;

    (void)res;
    if (who->credential == CREDENTIAL_NONE || (route->auth & AUTH_PUBLIC) != 0)
        return ERR_OK;
    if ((route->auth & AUTH_NO_CLIENTS) != 0 && who->client_id != NULL)
        return fail(&req->ctx, ERR_SCOPE, NULL,
                    "Tokens of OAuth clients are not accepted here; sign in.");
    if (who->credential == CREDENTIAL_KEY && route->key_scope != NULL)
        scope = route->key_scope;
    if (scope != NULL && who->credential != CREDENTIAL_SESSION && !scope_has(who->scope, scope))
        return fail(&req->ctx, ERR_SCOPE, NULL, "This needs the scope \"%s\".", scope);
    if (who->credential == CREDENTIAL_KEY || route->role == ROLE_UNSET)
        return ERR_OK;
    if (who->role < route->role)
        return fail(&req->ctx, ERR_ROLE, NULL, "This needs the role \"%s\".",
                    role_word(route->role));
    who->as_admin = route->role >= ROLE_ADMIN;
    return ERR_OK;
}
