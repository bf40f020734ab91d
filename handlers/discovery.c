/* The metadata: what a row of the route table stands for is told once the row is there. */
#include "handlers/discovery.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/routes.h"
#include "models/claims.h"
#include "models/id_token.h"
#include "models/tenant.h"

#define TEXT_MAX ((size_t)16 * 1024)

struct discovery {
    const char *issuer, *authorization_endpoint, *token_endpoint, *userinfo_endpoint, *jwks_uri,
        *end_session_endpoint, *registration_endpoint, *revocation_endpoint,
        *introspection_endpoint;
    struct strs scopes, response_types, response_modes, grant_types, acr_values, subject_types,
        id_token_algs, token_auth, revocation_auth, introspection_auth, claim_types, claims,
        challenge_methods;
    bool claims_parameter, request_parameter, request_uri_parameter, response_iss,
        backchannel_logout, backchannel_logout_session;
};

/* clang-format off */
#define URL(member, flags) FIELD_STR(struct discovery, member, #member, flags, 1, 2048)
#define WORDS(member, name) FIELD_STRS(struct discovery, member, name, F_NONE, 1, 64, 100)

static const struct field discovery_fields[] = {
    URL(issuer, F_REQUIRED),
    URL(authorization_endpoint, F_NONE),
    URL(token_endpoint, F_REQUIRED),
    URL(userinfo_endpoint, F_REQUIRED),
    URL(jwks_uri, F_REQUIRED),
    URL(end_session_endpoint, F_NONE),
    URL(registration_endpoint, F_NONE),
    URL(revocation_endpoint, F_REQUIRED),
    URL(introspection_endpoint, F_REQUIRED),
    WORDS(scopes, "scopes_supported"),
    FIELD_STRS(struct discovery, response_types, "response_types_supported", F_REQUIRED, 1, 64, 8),
    WORDS(response_modes, "response_modes_supported"),
    WORDS(grant_types, "grant_types_supported"),
    WORDS(acr_values, "acr_values_supported"),
    WORDS(subject_types, "subject_types_supported"),
    WORDS(id_token_algs, "id_token_signing_alg_values_supported"),
    WORDS(token_auth, "token_endpoint_auth_methods_supported"),
    WORDS(revocation_auth, "revocation_endpoint_auth_methods_supported"),
    WORDS(introspection_auth, "introspection_endpoint_auth_methods_supported"),
    WORDS(claim_types, "claim_types_supported"),
    WORDS(claims, "claims_supported"),
    WORDS(challenge_methods, "code_challenge_methods_supported"),
    FIELD_BOOL(struct discovery, claims_parameter, "claims_parameter_supported", F_NONE),
    FIELD_BOOL(struct discovery, request_parameter, "request_parameter_supported", F_NONE),
    FIELD_BOOL(struct discovery, request_uri_parameter, "request_uri_parameter_supported", F_NONE),
    FIELD_BOOL(struct discovery, response_iss, "authorization_response_iss_parameter_supported", F_NONE),
    FIELD_BOOL(struct discovery, backchannel_logout, "backchannel_logout_supported", F_NONE),
    FIELD_BOOL(struct discovery, backchannel_logout_session, "backchannel_logout_session_supported", F_NONE),
};
const struct schema discovery_schema = {
    .name = "discovery", .size = sizeof(struct discovery), SCHEMA_FIELDS(discovery_fields),
};

/* An endpoint is told when the route table has it. */
static const struct endpoint {
    const char *path;
    size_t offset;
} endpoints[] = {
    {"/oauth/authorize", offsetof(struct discovery, authorization_endpoint)},
    {"/oauth/token", offsetof(struct discovery, token_endpoint)},
    {"/oauth/userinfo", offsetof(struct discovery, userinfo_endpoint)},
    {"/.well-known/jwks.json", offsetof(struct discovery, jwks_uri)},
    {"/oauth/end-session", offsetof(struct discovery, end_session_endpoint)},
    {"/oauth/client/register", offsetof(struct discovery, registration_endpoint)},
    {"/oauth/revoke", offsetof(struct discovery, revocation_endpoint)},
    {"/oauth/introspect", offsetof(struct discovery, introspection_endpoint)},
};

/* A list is told when the route that it needs is there (NULL: always). */
static const char *scopes[] = {"openid", "profile", "email", "address", "phone", "offline_access"};
static const char *code[] = {"code"};
static const char *modes[] = {"query", "form_post"};
static const char *challenges[] = {"S256"};
static const char *acr_values[] = {ACR_ONE_FACTOR};
static const char *subjects[] = {"public"};
static const char *algs[] = {"RS256", "ES256"};
static const char *auth_methods[] = {"client_secret_basic", "client_secret_post", "none"};
static const char *secret_methods[] = {"client_secret_basic", "client_secret_post"};
static const char *normal[] = {"normal"};

