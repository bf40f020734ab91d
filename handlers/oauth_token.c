/*
 * POST /oauth/token: one function for each grant type. The client is proven before (middleware);
 * what it asks for is compared with what it registered, then with what the user may.
 */
#include "handlers/oauth_token.h"

#include <string.h>

#include "app/app.h"
#include "app/redirect_uri.h"
#include "models/grant.h"
#include "models/grant_code.h"
#include "models/oauth_client.h"
#include "models/resource.h"
#include "models/scope.h"
#include "models/sign_in.h"

struct token_input {
    const char *grant_type, *scope, *resource;
    const char *username, *password;                 /* password */
    const char *refresh_token;                       /* refresh_token */
    const char *code, *redirect_uri, *code_verifier; /* authorization_code */
    const char *client_id, *client_secret;
};

struct token_answer {
    const char *access_token, *token_type, *refresh_token, *id_token, *scope;
    int64_t expires_in;
};

/* clang-format off */
static const struct field token_input_fields[] = {
    FIELD_STR(struct token_input, grant_type, "grant_type", F_NONE, 1, 64, .doc = "authorization_code, refresh_token, client_credentials or password."),
    FIELD_STR(struct token_input, scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE, .doc = "Absent: all that the client registered and the user may have."),
    FIELD_STR(struct token_input, resource, "resource", F_NONE, 1, 8192, .doc = "RFC 8707: whom the access token is for, of the tenant's setting resources. May be given several times."),
    FIELD_STR(struct token_input, username, "username", F_NONE, 1, 254),
    FIELD_STR(struct token_input, password, "password", F_WRITE_ONLY | F_EMPTY_OK, 0, 1024),
    FIELD_STR(struct token_input, refresh_token, "refresh_token", F_WRITE_ONLY, 1, 8192),
    FIELD_STR(struct token_input, code, "code", F_WRITE_ONLY, 1, 8192),
    FIELD_STR(struct token_input, redirect_uri, "redirect_uri", F_NONE, 1, REDIRECT_URI_MAX, .doc = "As in the authorization request."),
    FIELD_STR(struct token_input, code_verifier, "code_verifier", F_WRITE_ONLY, 1, 1024, .doc = "PKCE (RFC 7636): of the code_challenge."),
    FIELD_STR(struct token_input, client_id, "client_id", F_NONE, 1, 63, .doc = "With client_secret instead of HTTP Basic; alone for a public client."),
    FIELD_STR(struct token_input, client_secret, "client_secret", F_WRITE_ONLY, 1, 255),
};
const struct schema token_input_schema = {
    .name = "token_input", .size = sizeof(struct token_input), SCHEMA_FIELDS(token_input_fields),
};
static const struct field token_answer_fields[] = {
    FIELD_STR(struct token_answer, access_token, "access_token", F_REQUIRED, 1, 8192),
    FIELD_STR(struct token_answer, token_type, "token_type", F_REQUIRED, 1, 16, .example = "Bearer"),
    FIELD_INT(struct token_answer, expires_in, "expires_in", F_REQUIRED, 0, INT64_MAX),
    FIELD_STR(struct token_answer, refresh_token, "refresh_token", F_NONE, 1, 8192),
    FIELD_STR(struct token_answer, id_token, "id_token", F_NONE, 1, 8192, .doc = "With openid, for what a user granted in a browser."),
    FIELD_STR(struct token_answer, scope, "scope", F_REQUIRED | F_EMPTY_OK, 0, CLIENT_MAX_SCOPE),
};
const struct schema token_answer_schema = {
    .name = "token_answer", .size = sizeof(struct token_answer), SCHEMA_FIELDS(token_answer_fields),
};
/* clang-format on */

static enum err respond_pair(struct request *req, struct response *res,
                             const struct token_pair *pair)
{
    const struct token_answer answer = {
        .access_token = pair->access_token,
        .token_type = "Bearer",
        .expires_in = pair->expires_in,
        .refresh_token = pair->refresh_token,
        .id_token = pair->id_token,
        .scope = pair->scope != NULL ? pair->scope : "",
    };

    return respond(req, res, 200, &answer);
}

static enum err need(struct ctx *ctx, const char *name, const char *value)
{
    return value != NULL ? ERR_OK : fail(ctx, ERR_BAD_REQUEST, name, "Missing: %s", name);
}

/* What was asked for (else all that the client registered), of the client's own. A word beyond is
 * refused and not left out: whoever asks for it would rely on it. */
static enum err asked_scope(struct request *req, const char *scope, const char **ret_scope)
{
    const char *beyond = NULL;

    if (scope == NULL) {
        *ret_scope = req->client->scope != NULL ? req->client->scope : "";
        return ERR_OK;
    }
    TRY(scope_normalise(&req->ctx, scope, ret_scope));
    TRY(scope_missing(&req->ctx, *ret_scope, req->client->scope, &beyond));
    return beyond == NULL ? ERR_OK
                          : fail(&req->ctx, ERR_SCOPE_INVALID, "scope",
                                 "The client is not registered for all of this scope.");
}

