/*
 * Rotation of refresh tokens (docs/adr: refresh scheme). Order of proof: form, MAC, tenant, then
 * one conditional update on the generation. An authentic older generation is proven reuse and ends
 * the grant, except in its grace period and for a rotation whose answer never left.
 */
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/metrics.h"
#include "app/revocation.h"
#include "models/audit.h"
#include "models/grant.h"
#include "models/grant_internal.h"
#include "models/grant_memory.h"
#include "models/grant_text.h"
#include "models/resource.h"
#include "models/scope.h"
#include "models/session.h"
#include "models/tenant.h"

/* A mark comes within seconds after the database is back; the rotation may be as old as the outage.
 */
#define MARKED_WITHIN_MS 5000
#define OUTAGE_SECONDS   60

enum err grant_prove(struct ctx *ctx, const char *text, enum grant_purpose purpose,
                     struct grant_claims *ret_claims)
{
    const struct tenant *tenant = NULL;
    const struct key_set *keys = NULL;

    TRY(grant_text_parse(text, ret_claims));
    if (ret_claims->purpose != purpose)
        return ERR_BAD_REFRESH;

    const enum err found = tenant_get_by_id(ctx, &ret_claims->tenant_id, &tenant);

    if (found == ERR_TENANT_NOT_FOUND)
        return ERR_BAD_REFRESH;
    TRY(found);
    TRY(keys_get_for(ctx, &ret_claims->tenant_id, &keys));
    TRY(grant_text_verify(keys, ret_claims));
    if (ctx->tenant != NULL && !uuid_equal(&ctx->tenant_id, &ret_claims->tenant_id))
        return ERR_TENANT_MISMATCH;
    ctx_set_tenant(ctx, tenant, &tenant->id);
    return ERR_OK;
}

static enum err prove_refresh(struct ctx *ctx, const char *text, struct grant_claims *ret_claims)
{
    return grant_prove(ctx, text, GRANT_PURPOSE_REFRESH, ret_claims);
}

/* What a refresh works with. */
struct refreshing {
    struct grant_claims claims;
    const struct oauth_client *client; /* NULL: a session-less login */
    struct narrowing less;
};

/* Grants are their client's alone; session-less ones nobody's. */
static void put_client(bson_t *filter, const struct oauth_client *client)
{
    AUTO(bson_destroy) bson_t *absent = BCON_NEW("$exists", BCON_BOOL(false));

    if (client != NULL)
        bson_put_text(filter, "oauth_client_id", client->id);
    else
        BSON_APPEND_DOCUMENT(filter, "oauth_client_id", absent);
}

static bool is_client(const struct grant *grant, const struct oauth_client *client)
{
    if (client == NULL || grant->client_id == NULL)
        return client == NULL && grant->client_id == NULL;
    return strcmp(grant->client_id, client->id) == 0;
}

static void put_alive(bson_t *filter, const struct refreshing *refresh)
{
    AUTO(bson_destroy)
    bson_t *alive =
        BCON_NEW("$and", "[", "{", "$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]",
                 "}", "{", "$gt", "[", BCON_UTF8("$ends_at"), BCON_UTF8("$$NOW"), "]", "}", "]");

    bson_put_uuid(filter, "_id", &refresh->claims.grant_id);
    bson_put_text(filter, "state", "active");
    put_client(filter, refresh->client);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
}

/* The one write of a refresh. ERR_NOT_FOUND when the grant is not in this generation, alive. */
static enum err rotate(struct ctx *ctx, const struct refreshing *refresh, struct grant *ret_grant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "generation",
                              BCON_INT64((int64_t)refresh->claims.generation + 1), "rotated_at",
                              BCON_UTF8("$$NOW"), "expires_at", "{", "$min", "[", "{", "$add", "[",
                              BCON_UTF8("$$NOW"), BCON_INT64(tenant_refresh_ttl(ctx) * 1000), "]",
                              "}", BCON_UTF8("$ends_at"), "]", "}", "}", "}");

    put_alive(filter, refresh);
    bson_put_int(filter, "generation", refresh->claims.generation);
    return db_find_and_update(
        ctx, &grant_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, ret_grant);
}

/* The grant again, when this spent generation may still be answered with its successor. */
static enum err find_retry(struct ctx *ctx, const struct refreshing *refresh, int64_t grace,
                           struct grant *ret_grant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    put_alive(filter, refresh);
    bson_put_int(filter, "generation", (int64_t)refresh->claims.generation + 1);
    if (grace > 0) {
        AUTO(bson_destroy)
        bson_t *recent = BCON_NEW("$gt", "[", BCON_UTF8("$rotated_at"), "{", "$subtract", "[",
                                  BCON_UTF8("$$NOW"), BCON_INT64(grace * 1000), "]", "}", "]");
        bson_t both, condition;

        BSON_APPEND_ARRAY_BEGIN(filter, "$and", &both);
        BSON_APPEND_DOCUMENT_BEGIN(&both, "0", &condition);
        BSON_APPEND_DOCUMENT(&condition, "$expr", recent);
        bson_append_document_end(&both, &condition);
        bson_append_array_end(filter, &both);
    }
    return db_find_one(ctx, &grant_schema, filter, ret_grant);
}

