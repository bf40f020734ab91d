/* Grants: the stored form, opening and ending. Rotation stands in grant_refresh.c. */
#include "models/grant.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/metrics.h"
#include "app/redirect_uri.h"
#include "app/text.h"
#include "models/access_token.h"
#include "models/audit.h"
#include "models/grant_internal.h"
#include "models/grant_text.h"
#include "models/resource.h"
#include "models/tenant.h"

/* clang-format off */
static const struct field grant_fields[] = {
    FIELD_UUID(struct grant, id, "token_id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct grant, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct grant, user_id, "user_id", F_READONLY),
    FIELD_UUID(struct grant, session_id, "session_id", F_READONLY),
    FIELD_STR(struct grant, client_id, "oauth_client_id", F_READONLY, 1, 63),
    FIELD_STR(struct grant, state, "state", F_READONLY | F_REQUIRED, 1, 16),
    FIELD_STR(struct grant, scope, "scope", F_READONLY, 1, CLIENT_MAX_SCOPE),
    FIELD_STR(struct grant, redirect_uri, "redirect_uri", F_READONLY, 1, REDIRECT_URI_MAX),
    FIELD_STR(struct grant, challenge, "code_challenge", F_READONLY, 1, 128),
    FIELD_STR(struct grant, nonce, "nonce", F_READONLY, 1, GRANT_NONCE_BYTES),
    FIELD_STR(struct grant, claims, "claims", F_READONLY, 1, GRANT_CLAIMS_BYTES),
    FIELD_STR(struct grant, claims_scope, "claims_scope", F_READONLY, 1, CLIENT_MAX_SCOPE),
    FIELD_STRS(struct grant, resources, "resources", F_READONLY, 1, RESOURCE_BYTES, RESOURCES_MAX),
    FIELD_TIME(struct grant, auth_time, "auth_time", F_READONLY),
    FIELD_BOOL(struct grant, cookies, "cookies", F_READONLY),
    FIELD_STR(struct grant, ip, "ip_address", F_READONLY, 1, 64),
    FIELD_STR(struct grant, user_agent, "user_agent", F_READONLY, 1, GRANT_USER_AGENT_BYTES),
    FIELD_INT(struct grant, generation, "generation", F_READONLY, 0, UINT32_MAX),
    FIELD_INT(struct grant, user_epoch, "user_epoch", F_READONLY, 0, UINT32_MAX),
    FIELD_INT(struct grant, tenant_epoch, "tenant_epoch", F_READONLY, 0, UINT32_MAX),
    FIELD_INT(struct grant, client_epoch, "client_epoch", F_READONLY, 0, UINT32_MAX),
    FIELD_INT(struct grant, retry_generation, "retry_generation", F_READONLY, 0, UINT32_MAX),
    FIELD_TIME(struct grant, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct grant, rotated_at, "rotated_at", F_READONLY),
    FIELD_TIME(struct grant, expires_at, "expires_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct grant, ends_at, "ends_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct grant, purge_at, "purge_at", F_READONLY | F_REQUIRED),
};
/* clang-format on */

const struct schema grant_schema = {
    .name = "grant",
    .collection = "tokens",
    .size = sizeof(struct grant),
    SCHEMA_FIELDS(grant_fields),
};

const char *role_scopes(enum role role)
{
    switch (role) {
    case ROLE_ADMIN:
    case ROLE_OWNER:
        return "openid profile email read write admin users:read users:write";
    case ROLE_USER:
        return "openid profile email read write";
    case ROLE_UNSET:
        break;
    }
    return "";
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum err grant_pair(struct ctx *ctx, const struct user *user, const struct grant *grant,
                    struct token_pair *ret_pair)
{
    const struct key_set *keys = NULL;
    const struct grant_claims claims = {
        .grant_id = grant->id,
        .tenant_id = grant->tenant_id,
        .user_epoch = (uint32_t)grant->user_epoch,
        .generation = (uint32_t)grant->generation,
    };
    struct token_pair pair = {
        .token_type = "bearer",
        .refresh_expires_in = tenant_refresh_ttl(ctx),
        .scope = grant->scope,
        .user_id = grant->user_id,
        .grant_id = grant->id,
    };

    TRY(keys_get(ctx, &keys));
    if (grant->generation > 0)
        TRY(grant_text_make(ctx, keys, &claims, &pair.refresh_token));
    TRY(access_token_sign(ctx, user, grant, &pair.access_token, &pair.expires_in));
    metric_add(ctx->app->metrics, METRIC_TOKENS_ISSUED, 1);
    *ret_pair = pair;
    return ERR_OK;
}

/* Without a row nobody gets the tokens, so the grant goes again: it would show as a sign-in. */
static enum err tell(struct ctx *ctx, const char *action, const struct user *user,
                     const struct grant *grant)
{
    const enum err told = audit_write(ctx, action, "success", &user->id, NULL);

    if (told == ERR_OK)
        return ERR_OK;

    AUTO(bson_destroy) bson_t *filter = bson_new();
    const struct failure failure = ctx->failure;

    bson_put_uuid(filter, "_id", &grant->id);
    if (db_delete_one(ctx, &grant_schema, filter) != ERR_OK)
        fail_clear(ctx);
    ctx->failure = failure;
    return told;
}

enum err grant_begin(struct ctx *ctx, const struct user *user, struct grant *grant)
{
    const int64_t now = clock_now_ms();

    grant->id = uuid_new();
    grant->tenant_id = ctx->tenant_id;
    grant->tenant_epoch = ctx->tenant->epoch;
    if (user != NULL) {
        grant->user_id = user->id;
        grant->user_epoch = user->security_epoch;
    }
    grant->state = "active";
    grant->created_at = grant->rotated_at = now;
    grant->ends_at = now + tenant_refresh_max_ttl(ctx) * 1000;
    grant->expires_at = earlier(now + tenant_refresh_ttl(ctx) * 1000, grant->ends_at);
    grant->purge_at = grant->ends_at + GRANT_PURGE_AFTER_MS;
    TRY(text_clip(ctx, ctx->ip, 64, &grant->ip));
    return text_clip(ctx, ctx->user_agent, GRANT_USER_AGENT_BYTES, &grant->user_agent);
}

enum err grant_open(struct ctx *ctx, const struct user *user, const char *audit_action,
                    bool cookies, struct token_pair *ret_pair)
{
    struct grant grant = {
        .scope = role_scopes((enum role)user->role), .cookies = cookies, .generation = 1};
    struct token_pair pair;

    TRY(grant_begin(ctx, user, &grant));
    TRY(db_insert(ctx, &grant_schema, &grant));
    TRY(grant_pair(ctx, user, &grant, &pair));
    if (audit_action != NULL)
        TRY(tell(ctx, audit_action, user, &grant));
    *ret_pair = pair;
    return ERR_OK;
}

enum err grant_open_for_client(struct ctx *ctx, const struct client_grant *terms,
                               const char *audit_action, struct token_pair *ret_pair)
{
    struct grant grant = {
        .client_id = terms->client->id,
        .client_epoch = terms->client->epoch,
        .scope = terms->scope[0] != '\0' ? terms->scope : NULL,
        .resources = terms->resources,
        .generation = terms->with_refresh ? 1 : 0,
    };
    struct token_pair pair;

    TRY(grant_begin(ctx, terms->user, &grant));
    if (terms->with_refresh)
        TRY(db_insert(ctx, &grant_schema, &grant));
    TRY(grant_pair(ctx, terms->user, &grant, &pair));
    if (terms->with_refresh)
        TRY(tell(ctx, audit_action, terms->user, &grant));
    else
        TRY(audit_write(ctx, audit_action, "success", terms->user != NULL ? &terms->user->id : NULL,
                        NULL));
    *ret_pair = pair;
    return ERR_OK;
}

enum err grant_issue(struct ctx *ctx, const struct client_grant *terms, struct token_pair *ret_pair)
{
    const struct uuid *user_id = terms->user != NULL ? &terms->user->id : NULL;
    struct grant grant = {
        .scope = terms->scope[0] != '\0' ? terms->scope : NULL,
        .access_seconds = terms->access_seconds,
    };
    struct token_pair pair;

    if (terms->client != NULL) {
        grant.client_id = terms->client->id;
        grant.client_epoch = terms->client->epoch;
    }
    TRY(grant_begin(ctx, terms->user, &grant));
    TRY(grant_pair(ctx, terms->user, &grant, &pair));
    TRY(audit_write(ctx, "token.issued", "success", user_id, NULL));
    *ret_pair = pair;
    return ERR_OK;
}

enum err grant_revoke_user(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("revoked"), "}");
    int64_t modified = 0;

    bson_put_uuid(filter, "user_id", user_id);
    bson_put_text(filter, "state", "active");
    return db_update_many(ctx, &grant_schema, filter, update, &modified);
}

enum err grant_delete_user(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;

    bson_put_uuid(filter, "user_id", user_id);
    return db_delete_many(ctx, &grant_schema, filter, &deleted);
}

enum err grant_find(struct ctx *ctx, const struct uuid *id, struct grant *ret_grant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return db_find_one(ctx, &grant_schema, filter, ret_grant);
}

enum err grant_count_active(struct ctx *ctx, int64_t *ret_count)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("state", BCON_UTF8("active"), "expires_at", "{", "$gt",
                              BCON_DATE_TIME(clock_now_ms()), "}");

    return db_count(ctx, &grant_schema, filter, 0, ret_count);
}
