/* The rules of registration: RFC 7591 §2 with what RFC 9700 and api.md §11 leave of it. */
#include "models/oauth_client_metadata.h"

#include <string.h>

#include "app/app.h"
#include "app/redirect_uri.h"
#include "app/text.h"
#include "models/scope.h"

#define STANDARD_SCOPE "read write"

/* clang-format off */
static const struct field client_metadata_fields[] = {
    FIELD_STR(struct client_metadata, name, "client_name", F_TRIM, 1, 100, .check = text_check_name, .doc = "What users are shown. Required for a new client."),
    FIELD_STRS(struct client_metadata, redirect_uris, "redirect_uris", F_NONE, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS, .doc = "Compared byte for byte. A client with the authorization code grant needs at least one."),
    FIELD_STRS(struct client_metadata, post_logout_redirect_uris, "post_logout_redirect_uris", F_NONE, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
    FIELD_STRS(struct client_metadata, grant_types, "grant_types", F_NONE, 1, 64, 8, .doc = "Among authorization_code, refresh_token, password and client_credentials; the first two when absent."),
    FIELD_STRS(struct client_metadata, response_types, "response_types", F_NONE, 1, 64, 8, .doc = "Only code."),
    FIELD_STR(struct client_metadata, scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE, .doc = "Words with blanks between; the most that its tokens may have. \"read write\" when absent."),
    FIELD_ENUM(struct client_metadata, auth_method, "token_endpoint_auth_method", F_NONE, client_auth_names, .doc = "Absent: Basic or body, whichever is sent. none: a public client, without a secret."),
    FIELD_ENUM(struct client_metadata, application_type, "application_type", F_NONE, application_type_names),
    FIELD_ENUM(struct client_metadata, id_token_alg, "id_token_signed_response_alg", F_NONE, id_token_alg_names),
    FIELD_STR(struct client_metadata, backchannel_logout_uri, "backchannel_logout_uri", F_NONE, 1, REDIRECT_URI_MAX),
    FIELD_BOOL(struct client_metadata, backchannel_logout_session_required, "backchannel_logout_session_required", F_NONE),
    FIELD_BOOL(struct client_metadata, first_party, "first_party", F_NONE, .doc = "Administrators only: users are not asked for consent."),
    FIELD_BOOL(struct client_metadata, require_auth_time, "require_auth_time", F_NONE),
    FIELD_INT_OPT(struct client_metadata, default_max_age, has_default_max_age, "default_max_age", F_NONE, 0, 31536000, .doc = "Seconds since the sign-in after which users are asked again."),
    FIELD_STR(struct client_metadata, jwks_uri, "jwks_uri", F_NONE, 1, REDIRECT_URI_MAX, .doc = "Not supported."),
    FIELD_STR(struct client_metadata, sector_identifier_uri, "sector_identifier_uri", F_NONE, 1, REDIRECT_URI_MAX, .doc = "Not supported."),
};
/* clang-format on */

const struct schema client_metadata_schema = {
    .name = "client_metadata",
    .size = sizeof(struct client_metadata),
    SCHEMA_FIELDS(client_metadata_fields),
};

static enum err bad(struct ctx *ctx, const char *member, const char *what)
{
    return fail(ctx, ERR_CLIENT_METADATA, member, "%s %s.", member, what);
}

/* --- URIs --- */

static enum err check_uris(struct ctx *ctx, const char *member, const struct strs *uris,
                           bool is_native)
{
    const struct redirect_rule rule = {.is_native = is_native,
                                       .is_development = app_is_development(ctx->app)};

    for (size_t i = 0; i < uris->count; i++) {
        const char *mistake = redirect_uri_check(uris->items[i], &rule);

        if (mistake != NULL)
            return fail(ctx, ERR_REDIRECT_URI, member, "%s: number %zu %s.", member, i + 1,
                        mistake);
    }
    return ERR_OK;
}

static enum err check_all_uris(struct ctx *ctx, const struct oauth_client *client)
{
    const bool is_native = client->application_type == APPLICATION_NATIVE;
    const struct redirect_rule called = {.is_web_only = true,
                                         .is_development = app_is_development(ctx->app)};
    const char *mistake = NULL;

    if (oauth_client_may_use(client, GRANT_TYPE_CODE) && client->redirect_uris.count == 0)
        return fail(ctx, ERR_REDIRECT_URI, "redirect_uris",
                    "A client with the grant authorization_code needs at least one redirect URI; "
                    "leave it out of grant_types for a client without.");
    TRY(check_uris(ctx, "redirect_uris", &client->redirect_uris, is_native));
    TRY(check_uris(ctx, "post_logout_redirect_uris", &client->post_logout_redirect_uris,
                   is_native));
    if (client->backchannel_logout_uri != NULL)
        mistake = redirect_uri_check(client->backchannel_logout_uri, &called);
    return mistake == NULL ? ERR_OK : bad(ctx, "backchannel_logout_uri", mistake);
}

/* --- grants --- */

static enum err check_grants(struct ctx *ctx, struct oauth_client *client)
{
    static const char *const known[] = {GRANT_TYPE_CODE, GRANT_TYPE_REFRESH, GRANT_TYPE_PASSWORD,
                                        GRANT_TYPE_CREDENTIALS};
    static const char *const code[] = {"code"};
    const struct strs all = {.items = (const char **)(uintptr_t)known, .count = 4};

    if (client->grant_types.count == 0)
        return bad(ctx, "grant_types", "must name at least one grant");
    for (size_t i = 0; i < client->grant_types.count; i++) {
        if (!strs_has(&all, client->grant_types.items[i]))
            return bad(ctx, "grant_types",
                       "must be among authorization_code, refresh_token, password and "
                       "client_credentials");
    }
    if (oauth_client_is_public(client) && (oauth_client_may_use(client, GRANT_TYPE_PASSWORD) ||
                                           oauth_client_may_use(client, GRANT_TYPE_CREDENTIALS)))
        return bad(ctx, "grant_types",
                   "must not name password or client_credentials for a client without a secret");
    if (!oauth_client_may_use(client, GRANT_TYPE_CODE)) {
        client->response_types = (struct strs){0};
        return ERR_OK;
    }
    client->response_types = (struct strs){.items = (const char **)(uintptr_t)code, .count = 1};
    return ERR_OK;
}

static enum err check_response_types(struct ctx *ctx, const struct strs *sent)
{
    for (size_t i = 0; i < sent->count; i++) {
        if (strcmp(sent->items[i], "code") != 0)
            return bad(ctx, "response_types", "may only name code");
    }
    return ERR_OK;
}

/* --- scope --- */

static enum err check_scope(struct ctx *ctx, const char *sent, const struct registrar *registrar,
                            struct oauth_client *client)
{
    const char *allowed, *beyond, *at;
    const enum err normal = scope_normalise(ctx, sent, &client->scope);

    if (normal == ERR_SCOPE_INVALID)
        return bad(ctx, "scope", "must be words of visible ASCII without quotes and backslashes");
    TRY(normal);
    if (client->scope[0] == '\0')
        client->scope = NULL;
    TRY(scope_for_role(ctx, client->scope, registrar->role, &allowed));
    TRY(scope_missing(ctx, client->scope, allowed, &beyond));
    if (beyond != NULL)
        return fail(ctx, ERR_CLIENT_METADATA, "scope",
                    "scope: \"%s\" is beyond the role of whoever registers the client.", beyond);
    for (at = client->scope; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        const char *word = arena_strndup(ctx->arena, at, length);

        if (word == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory for a scope");
        if (scope_is_reserved(word))
            return fail(ctx, ERR_CLIENT_METADATA, "scope", "scope: \"%s\" is of access keys only.",
                        word);
        at += length;
    }
    return ERR_OK;
}

/* --- all of it --- */

/* What was not sent has its default, whatever it was before (RFC 7592 §2.2). */
static void lay_over(const struct client_metadata *metadata, struct oauth_client *client)
{
    static const char *const grants[] = {GRANT_TYPE_CODE, GRANT_TYPE_REFRESH};

    client->name = metadata->name;
    client->redirect_uris = metadata->redirect_uris;
    client->post_logout_redirect_uris = metadata->post_logout_redirect_uris;
    client->grant_types = metadata->grant_types;
    if (client->grant_types.items == NULL)
        client->grant_types = (struct strs){.items = (const char **)(uintptr_t)grants, .count = 2};
    client->application_type = metadata->application_type;
    if (client->application_type == APPLICATION_UNSET)
        client->application_type = APPLICATION_WEB;
    client->id_token_alg = metadata->id_token_alg;
    client->backchannel_logout_uri = metadata->backchannel_logout_uri;
    client->backchannel_logout_session_required = metadata->backchannel_logout_session_required;
    client->first_party = metadata->first_party;
    client->require_auth_time = metadata->require_auth_time;
    client->default_max_age = metadata->default_max_age;
    client->has_default_max_age = metadata->has_default_max_age;
}

/* A secret is made with the client: who has none cannot be given one, nor lose it. */
static enum err take_auth_method(struct ctx *ctx, const struct client_metadata *metadata,
                                 struct oauth_client *client)
{
    const bool is_old = client->created_at != 0;

    if (is_old && metadata->auth_method == CLIENT_AUTH_UNSET && oauth_client_is_public(client))
        return ERR_OK;
    if (is_old && (metadata->auth_method == CLIENT_AUTH_NONE) != oauth_client_is_public(client))
        return bad(ctx, "token_endpoint_auth_method",
                   "cannot change between a client with a secret and one without: register a new "
                   "client");
    client->auth_method = metadata->auth_method;
    return ERR_OK;
}

static enum err refuse_unsupported(struct ctx *ctx, const struct client_metadata *metadata,
                                   const struct registrar *registrar)
{
    if (metadata->jwks_uri != NULL)
        return bad(ctx, "jwks_uri", "is not supported");
    if (metadata->sector_identifier_uri != NULL)
        return bad(ctx, "sector_identifier_uri", "is not supported");
    if (metadata->first_party && registrar->role < ROLE_ADMIN)
        return bad(ctx, "first_party", "is for administrators to set");
    return check_response_types(ctx, &metadata->response_types);
}

enum err client_metadata_apply(struct ctx *ctx, const struct client_metadata *metadata,
                               const struct registrar *registrar, struct oauth_client *client)
{
    if (metadata->name == NULL)
        return bad(ctx, "client_name", "is missing");
    TRY(refuse_unsupported(ctx, metadata, registrar));
    lay_over(metadata, client);
    TRY(take_auth_method(ctx, metadata, client));
    TRY(check_grants(ctx, client));
    TRY(check_all_uris(ctx, client));
    return check_scope(ctx, metadata->scope != NULL ? metadata->scope : STANDARD_SCOPE, registrar,
                       client);
}