static enum err end_grant(struct ctx *ctx, void *arg)
{
    const struct grant_ending *ending = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("revoked"), "}");

    bson_put_uuid(filter, "_id", ending->grant_id);
    bson_put_text(filter, "state", "active");
    TRY(db_update_one(ctx, &grant_schema, filter, update));
    TRY(revocation_write(ctx, REVOKED_GRANT, ending->grant_id, 0, GRANT_REVOCATION_SECONDS));
    return audit_insert(ctx, ending->action, ending->status, ending->user_id, NULL);
}

enum err grant_end_once(struct ctx *ctx, const struct grant_ending *ending)
{
    struct grant_ending copy = *ending;

    TRY(db_transaction(ctx, end_grant, &copy));
    revocation_apply(ctx, REVOKED_GRANT, ending->grant_id, 0, GRANT_REVOCATION_SECONDS);
    return ERR_OK;
}

static enum err refuse_reuse(struct ctx *ctx, const struct grant *grant)
{
    const enum err ended = grant_end_once(ctx, &(struct grant_ending){.grant_id = &grant->id,
                                                                      .user_id = &grant->user_id,
                                                                      .action = "token.reuse",
                                                                      .status = "failed"});

    metric_add(ctx->app->metrics, METRIC_REFRESH_REUSE, 1);
    if (ended != ERR_OK && ended != ERR_NOT_FOUND)
        return ended;
    fail_clear(ctx);
    return ERR_BAD_REFRESH;
}

/* Another instance may have rotated, lost its answer with the database, and not marked it yet. */
static bool may_be_marked_soon(struct ctx *ctx, const struct refreshing *refresh)
{
    struct grant grant;

    return db_was_troubled(ctx->app->db, MARKED_WITHIN_MS) &&
           find_retry(ctx, refresh, OUTAGE_SECONDS, &grant) == ERR_OK;
}

/* The generation did not match: decide between a permitted retry, theft, and plain refusal. */
static enum err after_mismatch(struct ctx *ctx, const struct refreshing *refresh,
                               struct grant *ret_grant)
{
    const struct grant_claims *claims = &refresh->claims;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct grant grant = {0};

    bson_put_uuid(filter, "_id", &claims->grant_id);

    const enum err found = db_find_one(ctx, &grant_schema, filter, &grant);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_REFRESH;
    TRY(found);
    /* Stolen, perhaps; but whoever sent it cannot have used it, and must not end it. */
    if (!is_client(&grant, refresh->client)) {
        TRY(audit_write(ctx, "token.refresh", "failed", &grant.user_id, "foreign_client"));
        return ERR_BAD_REFRESH;
    }
    if (strcmp(grant.state, "active") != 0 || grant.generation == claims->generation)
        return ERR_BAD_REFRESH;
    if (grant.generation < claims->generation) {
        TRY(audit_write(ctx, "token.refresh", "failed", &grant.user_id, "unknown_generation"));
        return ERR_BAD_REFRESH;
    }

    const bool is_public = refresh->client != NULL && oauth_client_is_public(refresh->client);
    const int64_t grace = tenant_refresh_grace(ctx, grant.cookies || is_public);
    enum err retry = grace > 0 ? find_retry(ctx, refresh, grace, ret_grant) : ERR_NOT_FOUND;

    if (retry == ERR_NOT_FOUND && grant_memory_take(ctx, &claims->grant_id, claims->generation)) {
        retry = find_retry(ctx, refresh, 0, ret_grant);
        if (retry != ERR_OK && retry != ERR_NOT_FOUND)
            grant_memory_note(ctx, &claims->grant_id, claims->generation);
    }
    if (retry == ERR_NOT_FOUND && may_be_marked_soon(ctx, refresh))
        return fail_retry(ctx, ERR_DB_UNAVAILABLE, 1);
    return retry == ERR_NOT_FOUND ? refuse_reuse(ctx, &grant) : retry;
}

bool grant_is_unchanged(const struct ctx *ctx, const struct grant *grant, const struct user *user,
                        const struct oauth_client *client)
{
    return user->is_active && user->security_epoch == grant->user_epoch &&
           ctx->tenant->epoch == grant->tenant_epoch &&
           (client == NULL || client->epoch == grant->client_epoch);
}

enum err grant_check_session(struct ctx *ctx, const struct grant *grant)
{
    if (uuid_is_zero(&grant->session_id) || scope_has(grant->scope, SCOPE_OFFLINE_ACCESS))
        return ERR_OK;

    const enum err alive = session_is_alive(ctx, &grant->session_id);

    return alive == ERR_UNAUTHENTICATED ? ERR_BAD_REFRESH : alive;
}

