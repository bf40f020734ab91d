/* POST /oauth/revoke (RFC 7009) and /oauth/introspect (RFC 7662): both begin with what a token is.
 */
#include <string.h>

#include "handlers/oauth_token.h"
#include "models/access_token.h"
#include "models/grant.h"
#include "models/oauth_client.h"
#include "models/resource.h"
#include "models/tenant.h"
#include "models/user_name.h"

struct token_text_input {
    const char *token, *token_type_hint;
    const char *client_id, *client_secret;
};

struct introspection {
    bool active;
    const char *client_id, *username, *scope, *token_type, *iss, *sub, *role;
    int64_t exp, iat;
    bool has_exp, has_iat;
    struct strs aud;
    struct uuid tid, jti;
};

/* clang-format off */
static const struct field token_text_input_fields[] = {
    FIELD_STR(struct token_text_input, token, "token", F_WRITE_ONLY, 1, 8192),
    FIELD_STR(struct token_text_input, token_type_hint, "token_type_hint", F_NONE, 1, 64, .doc = "Not needed: tokens tell what they are."),
    FIELD_STR(struct token_text_input, client_id, "client_id", F_NONE, 1, 63),
    FIELD_STR(struct token_text_input, client_secret, "client_secret", F_WRITE_ONLY, 1, 255),
};
const struct schema token_text_input_schema = {
    .name = "token_text_input", .size = sizeof(struct token_text_input), SCHEMA_FIELDS(token_text_input_fields),
};
static const struct field introspection_fields[] = {
    FIELD_BOOL(struct introspection, active, "active", F_REQUIRED | F_ALWAYS),
    FIELD_STR(struct introspection, client_id, "client_id", F_NONE, 1, 63),
    FIELD_STR(struct introspection, username, "username", F_NONE, 1, 254),
    FIELD_STR(struct introspection, scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE),
    FIELD_STR(struct introspection, token_type, "token_type", F_NONE, 1, 16),
    FIELD_INT_OPT(struct introspection, exp, has_exp, "exp", F_NONE, 0, INT64_MAX),
    FIELD_INT_OPT(struct introspection, iat, has_iat, "iat", F_NONE, 0, INT64_MAX),
    FIELD_STR(struct introspection, sub, "sub", F_NONE, 1, 63),
    FIELD_STR(struct introspection, iss, "iss", F_NONE, 1, 2048),
    FIELD_STRS(struct introspection, aud, "aud", F_NONE, 1, 2048, RESOURCES_MAX + 1, .doc = "Whom it is for."),
    FIELD_STR(struct introspection, role, "role", F_NONE, 1, 16),
    FIELD_UUID(struct introspection, tid, "tid", F_NONE, .doc = "The tenant."),
    FIELD_UUID(struct introspection, jti, "jti", F_NONE),
};
const struct schema introspection_schema = {
    .name = "introspection", .size = sizeof(struct introspection), SCHEMA_FIELDS(introspection_fields),
};
/* clang-format on */

static enum err read_token(struct request *req, struct token_text_input *in)
{
    TRY(request_input(req, in));
    return in->token != NULL ? ERR_OK : fail(&req->ctx, ERR_BAD_REQUEST, "token", "Missing: token");
}

/* Three parts make a JWT; a refresh token has two. */
static bool is_access_token(const char *token)
{
    const char *first = strchr(token, '.');

    return first != NULL && strchr(first + 1, '.') != NULL;
}

/* Of the tenant that the client is of; another's is as unknown as one that nobody made. */
static enum err read_access_token(struct request *req, const char *token,
                                  struct token_claims *ret_claims)
{
    const struct tenant *tenant = NULL;

    TRY(access_token_read(&req->ctx, token, ret_claims, &tenant));
    return uuid_equal(&ret_claims->tenant_id, &req->ctx.tenant_id) ? ERR_OK : ERR_BAD_TOKEN;
}

/* --- revocation --- */

static enum err revoke_token(struct request *req, const char *token)
{
    struct token_claims claims;

    if (!is_access_token(token))
        return grant_logout(&req->ctx, token, req->client);
    TRY(read_access_token(req, token, &claims));
    if (strcmp(claims.client_id, req->client->id) != 0)
        return ERR_BAD_TOKEN;
    return access_token_revoke(&req->ctx, &claims);
}

