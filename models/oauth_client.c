/* OAuth clients: finding and proving. */
#include "models/oauth_client.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/redirect_uri.h"
#include "app/secret.h"
#include "app/watch.h"

#define ID_MAX (TOKEN_CLIENT_SIZE - 1)

const char *const client_auth_names[] = {NULL, "client_secret_basic", "client_secret_post", "none",
                                         NULL};
const char *const application_type_names[] = {NULL, "web", "native", NULL};
const char *const id_token_alg_names[] = {NULL, "RS256", "ES256", NULL};

/* clang-format off */
static const struct field oauth_client_fields[] = {
    FIELD_STR(struct oauth_client, id, "client_id", F_READONLY | F_REQUIRED, 1, ID_MAX, .bson = "_id"),
    FIELD_UUID(struct oauth_client, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct oauth_client, owner_id, "owner_id", F_READONLY),
    FIELD_STR(struct oauth_client, name, "client_name", F_REQUIRED, 1, 100),
    FIELD_BYTES(struct oauth_client, secret_hash, "secret_hash", F_READONLY | F_SECRET),
    FIELD_TIME(struct oauth_client, secret_created_at, "secret_created_at", F_READONLY),
    FIELD_BYTES(struct oauth_client, old_secret_hash, "old_secret_hash", F_READONLY | F_SECRET),
    FIELD_TIME(struct oauth_client, old_secret_ends_at, "old_secret_ends_at", F_READONLY),
    FIELD_STRS(struct oauth_client, redirect_uris, "redirect_uris", F_ALWAYS, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
    FIELD_STRS(struct oauth_client, post_logout_redirect_uris, "post_logout_redirect_uris", F_NONE, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
    FIELD_STRS(struct oauth_client, grant_types, "grant_types", F_ALWAYS, 1, 64, 8),
    FIELD_STRS(struct oauth_client, response_types, "response_types", F_ALWAYS, 1, 64, 8),
    FIELD_STR(struct oauth_client, scope, "scope", F_NONE, 1, CLIENT_MAX_SCOPE),
    FIELD_ENUM(struct oauth_client, auth_method, "token_endpoint_auth_method", F_NONE, client_auth_names),
    FIELD_ENUM(struct oauth_client, application_type, "application_type", F_NONE, application_type_names),
    FIELD_ENUM(struct oauth_client, id_token_alg, "id_token_signed_response_alg", F_NONE, id_token_alg_names),
    FIELD_STR(struct oauth_client, backchannel_logout_uri, "backchannel_logout_uri", F_NONE, 1, REDIRECT_URI_MAX),
    FIELD_BOOL(struct oauth_client, backchannel_logout_session_required, "backchannel_logout_session_required", F_NONE),
    FIELD_BOOL(struct oauth_client, by_owner, "by_owner", F_READONLY | F_INTERNAL),
    FIELD_BOOL(struct oauth_client, first_party, "first_party", F_NONE),
    FIELD_BOOL(struct oauth_client, require_auth_time, "require_auth_time", F_NONE),
    FIELD_INT_OPT(struct oauth_client, default_max_age, has_default_max_age, "default_max_age", F_NONE, 0, 31536000),
    FIELD_INT(struct oauth_client, epoch, "epoch", F_READONLY | F_INTERNAL, 0, UINT32_MAX),
    FIELD_TIME(struct oauth_client, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct oauth_client, updated_at, "updated_at", F_READONLY),
    FIELD_INT(struct oauth_client, version, "version", F_READONLY, 1, INT64_MAX),
};
/* clang-format on */

const struct schema oauth_client_schema = {
    .name = "oauth_client",
    .collection = "oauth_clients",
    .size = sizeof(struct oauth_client),
    SCHEMA_FIELDS(oauth_client_fields),
};

/* --- finding --- */

enum err oauth_client_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct oauth_client *loaded = ARENA_NEW(ctx->arena, struct oauth_client);
    const char *id = arena_strndup(ctx->arena, key, size);

    if (loaded == NULL || id == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a client");
    *ret_data = loaded;
    return db_find_by_id_any_tenant(ctx, &oauth_client_schema, id, loaded);
}

enum err oauth_client_get(struct ctx *ctx, const char *client_id,
                          const struct oauth_client **ret_client)
{
    const size_t length = strnlen(client_id, ID_MAX + 1);
    const void *data = NULL;

    if (length == 0 || length > ID_MAX)
        return ERR_NOT_FOUND;
    /* Without news of changes a cached client proves nothing (TS-13). */
    if (ctx->app->watch != NULL && !watch_is_fresh(ctx->app->watch))
        cache_drop(ctx->app->clients, client_id, length);
    TRY(cache_get(ctx->app->clients, ctx, client_id, length, &data));
    *ret_client = data;
    return ERR_OK;
}

void oauth_client_forget(struct ctx *ctx, const char *client_id)
{
    cache_drop(ctx->app->clients, client_id, strlen(client_id));
}

/* --- proving --- */

static bool is_hash(const struct bytes *stored, const uint8_t digest[SHA256_SIZE])
{
    return stored->size == SHA256_SIZE && secret_equal(stored->data, digest, SHA256_SIZE);
}

bool oauth_client_secret_matches(const struct oauth_client *client, const char *secret)
{
    uint8_t digest[SHA256_SIZE];

    secret_sha256(secret, strlen(secret), digest);

    const bool is_new = is_hash(&client->secret_hash, digest);
    const bool is_old = is_hash(&client->old_secret_hash, digest);

    return is_new || (is_old && client->old_secret_ends_at > clock_now_ms());
}

bool oauth_client_may_use(const struct oauth_client *client, const char *grant_type)
{
    return strs_has(&client->grant_types, grant_type);
}

bool oauth_client_has_redirect(const struct oauth_client *client, const char *sent)
{
    const bool is_native = client->application_type == APPLICATION_NATIVE;

    for (size_t i = 0; i < client->redirect_uris.count; i++) {
        if (redirect_uri_matches(client->redirect_uris.items[i], sent, is_native))
            return true;
    }
    return false;
}
