/* The ID token beside the access token of a grant with openid (OIDC Core §3.1.3.3, §12.2). */
#include "models/claims_request.h"
#include "models/grant_internal.h"
#include "models/id_token.h"
#include "models/scope.h"

enum err grant_add_id_token(struct ctx *ctx, const struct oauth_client *client,
                            const struct user *user, const struct grant *grant,
                            struct token_pair *pair)
{
    struct claims_request asked;
    struct id_token_terms terms = {
        .client = client,
        .user = user,
        .auth_time = grant->auth_time / 1000,
        .nonce = grant->generation > 1 ? NULL : grant->nonce, /* refreshed ones have none */
        .access_token = pair->access_token,
        .sid = uuid_is_zero(&grant->session_id) ? NULL : &grant->session_id,
    };

    /* Without a time of sign-in it came from no authorization endpoint. */
    if (client == NULL || grant->auth_time == 0 || !scope_has(grant->scope, SCOPE_OPENID))
        return ERR_OK;
    TRY(claims_request_read(ctx, grant->claims, &asked));
    terms.claims = asked.id_token;
    terms.claims_scope = grant->claims_scope;
    return id_token_sign(ctx, &terms, &pair->id_token);
}