/* A token that is unknown, another client's or dead already is as good as revoked (RFC 7009 §2.2).
 */
enum err handle_oauth_revoke(struct request *req, struct response *res)
{
    struct token_text_input in;

    TRY(read_token(req, &in));

    const enum err revoked = revoke_token(req, in.token);

    if (revoked != ERR_BAD_TOKEN && revoked != ERR_BAD_REFRESH && revoked != ERR_TENANT_MISMATCH)
        TRY(revoked);
    fail_clear(&req->ctx);
    return respond_text(res, 200, "application/json", "{}", 2);
}

/* --- introspection --- */

static enum err add_user(struct request *req, const struct uuid *user_id,
                         struct introspection *answer)
{
    const struct user_name *user = NULL;
    const enum err found = user_name_get(&req->ctx, user_id, &user);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_TOKEN;
    TRY(found);
    answer->username = user->login_name;
    answer->role = role_names[user->role];
    return ERR_OK;
}

static enum err uuid_in_arena(struct request *req, const struct uuid *id, const char **ret_text)
{
    char text[UUID_TEXT_SIZE];

    uuid_text(id, text);
    *ret_text = arena_strdup(req->ctx.arena, text);
    return *ret_text != NULL ? ERR_OK : ERR_MEMORY;
}

/* Whoever takes tokens compares it with its own name. */
static enum err add_audience(struct request *req, const char *token,
                             const struct token_claims *claims, struct introspection *answer)
{
    TRY(tenant_issuer(&req->ctx, req->ctx.tenant, &answer->iss));
    if (claims->has_audience)
        return access_token_audience(&req->ctx, token, &answer->aud);
    answer->aud = (struct strs){.items = &answer->iss, .count = 1};
    return ERR_OK;
}

static enum err inspect_access_token(struct request *req, const char *token,
                                     struct introspection *answer)
{
    struct token_claims *claims = ARENA_NEW(req->ctx.arena, struct token_claims);

    if (claims == NULL)
        return ERR_MEMORY;
    TRY(read_access_token(req, token, claims));
    *answer = (struct introspection){
        .active = true,
        .client_id = claims->client_id[0] != '\0' ? claims->client_id : NULL,
        .scope = claims->scope,
        .token_type = "Bearer",
        .exp = claims->expires_at,
        .iat = claims->issued_at,
        .has_exp = true,
        .has_iat = true,
        .tid = claims->tenant_id,
        .jti = claims->token_id,
        .sub = claims->client_id,
    };
    if (!uuid_is_zero(&claims->user_id)) {
        TRY(uuid_in_arena(req, &claims->user_id, &answer->sub));
        TRY(add_user(req, &claims->user_id, answer));
    }
    return add_audience(req, token, claims, answer);
}

static enum err inspect_refresh_token(struct request *req, const char *token,
                                      struct introspection *answer)
{
    struct grant grant = {0};

    TRY(grant_inspect(&req->ctx, token, req->client, &grant));
    *answer = (struct introspection){
        .active = true,
        .client_id = grant.client_id,
        .scope = grant.scope,
        .token_type = "refresh_token",
        .exp = grant.expires_at / 1000,
        .iat = grant.created_at / 1000,
        .has_exp = true,
        .has_iat = true,
        .tid = grant.tenant_id,
    };
    TRY(uuid_in_arena(req, &grant.user_id, &answer->sub));
    TRY(add_user(req, &grant.user_id, answer));
    return tenant_issuer(&req->ctx, req->ctx.tenant, &answer->iss);
}

enum err handle_oauth_introspect(struct request *req, struct response *res)
{
    struct introspection answer = {.active = false};
    struct token_text_input in;

    if (oauth_client_is_public(req->client))
        return fail_internal(&req->ctx, ERR_INVALID_CLIENT, "introspection needs a client secret");
    TRY(read_token(req, &in));

    const enum err read = is_access_token(in.token) ? inspect_access_token(req, in.token, &answer)
                                                    : inspect_refresh_token(req, in.token, &answer);

    if (read == ERR_BAD_TOKEN || read == ERR_BAD_REFRESH || read == ERR_TENANT_MISMATCH) {
        fail_clear(&req->ctx);
        answer = (struct introspection){.active = false};
    } else {
        TRY(read);
    }
    return respond(req, res, 200, &answer);
}