#define LIST(member, words, path) {offsetof(struct discovery, member), (words), sizeof(words) / sizeof((words)[0]), (path)}
static const struct word_list {
    size_t offset;
    const char **words;
    size_t count;
    const char *needs;
} lists[] = {
    LIST(scopes, scopes, NULL),
    LIST(response_types, code, "/oauth/authorize"),
    LIST(response_modes, modes, "/oauth/authorize"),
    LIST(challenge_methods, challenges, "/oauth/authorize"),
    LIST(acr_values, acr_values, "/oauth/authorize"),
    LIST(subject_types, subjects, NULL),
    LIST(id_token_algs, algs, NULL),
    LIST(token_auth, auth_methods, NULL),
    LIST(revocation_auth, auth_methods, NULL),
    LIST(introspection_auth, secret_methods, NULL),
    LIST(claim_types, normal, NULL),
};
/* clang-format on */

static bool is_built(const char *path)
{
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].path, path) == 0)
            return true;
    return false;
}

static void *member_at(struct discovery *metadata, size_t offset)
{
    return (char *)metadata + offset;
}

static enum err fill_endpoints(struct ctx *ctx, struct discovery *metadata)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        const char **url = member_at(metadata, endpoints[i].offset);

        if (!is_built(endpoints[i].path))
            continue;
        *url = arena_printf(ctx->arena, "%s%s", metadata->issuer, endpoints[i].path);
        if (*url == NULL)
            return ERR_MEMORY;
    }
    return ERR_OK;
}

static enum err fill_grant_types(struct ctx *ctx, struct discovery *metadata)
{
    struct strs *types = &metadata->grant_types;

    types->items = arena_array(ctx->arena, 4, sizeof *types->items);
    if (types->items == NULL)
        return ERR_MEMORY;
    if (metadata->authorization_endpoint != NULL)
        types->items[types->count++] = GRANT_TYPE_CODE;
    types->items[types->count++] = GRANT_TYPE_REFRESH;
    types->items[types->count++] = GRANT_TYPE_CREDENTIALS;
    if (app_config(ctx->app)->tokens.password_grant)
        types->items[types->count++] = GRANT_TYPE_PASSWORD;
    return ERR_OK;
}

static enum err fill(struct ctx *ctx, struct discovery *metadata)
{
    TRY(tenant_issuer(ctx, ctx->tenant, &metadata->issuer));
    TRY(fill_endpoints(ctx, metadata));
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct strs *words = member_at(metadata, lists[i].offset);

        if (lists[i].needs == NULL || is_built(lists[i].needs))
            *words = (struct strs){.items = lists[i].words, .count = lists[i].count};
    }
    metadata->claims = claims_supported();
    metadata->claims_parameter = metadata->response_iss = metadata->authorization_endpoint != NULL;
    metadata->backchannel_logout = metadata->backchannel_logout_session = true;
    return fill_grant_types(ctx, metadata);
}

/* ---- kept ---- */

/* What the text depends on; another version or configuration is another entry. */
struct discovery_key {
    struct uuid tenant_id;
    int64_t version;
    const struct config *config;
};

struct kept {
    const char *text;
    size_t size;
};

enum err discovery_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct discovery *metadata = ARENA_NEW(ctx->arena, struct discovery);
    struct kept *kept = ARENA_NEW(ctx->arena, struct kept);
    struct buf out;

    (void)key;
    if (metadata == NULL || kept == NULL || size != sizeof(struct discovery_key))
        return fail_internal(ctx, ERR_MEMORY, "no memory for metadata");
    TRY(fill(ctx, metadata));
    buf_init(&out, ctx->arena, TEXT_MAX);
    schema_to_json(&discovery_schema, metadata, &out);
    if (!buf_ok(&out))
        return fail_internal(ctx, ERR_MEMORY, "no memory for metadata");
    *kept = (struct kept){.text = buf_text(&out), .size = out.size};
    *ret_data = kept;
    return ERR_OK;
}

enum err handle_discovery(struct request *req, struct response *res)
{
    struct ctx *ctx = &req->ctx;
    const struct discovery_key key = {
        .tenant_id = ctx->tenant_id,
        .version = ctx->tenant->version,
        .config = app_config(ctx->app),
    };
    const void *data = NULL;

    TRY(cache_get(ctx->app->discovery, ctx, &key, sizeof key, &data));

    const struct kept *kept = data;

    response_header(res, "Cache-Control", "public, max-age=300");
    return respond_text(res, 200, "application/json", kept->text, kept->size);
}
