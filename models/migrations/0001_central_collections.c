/*
 * Migration 1: the central collections with their validators and indexes. In those that hold
 * documents of tenants every index begins with tenant_id, except the TTL ones, which MongoDB allows
 * on a single field only. User collections are made with their tenant.
 */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "app/keys.h"
#include "app/lease.h"
#include "app/revocation.h"
#include "models/access_key.h"
#include "models/access_key_use.h"
#include "models/audit.h"
#include "models/authorization.h"
#include "models/consent.h"
#include "models/custom_schema.h"
#include "models/grant.h"
#include "models/idempotency.h"
#include "models/import_internal.h"
#include "models/job.h"
#include "models/login_attempt.h"
#include "models/oauth_client.h"
#include "models/outbox.h"
#include "models/platform_key.h"
#include "models/rate_limit.h"
#include "models/session.h"
#include "models/tenant.h"
#include "models/tenant_places.h"
#include "models/user_removal.h"

#define KEYS(...)                 \
    .keys = (const char *const[]) \
    {                             \
        __VA_ARGS__, NULL         \
    }
#define INDEXES(table) .indexes = (table), .count = sizeof(table) / sizeof(table)[0]

/* clang-format off */
static const struct db_index tenant_indexes[] = {
    {.name = "slug_1", KEYS("slug"), .unique = true, .ttl_seconds = -1},
    {.name = "status_1_expires_at_1", KEYS("status", "expires_at"), .ttl_seconds = -1},
    {.name = "status_1_purge_at_1", KEYS("status", "purge_at"), .ttl_seconds = -1},
    {.name = "status_1_slug_1", KEYS("status", "slug"), .ttl_seconds = -1},
    {.name = "plan_1_slug_1", KEYS("plan", "slug"), .ttl_seconds = -1},
    {.name = "status_1_plan_1_slug_1", KEYS("status", "plan", "slug"), .ttl_seconds = -1},
    {.name = "name_key_1_slug_1", KEYS("name_key", "slug"), .ttl_seconds = -1},
    {.name = "discoverable_1_status_1_slug_1", KEYS("discoverable", "status", "slug"), .ttl_seconds = -1},
    {.name = "settings.allowed_origins_1", KEYS("settings.allowed_origins"), .partial_exists = "settings.allowed_origins", .ttl_seconds = -1},
};
static const struct db_index platform_key_indexes[] = {
    {.name = "first_1", KEYS("first"), .unique = true, .partial_exists = "first", .ttl_seconds = -1},
};
static const struct db_index tenant_domain_indexes[] = {
    {.name = "verified_domain_1", KEYS("verified_domain"), .unique = true, .partial_exists = "verified_domain", .ttl_seconds = -1},
    {.name = "tenant_id_1_domain_1", KEYS("tenant_id", "domain"), .unique = true, .ttl_seconds = -1},
};
static const struct db_index token_indexes[] = {
    {.name = "tenant_id_1_user_id_1_state_1", KEYS("tenant_id", "user_id", "state"), .ttl_seconds = -1},
    {.name = "tenant_id_1_state_1_expires_at_1", KEYS("tenant_id", "state", "expires_at"), .ttl_seconds = -1},
    {.name = "tenant_id_1_session_id_1", KEYS("tenant_id", "session_id"), .partial_exists = "session_id", .ttl_seconds = -1},
    {.name = "purge_at_1", KEYS("purge_at"), .ttl_seconds = 0},
};
static const struct db_index session_indexes[] = {
    {.name = "tenant_id_1_hash_1", KEYS("tenant_id", "hash"), .unique = true, .ttl_seconds = -1},
    {.name = "tenant_id_1_user_id_1", KEYS("tenant_id", "user_id"), .ttl_seconds = -1},
    {.name = "expires_at_1", KEYS("expires_at"), .ttl_seconds = 0},
};
static const struct db_index expiry_indexes[] = {
    {.name = "expires_at_1", KEYS("expires_at"), .ttl_seconds = 0},
};
static const struct db_index key_indexes[] = {
    {.name = "tenant_id_1_kid_1", KEYS("tenant_id", "kid"), .unique = true, .ttl_seconds = -1},
};
static const struct db_index access_key_indexes[] = {
    {.name = "tenant_id_1__id_1", KEYS("tenant_id", "_id"), .ttl_seconds = -1},
    {.name = "purge_at_1", KEYS("purge_at"), .ttl_seconds = 0},
};
static const struct db_index oauth_client_indexes[] = {
    {.name = "tenant_id_1__id_1", KEYS("tenant_id", "_id"), .ttl_seconds = -1},
    {.name = "tenant_id_1_owner_id_1", KEYS("tenant_id", "owner_id"), .ttl_seconds = -1},
};
static const struct db_index authorization_indexes[] = {
    {.name = "tenant_id_1", KEYS("tenant_id"), .ttl_seconds = -1}, /* of the purge of a tenant */
    {.name = "expires_at_1", KEYS("expires_at"), .ttl_seconds = 0},
};
static const struct db_index consent_indexes[] = {
    {.name = "tenant_id_1_user_id_1_oauth_client_id_1", KEYS("tenant_id", "user_id", "oauth_client_id"), .unique = true, .ttl_seconds = -1},
};
static const struct db_index custom_schema_indexes[] = {
    {.name = "tenant_id_1_version_1", KEYS("tenant_id", "version"), .unique = true, .ttl_seconds = -1},
};
static const struct db_index access_key_use_indexes[] = {
    {.name = "tenant_id_1", KEYS("tenant_id"), .ttl_seconds = -1},
    {.name = "used_at_1", KEYS("used_at"), .ttl_seconds = (int64_t)ACCESS_KEY_USE_DAYS * 86400},
};
static const struct db_index audit_indexes[] = {
    {.name = "tenant_id_1_timestamp_-1__id_-1", KEYS("tenant_id", "-timestamp", "-_id"), .ttl_seconds = -1},
    {.name = "tenant_id_1_user_id_1_timestamp_-1__id_-1", KEYS("tenant_id", "user_id", "-timestamp", "-_id"), .ttl_seconds = -1},
    {.name = "tenant_id_1_action_1_status_1_timestamp_-1__id_-1", KEYS("tenant_id", "action", "status", "-timestamp", "-_id"), .ttl_seconds = -1},
    {.name = "writer_1_n_1", KEYS("writer", "n"), .ttl_seconds = -1}, /* of the verification, which walks all */
    {.name = "tenant_id_1_status_1_timestamp_-1__id_-1", KEYS("tenant_id", "status", "-timestamp", "-_id"), .ttl_seconds = -1},
    {.name = "purge_at_1", KEYS("purge_at"), .ttl_seconds = 0},
};