/* C15: what neither role nor machine may have is left out, but something must be left. */
static enum err need_some(struct request *req, const char *asked, const char *left)
{
    if (left[0] != '\0' || asked[0] == '\0')
        return ERR_OK;
    return fail(&req->ctx, ERR_SCOPE_INVALID, "scope", "None of this scope may be granted here.");
}

/* --- the grants --- */

static enum err by_password(struct request *req, const struct token_input *in,
                            struct token_pair *ret_pair)
{
    struct client_grant terms = {.client = req->client};
    const char *asked;
    struct user user = {0};

    if (!app_config(req->ctx.app)->tokens.password_grant)
        return fail(&req->ctx, ERR_GRANT_TYPE, "grant_type",
                    "The password grant is turned off here (tokens.password_grant).");
    TRY(need(&req->ctx, "username", in->username));
    TRY(need(&req->ctx, "password", in->password));
    TRY(asked_scope(req, in->scope, &asked));
    TRY(resources_read(&req->ctx, req->input, &terms.resources));

    const enum err proven = sign_in(&req->ctx, in->username, in->password, NULL, &user);

    if (proven == ERR_BAD_CREDENTIALS)
        return fail(&req->ctx, ERR_INVALID_GRANT, NULL, "Invalid credentials");
    TRY(proven);
    TRY(scope_for_role(&req->ctx, asked, (enum role)user.role, &terms.scope));
    TRY(need_some(req, asked, terms.scope));
    terms.user = &user;
    terms.with_refresh = grant_gets_refresh(req->client, terms.scope);
    return grant_open_for_client(&req->ctx, &terms, "login", ret_pair);
}

static enum err by_credentials(struct request *req, const struct token_input *in,
                               struct token_pair *ret_pair)
{
    struct client_grant terms = {.client = req->client};
    const char *asked;

    TRY(asked_scope(req, in->scope, &asked));
    TRY(resources_read(&req->ctx, req->input, &terms.resources));
    TRY(scope_for_machine(&req->ctx, asked, req->client->by_owner, &terms.scope));
    TRY(need_some(req, asked, terms.scope));
    return grant_open_for_client(&req->ctx, &terms, "token.issued", ret_pair);
}

static enum err by_refresh(struct request *req, const struct token_input *in,
                           struct token_pair *ret_pair)
{
    struct narrowing less = {.scope = NULL};

    TRY(need(&req->ctx, "refresh_token", in->refresh_token));
    if (in->scope != NULL)
        TRY(scope_normalise(&req->ctx, in->scope, &less.scope));
    TRY(resources_read(&req->ctx, req->input, &less.resources));

    const enum err refreshed =
        grant_refresh_for_client(&req->ctx, req->client, in->refresh_token, &less, ret_pair);

    return refreshed == ERR_BAD_REFRESH || refreshed == ERR_TENANT_MISMATCH ? ERR_INVALID_GRANT
                                                                            : refreshed;
}

static enum err by_code(struct request *req, const struct token_input *in,
                        struct token_pair *ret_pair)
{
    struct code_outcome *outcome = ARENA_NEW(req->ctx.arena, struct code_outcome);
    struct code_exchange exchange = {
        .client = req->client,
        .code = in->code,
        .redirect_uri = in->redirect_uri,
        .verifier = in->code_verifier,
    };

    if (outcome == NULL)
        return ERR_MEMORY;
    TRY(need(&req->ctx, "code", in->code));
    TRY(need(&req->ctx, "redirect_uri", in->redirect_uri));
    TRY(resources_read(&req->ctx, req->input, &exchange.resources));

    const enum err exchanged = grant_code_exchange(&req->ctx, &exchange, outcome);

    if (exchanged == ERR_BAD_REFRESH || exchanged == ERR_TENANT_MISMATCH)
        return ERR_INVALID_GRANT;
    TRY(exchanged);
    *ret_pair = outcome->pair;
    return ERR_OK;
}

static const struct grant_type {
    const char *name;
    enum err (*issue)(struct request *req, const struct token_input *in,
                      struct token_pair *ret_pair);
} grant_types[] = {
    {GRANT_TYPE_CODE, by_code},
    {GRANT_TYPE_PASSWORD, by_password},
    {GRANT_TYPE_CREDENTIALS, by_credentials},
    {GRANT_TYPE_REFRESH, by_refresh},
};

#define GRANT_TYPE_COUNT (sizeof grant_types / sizeof grant_types[0])

enum err handle_oauth_token(struct request *req, struct response *res)
{
    struct token_input in;
    struct token_pair pair = {0};

    TRY(request_input(req, &in));
    TRY(need(&req->ctx, "grant_type", in.grant_type));
    for (size_t i = 0; i < GRANT_TYPE_COUNT; i++) {
        if (strcmp(in.grant_type, grant_types[i].name) != 0)
            continue;
        if (!oauth_client_may_use(req->client, in.grant_type))
            return ERR_UNAUTHORIZED_CLIENT;
        TRY(grant_types[i].issue(req, &in, &pair));
        return respond_pair(req, res, &pair);
    }
    return fail(
        &req->ctx, ERR_GRANT_TYPE, "grant_type",
        "grant_type must be authorization_code, refresh_token, client_credentials or password.");
}