static enum err answer(struct ctx *ctx, const struct refreshing *refresh, struct grant *grant,
                       struct token_pair *ret_pair)
{
    struct user user = {0};
    struct token_pair pair;
    const enum err found = user_find(ctx, &grant->user_id, &user);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_NOT_FOUND || !grant_is_unchanged(ctx, grant, &user, refresh->client)) {
        fail_clear(ctx);
        TRY(audit_write(ctx, "token.refresh", "failed", &grant->user_id, "subject_changed"));
        return ERR_BAD_REFRESH;
    }

    const enum err alive = grant_check_session(ctx, grant);

    if (alive == ERR_BAD_REFRESH)
        TRY(audit_write(ctx, "token.refresh", "failed", &grant->user_id, "session_ended"));
    TRY(alive);
    if (refresh->less.scope != NULL)
        grant->scope = refresh->less.scope;
    if (refresh->less.resources.count > 0)
        grant->resources = refresh->less.resources;
    TRY(grant_pair(ctx, &user, grant, &pair));
    TRY(grant_add_id_token(ctx, refresh->client, &user, grant, &pair));
    TRY(audit_write(ctx, "token.refresh", "success", &user.id, NULL));
    *ret_pair = pair;
    return ERR_OK;
}

static enum err refresh_proven(struct ctx *ctx, const struct refreshing *refresh,
                               struct token_pair *ret_pair)
{
    const struct grant_claims *claims = &refresh->claims;
    struct grant grant = {0};
    enum err rotated = rotate(ctx, refresh, &grant);
    const bool unknown = rotated != ERR_OK && db_outcome_unknown(ctx);

    if (rotated == ERR_NOT_FOUND)
        rotated = after_mismatch(ctx, refresh, &grant);
    if (rotated == ERR_OK)
        rotated = answer(ctx, refresh, &grant, ret_pair);
    else if (!unknown)
        return rotated;

    /* Spent, or perhaps spent, and no answer: the client's retry must not look like theft. */
    if (rotated == ERR_OK)
        grant_memory_forget(ctx, &claims->grant_id, claims->generation);
    else if (rotated != ERR_BAD_REFRESH)
        grant_memory_note(ctx, &claims->grant_id, claims->generation);
    return rotated;
}

enum err grant_refresh(struct ctx *ctx, const char *refresh_token, struct token_pair *ret_pair)
{
    struct refreshing refresh = {.client = NULL};

    TRY(prove_refresh(ctx, refresh_token, &refresh.claims));
    return refresh_proven(ctx, &refresh, ret_pair);
}

enum err grant_check_resources(struct ctx *ctx, const struct grant *grant,
                               const struct strs *wanted)
{
    return resources_are_within(wanted, &grant->resources)
               ? ERR_OK
               : fail(ctx, ERR_TARGET, "resource", "The resource goes beyond what was granted.");
}

/* Before anything is used up. A grant that is not there is told by the rotation. */
static enum err check_less(struct ctx *ctx, const struct refreshing *refresh)
{
    struct grant grant = {0};
    const char *beyond = NULL;
    const enum err found = grant_find(ctx, &refresh->claims.grant_id, &grant);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_REFRESH;
    TRY(found);
    if (!is_client(&grant, refresh->client))
        return ERR_OK;
    TRY(grant_check_resources(ctx, &grant, &refresh->less.resources));
    if (refresh->less.scope != NULL)
        TRY(scope_missing(ctx, refresh->less.scope, grant.scope, &beyond));
    return beyond == NULL
               ? ERR_OK
               : fail(ctx, ERR_SCOPE_INVALID, "scope", "The scope goes beyond what was granted.");
}

enum err grant_refresh_for_client(struct ctx *ctx, const struct oauth_client *client,
                                  const char *refresh_token, const struct narrowing *less,
                                  struct token_pair *ret_pair)
{
    struct refreshing refresh = {.client = client, .less = *less};

    TRY(prove_refresh(ctx, refresh_token, &refresh.claims));
    if (less->scope != NULL || less->resources.count > 0)
        TRY(check_less(ctx, &refresh));
    return refresh_proven(ctx, &refresh, ret_pair);
}

static enum err find_alive(struct ctx *ctx, const char *refresh_token, struct refreshing *refresh,
                           struct grant *ret_grant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    TRY(prove_refresh(ctx, refresh_token, &refresh->claims));
    put_alive(filter, refresh);

    const enum err found = db_find_one(ctx, &grant_schema, filter, ret_grant);

    return found == ERR_NOT_FOUND ? ERR_BAD_REFRESH : found;
}

enum err grant_inspect(struct ctx *ctx, const char *refresh_token,
                       const struct oauth_client *client, struct grant *ret_grant)
{
    struct refreshing refresh = {.client = client};

    TRY(find_alive(ctx, refresh_token, &refresh, ret_grant));
    return ret_grant->generation == refresh.claims.generation ? ERR_OK : ERR_BAD_REFRESH;
}

enum err grant_logout(struct ctx *ctx, const char *refresh_token, const struct oauth_client *client)
{
    struct refreshing refresh = {.client = client};
    struct grant grant = {0};

    TRY(find_alive(ctx, refresh_token, &refresh, &grant));

    const enum err ended = grant_end_once(
        ctx, &(struct grant_ending){.grant_id = &grant.id,
                                    .user_id = &grant.user_id,
                                    .action = client != NULL ? "token.revoked" : "logout",
                                    .status = "success"});

    return ended == ERR_NOT_FOUND ? ERR_BAD_REFRESH : ended;
}
