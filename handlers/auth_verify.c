/* The gateway's question: who is this, and may they. Whatever is asked beyond a good credential is
 * 403, so that a gateway can tell "sign in" from "you may not". */
#include "handlers/auth_verify.h"

#include "models/oauth_client.h"
#include "models/scope.h"
#include "models/user.h"

struct auth_verify_query {
    const char *scope;
    int role; /* enum role */
};

/* clang-format off */
static const struct field auth_verify_query_fields[] = {
    FIELD_STR(struct auth_verify_query, scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE, .doc = "Scopes that the credential must have, with blanks between; a session has those of its user's role. 403 without one of them."),
    FIELD_ENUM(struct auth_verify_query, role, "role", F_NONE, role_names, .doc = "The least role that the user must have; a token without a user has none. 403 below it."),
};
const struct schema auth_verify_query_schema = {
    .name = "auth_verify_query", .size = sizeof(struct auth_verify_query), SCHEMA_FIELDS(auth_verify_query_fields),
};
/* clang-format on */

static enum err check(struct request *req, const struct auth_verify_query *query)
{
    const struct identity *who = &req->ctx.who;
    const char *wanted = NULL, *missing = NULL;

    if (query->scope != NULL) {
        TRY(scope_normalise(&req->ctx, query->scope, &wanted));
        TRY(scope_missing(&req->ctx, wanted, who->scope, &missing));
    }
    if (missing != NULL)
        return fail(&req->ctx, ERR_SCOPE, NULL, "This needs the scope \"%s\".", missing);
    if ((int)who->role < query->role)
        return fail(&req->ctx, ERR_ROLE, NULL, "This needs the role \"%s\".",
                    role_names[query->role]);
    return ERR_OK;
}

/* What is not known is not said: a gateway then sends its application an empty header, not one of
 * the caller's. */
static void tell(struct request *req, struct response *res)
{
    const struct identity *who = &req->ctx.who;
    char *id = arena_alloc(req->ctx.arena, UUID_TEXT_SIZE);
    char *user = arena_alloc(req->ctx.arena, UUID_TEXT_SIZE);

    if (id == NULL || user == NULL)
        return;
    uuid_text(&req->ctx.tenant_id, id);
    response_header(res, "X-Tenant-Id", id);
    response_header(res, "X-Scope", who->scope);
    if (who->client_id != NULL)
        response_header(res, "X-Client-Id", who->client_id);
    if (uuid_is_zero(&who->user_id))
        return;
    uuid_text(&who->user_id, user);
    response_header(res, "X-User-Id", user);
    response_header(res, "X-Role", role_names[who->role]);
}

enum err handle_auth_verify(struct request *req, struct response *res)
{
    struct auth_verify_query query;

    TRY(request_query_input(req, &query));
    TRY(check(req, &query));
    tell(req, res);
    if (req->ctx.arena->ran_out)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for the headers of a verification");
    response_header(res, "Vary", "Authorization, Cookie");
    return respond_empty(res, 204);
}