static const struct db_index user_removal_indexes[] = {
    {.name = "due_at_1", KEYS("due_at"), .ttl_seconds = -1},
    {.name = "tenant_id_1", KEYS("tenant_id"), .ttl_seconds = -1}, /* of the purge of a tenant */
};

static const struct db_index outbox_indexes[] = {
    {.name = "due_at_1_tenant_id_1", KEYS("due_at", "tenant_id"), .ttl_seconds = -1},
    {.name = "tenant_id_1", KEYS("tenant_id"), .ttl_seconds = -1}, /* of the purge of a tenant */
    {.name = "expires_at_1", KEYS("expires_at"), .ttl_seconds = 0},
};

static const struct db_index job_indexes[] = {
    {.name = "due_at_1_tenant_id_1", KEYS("due_at", "tenant_id"), .partial_exists = "due_at", .ttl_seconds = -1},
    {.name = "tenant_id_1_kind_1_created_at_-1", KEYS("tenant_id", "kind", "-created_at"), .ttl_seconds = -1},
    {.name = "tenant_id_1_alone_1", KEYS("tenant_id", "alone"), .unique = true, .partial_exists = "alone", .ttl_seconds = -1},
    {.name = "expires_at_1", KEYS("expires_at"), .ttl_seconds = 0},
};

