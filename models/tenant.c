/* Tenants: field tables, look-ups through the caches, lists. Creation stands in tenant_create.c. */
#include "models/tenant.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/db.h"
#include "app/text.h"
#include "models/tenant_indexes.h"
#include "models/tenant_records.h"

const char *const tenant_status_names[] = {NULL,      "creating", "active",  "suspended",
                                           "deleted", "deleting", "purging", NULL};

/* clang-format off */
static const struct field tenant_overrides_fields[] = {
    FIELD_INT_OPT(struct tenant_overrides, users, has_users, "users", F_PATCH | F_NULL_CLEARS, 0, 1000000000, .doc = "Most users; 0 = unlimited."),
    FIELD_INT_OPT(struct tenant_overrides, requests_per_minute, has_requests_per_minute, "requests_per_minute", F_PATCH | F_NULL_CLEARS, 0, 1000000000, .doc = "0 = unlimited."),
    FIELD_INT_OPT(struct tenant_overrides, access_keys, has_access_keys, "access_keys", F_PATCH | F_NULL_CLEARS, 0, 1000000000, .doc = "Most access keys; 0 = unlimited."),
    FIELD_INT_OPT(struct tenant_overrides, clients, has_clients, "clients", F_PATCH | F_NULL_CLEARS, 0, 1000000000, .doc = "Most OAuth clients; 0 = unlimited."),
    FIELD_INT_OPT(struct tenant_overrides, audit_days, has_audit_days, "audit_days", F_PATCH | F_NULL_CLEARS, 0, 36600, .doc = "Days that audit rows are kept; 0 = for ever."),
};
const struct schema tenant_overrides_schema = {
    .name = "tenant_limits", .size = sizeof(struct tenant_overrides), SCHEMA_FIELDS(tenant_overrides_fields),
};

