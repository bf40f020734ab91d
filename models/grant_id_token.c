/* The ID token beside the access token of a grant with openid (OIDC Core §3.1.3.3, §12.2). */
#include <string.h>

#include "app/json.h"
#include "app/value.h"
#include "models/grant_internal.h"
#include "models/id_token.h"
#include "models/scope.h"

/* The names below a member of the parameter "claims" (OIDC Core §5.5); its text was checked when it
 * came. */
static enum err claims_asked(struct ctx *ctx, const char *json, const char *member,
                             struct strs *ret_names)
{
    struct value root = {0};

    *ret_names = (struct strs){0};
    if (json == NULL)
        return ERR_OK;
    TRY(json_parse(ctx, json, strlen(json), &root));

    const struct value *names = value_get(&root, member);

    if (names == NULL || names->type != VALUE_OBJECT || names->object.count == 0)
        return ERR_OK;
    ret_names->items = arena_array(ctx->arena, names->object.count, sizeof *ret_names->items);
    if (ret_names->items == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the names of claims");
    for (size_t i = 0; i < names->object.count; i++)
        ret_names->items[ret_names->count++] = names->object.members[i].name;
    return ERR_OK;
}

enum err grant_add_id_token(struct ctx *ctx, const struct oauth_client *client,
                            const struct user *user, const struct grant *grant,
                            struct token_pair *pair)
{
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
    TRY(claims_asked(ctx, grant->claims, "id_token", &terms.claims));
    return id_token_sign(ctx, &terms, &pair->id_token);
}