static const struct central {
    const struct schema *schema;
    const struct db_index *indexes;
    size_t count;
    bool keep; /* the migrations themselves need it */
} centrals[] = {
    {.schema = &migration_schema, .keep = true},
    {.schema = &lease_schema, .keep = true},
    {.schema = &tenant_schema, INDEXES(tenant_indexes)},
    {.schema = &tenant_usage_schema},
    {.schema = &platform_counter_schema},
    {.schema = &platform_key_schema, INDEXES(platform_key_indexes)},
    {.schema = &tenant_domain_schema, INDEXES(tenant_domain_indexes)},
    {.schema = &grant_schema, INDEXES(token_indexes)},
    {.schema = &session_schema, INDEXES(session_indexes)},
    {.schema = &login_attempt_schema, INDEXES(expiry_indexes)},
    {.schema = &rate_limit_schema, INDEXES(expiry_indexes)},
    {.schema = &revocation_schema, INDEXES(expiry_indexes)},
    {.schema = &signing_key_schema, INDEXES(key_indexes)},
    {.schema = &data_key_schema, INDEXES(key_indexes)},
    {.schema = &access_key_schema, INDEXES(access_key_indexes)},
    {.schema = &access_key_use_schema, INDEXES(access_key_use_indexes)},
    {.schema = &oauth_client_schema, INDEXES(oauth_client_indexes)},
    {.schema = &authorization_schema, INDEXES(authorization_indexes)},
    {.schema = &consent_schema, INDEXES(consent_indexes)},
    {.schema = &custom_schema_schema, INDEXES(custom_schema_indexes)},
    {.schema = &outbox_schema, INDEXES(outbox_indexes)},
    {.schema = &job_schema, INDEXES(job_indexes)},
    {.schema = &import_chunk_schema, INDEXES(expiry_indexes)},
    {.schema = &import_key_schema, INDEXES(expiry_indexes)},
    {.schema = &user_removal_schema, INDEXES(user_removal_indexes)},
    {.schema = &audit_schema, INDEXES(audit_indexes)},
    {.schema = &idempotency_schema, INDEXES(expiry_indexes)},
};
/* clang-format on */

#define CENTRAL_COUNT (sizeof centrals / sizeof centrals[0])

const struct schema *migrations_central(size_t index)
{
    return index < CENTRAL_COUNT ? centrals[index].schema : NULL;
}

const struct db_index *migrations_central_indexes(size_t index, size_t *ret_count)
{
    *ret_count = centrals[index].count;
    return centrals[index].indexes;
}

bool migrations_expiry(size_t index, struct central_expiry *ret_expiry)
{
    for (size_t i = 0; i < CENTRAL_COUNT; i++) {
        for (size_t j = 0; j < centrals[i].count; j++) {
            const struct db_index *found = &centrals[i].indexes[j];

            if (found->ttl_seconds < 0 || index-- > 0)
                continue;
            *ret_expiry = (struct central_expiry){.schema = centrals[i].schema,
                                                  .field = found->keys[0],
                                                  .seconds = found->ttl_seconds};
            return true;
        }
    }
    return false;
}

enum err migrations_ensure(struct ctx *ctx)
{
    for (size_t i = 0; i < CENTRAL_COUNT; i++)
        TRY(db_ensure_collection(ctx, centrals[i].schema, centrals[i].indexes, centrals[i].count));
    return ERR_OK;
}

enum err migrations_refuse_if_any(struct ctx *ctx, const struct schema *schema,
                                  const bson_t *filter, const char *sentence)
{
    int64_t count = 0;

    TRY(db_count(ctx, schema, filter, 1, &count));
    return count > 0 ? fail_internal(ctx, ERR_CONFLICT, "%s", sentence) : ERR_OK;
}

/* Taking this back drops everything, so it is for empty installations. */
static enum err down(struct ctx *ctx)
{
    TRY(migrations_refuse_if_any(
        ctx, &tenant_schema, NULL,
        "there are tenants; this step is only taken back from an empty installation"));
    for (size_t i = 0; i < CENTRAL_COUNT; i++) {
        if (!centrals[i].keep)
            TRY(db_drop_collection(ctx, centrals[i].schema));
    }
    return ERR_OK;
}

const struct migration migration_0001 = {
    .number = 1,
    .name = "central_collections",
    .revision = "1",
    .structure = true,
    .down = down,
};

enum err migrations_verify(struct ctx *ctx)
{
    for (size_t i = 0; i < CENTRAL_COUNT; i++)
        TRY(db_verify_indexes(ctx, centrals[i].schema, centrals[i].indexes, centrals[i].count));
    return ERR_OK;
}
