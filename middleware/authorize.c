/* May this caller use this route: scope of tokens and keys, role of users. */
#include <string.h>

#include "app/routes.h"
#include "middleware/middleware.h"

/* True when the space-separated list holds the word. */
static bool has_scope(const char *list, const char *word)
{
    const size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static const char *role_word(enum role role)
{
    return role == ROLE_OWNER ? "owner" : role == ROLE_ADMIN ? "admin" : "user";
}

enum err mw_authorize(struct request *req, struct response *res)
{
    const struct route *route = req->route;
    const struct identity *who = &req->ctx.who;
    const char *scope = route->scope;

    (void)res;
    if (who->credential == CREDENTIAL_NONE || (route->auth & AUTH_PUBLIC) != 0)
        return ERR_OK;
    if ((route->auth & AUTH_NO_CLIENTS) != 0 && who->client_id != NULL)
        return fail(&req->ctx, ERR_SCOPE, NULL,
                    "Tokens of OAuth clients are not accepted here; sign in.");
    if (who->credential == CREDENTIAL_KEY && route->key_scope != NULL)
        scope = route->key_scope;
    if (scope != NULL && who->credential != CREDENTIAL_SESSION && !has_scope(who->scope, scope))
        return fail(&req->ctx, ERR_SCOPE, NULL, "This needs the scope \"%s\".", scope);
    if (who->credential == CREDENTIAL_KEY || route->role == ROLE_UNSET)
        return ERR_OK;
    if (who->role < route->role)
        return fail(&req->ctx, ERR_ROLE, NULL, "This needs the role \"%s\".",
                    role_word(route->role));
    return ERR_OK;
}