static const struct field tenant_fields[] = {
    FIELD_UUID(struct tenant, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_STR(struct tenant, slug, "slug", F_READONLY | F_REQUIRED, 1, 63),
    FIELD_STR(struct tenant, name, "name", F_REQUIRED | F_PATCH | F_TRIM, 1, 200, .check = text_check_name),
    FIELD_STR(struct tenant, industry, "industry", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 64, .check = text_check_name),
    FIELD_STR(struct tenant, domain, "domain", F_READONLY, 1, 253),
    FIELD_ENUM(struct tenant, plan, "plan", F_READONLY | F_REQUIRED, plan_names),
    FIELD_ENUM(struct tenant, status, "status", F_READONLY | F_REQUIRED, tenant_status_names),
    FIELD_BOOL(struct tenant, discoverable, "discoverable", F_PATCH),
    FIELD_OBJECT(struct tenant, settings, "settings", F_READONLY, &tenant_settings_schema),
    FIELD_OBJECT(struct tenant, limits, "limits", F_READONLY, &tenant_overrides_schema),
    FIELD_STR(struct tenant, name_key, "name_key", F_READONLY | F_INTERNAL, 1, 400),
    FIELD_INT(struct tenant, schema_version, "schema_version", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_INT(struct tenant, epoch, "epoch", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_TIME(struct tenant, status_changed_at, "status_changed_at", F_READONLY),
    FIELD_TIME(struct tenant, purge_at, "purge_at", F_READONLY, .doc = "When a scheduled deletion becomes final."),
    FIELD_TIME(struct tenant, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct tenant, expires_at, "expires_at", F_READONLY | F_INTERNAL),
    FIELD_INT(struct tenant, version, "version", F_READONLY | F_REQUIRED, 1, INT64_MAX),
};
const struct schema tenant_schema = {
    .name = "tenant", .collection = "tenants", .global = true,
    .size = sizeof(struct tenant), SCHEMA_FIELDS(tenant_fields),
};

static const struct field tenant_usage_fields[] = {
    FIELD_UUID(struct tenant_usage, tenant_id, "tenant_id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_INT(struct tenant_usage, users, "users", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct tenant_usage, inactive_users, "inactive_users", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct tenant_usage, access_keys, "access_keys", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct tenant_usage, clients, "clients", F_READONLY, 0, INT64_MAX),
    FIELD_INT_OPT(struct tenant_usage, owners, has_owners, "owners", F_READONLY, 0, INT64_MAX),
};
const struct schema tenant_usage_schema = {
    .name = "tenant_usage", .collection = "tenant_usage", .global = true,
    .size = sizeof(struct tenant_usage), SCHEMA_FIELDS(tenant_usage_fields),
};

static const struct field tenant_domain_fields[] = {
    FIELD_UUID(struct tenant_domain, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct tenant_domain, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_STR(struct tenant_domain, domain, "domain", F_READONLY | F_REQUIRED, 1, 253),
    FIELD_STR(struct tenant_domain, verified_domain, "verified_domain", F_READONLY | F_INTERNAL, 1, 253),
    FIELD_STR(struct tenant_domain, status, "status", F_READONLY | F_REQUIRED, 1, 16),
    FIELD_STR(struct tenant_domain, challenge, "challenge", F_READONLY, 1, 128),
    FIELD_TIME(struct tenant_domain, created_at, "created_at", F_READONLY | F_REQUIRED),
};
/* Global: the one look-up that goes from a host name to its tenant. */
const struct schema tenant_domain_schema = {
    .name = "tenant_domain", .collection = "tenant_domains", .global = true,
    .size = sizeof(struct tenant_domain), SCHEMA_FIELDS(tenant_domain_fields),
};
/* clang-format on */

static enum err load_where(struct ctx *ctx, const bson_t *filter, const void **ret_data)
{
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    TRY(db_find_one(ctx, &tenant_schema, filter, tenant));
    if (tenant->status == TENANT_ACTIVE)
        TRY(tenant_indexes_check(ctx, tenant));
    *ret_data = tenant;
    return ERR_OK;
}

enum err tenant_load_by_id(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct uuid id;

    if (size != sizeof id.bytes)
        return ERR_INTERNAL;
    memcpy(id.bytes, key, sizeof id.bytes);
    bson_put_uuid(filter, "_id", &id);
    return load_where(ctx, filter, ret_data);
}

enum err tenant_load_by_slug(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    (void)bson_append_utf8(filter, "slug", -1, key, (int)size);
    return load_where(ctx, filter, ret_data);
}

enum err tenant_load_by_domain(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct tenant_domain domain = {0};

    (void)bson_append_utf8(filter, "verified_domain", -1, key, (int)size);
    TRY(db_find_one(ctx, &tenant_domain_schema, filter, &domain));
    return tenant_load_by_id(ctx, domain.tenant_id.bytes, sizeof domain.tenant_id.bytes, ret_data);
}

/* Only active tenants exist for anybody; creating, suspended and deleted ones answer alike. */
static enum err get_active(struct cache *cache, struct ctx *ctx, const void *key, size_t size,
                           const struct tenant **ret_tenant)
{
    const void *data = NULL;
    const enum err found = cache_get(cache, ctx, key, size, &data);

    if (found == ERR_NOT_FOUND)
        return ERR_TENANT_NOT_FOUND;
    TRY(found);

    const struct tenant *tenant = data;

    if (tenant->status != TENANT_ACTIVE)
        return ERR_TENANT_NOT_FOUND;
    *ret_tenant = tenant;
    return ERR_OK;
}

enum err tenant_get_by_id(struct ctx *ctx, const struct uuid *id, const struct tenant **ret_tenant)
{
    return get_active(ctx->app->tenants, ctx, id->bytes, sizeof id->bytes, ret_tenant);
}

enum err tenant_get_by_slug(struct ctx *ctx, const char *slug, const struct tenant **ret_tenant)
{
    return get_active(ctx->app->slugs, ctx, slug, strlen(slug), ret_tenant);
}

enum err tenant_get_by_domain(struct ctx *ctx, const char *domain, const struct tenant **ret_tenant)
{
    return get_active(ctx->app->domains, ctx, domain, strlen(domain), ret_tenant);
}

static enum err find(struct ctx *ctx, const bson_t *filter, struct tenant *ret_tenant)
{
    TRY(db_find_one(ctx, &tenant_schema, filter, ret_tenant));
    /* What is still being made, or removed because it never was, exists for nobody. */
    return ret_tenant->status == TENANT_CREATING || ret_tenant->expires_at != 0 ? ERR_NOT_FOUND
                                                                                : ERR_OK;
}

enum err tenant_find(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return find(ctx, filter, ret_tenant);
}

enum err tenant_refresh(struct ctx *ctx)
{
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);

    if (tenant == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a tenant");
    TRY(tenant_find(ctx, &ctx->tenant_id, tenant));
    ctx_set_tenant(ctx, tenant, &tenant->id);
    return ERR_OK;
}

enum err tenant_find_by_slug(struct ctx *ctx, const char *slug, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("slug", BCON_UTF8(slug));

    return find(ctx, filter, ret_tenant);
}

void tenant_forget(struct ctx *ctx, const struct tenant *tenant)
{
    cache_drop(ctx->app->tenants, tenant->id.bytes, sizeof tenant->id.bytes);
    cache_drop(ctx->app->slugs, tenant->slug, strlen(tenant->slug));
    cache_flush(ctx->app->domains);
    cache_flush(ctx->app->origins);
}

static void put_after(bson_t *filter, const char *after_slug)
{
    bson_t range;

    if (after_slug == NULL)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "slug", &range);
    bson_put_text(&range, "$gt", after_slug);
    bson_append_document_end(filter, &range);
}

enum err tenant_list_public(struct ctx *ctx, const char *after_slug, int64_t limit,
                            struct list *ret_tenants)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("discoverable", BCON_BOOL(true));
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("slug", BCON_INT32(1));

    put_after(filter, after_slug);
    bson_put_text(filter, "status", "active");
    return db_find_many(ctx, &tenant_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = limit},
                        ret_tenants);
}

enum err tenant_list_all(struct ctx *ctx, const char *after_slug, int64_t limit,
                         struct list *ret_tenants)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("slug", BCON_INT32(1));

    put_after(filter, after_slug);
    return db_find_many(ctx, &tenant_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = limit},
                        ret_tenants);
}

enum err tenant_issuer(struct ctx *ctx, const struct tenant *tenant, const char **ret_issuer)
{
    const struct config *config = app_config(ctx->app);

    if (tenant->domain != NULL)
        *ret_issuer = arena_printf(ctx->arena, "https://%s", tenant->domain);
    else if (config->tenants.issuer_form == ISSUER_SUBDOMAIN)
        *ret_issuer = arena_printf(ctx->arena, "https://%s.%s", tenant->slug,
                                   config->tenants.base_domains.items[0]);
    else
        *ret_issuer = arena_printf(ctx->arena, "%s/t/%s", config->server.public_url, tenant->slug);
    return *ret_issuer == NULL ? ERR_MEMORY : ERR_OK;
}
