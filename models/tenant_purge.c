/*
 * Removing a tenant for good. Whatever is stored with its tenant_id goes, whichever collection it
 * is in: the list is that of the central collections itself, so a new one cannot be forgotten. Each
 * step can be done again; the last is one transaction that leaves the tombstone.
 */
#include "models/tenant_life.h"

#include "app/app.h"
#include "app/db.h"
#include "app/log.h"
#include "models/audit.h"
#include "models/migrations/migrations.h"
#include "models/profile.h"
#include "models/tenant_places.h"
#include "models/user.h"

#define PURGES_PER_ROUND 20

/* From here on there is no way back. */
static enum err claim_due(struct ctx *ctx)
{
    struct tenant tenant = {0};
    AUTO(bson_destroy)
    bson_t *due = BCON_NEW("$lt", "[", BCON_UTF8("$purge_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy)
    bson_t *filter =
        BCON_NEW("status", BCON_UTF8("deleting"), "purge_at", "{", "$gt", BCON_DATE_TIME(0), "}");
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "status", BCON_UTF8("purging"), "}");

    BSON_APPEND_DOCUMENT(filter, "$expr", due);
    return db_find_and_update(ctx, &tenant_schema,
                              &(struct db_change){.filter = filter, .update = update}, &tenant);
}

static enum err find_purging(struct ctx *ctx, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("purging"));

    return db_find_one(ctx, &tenant_schema, filter, ret_tenant);
}

/* Ids that are text begin with the tenant's: no index on tenant_id is needed for those. */
static bool has_text_id(const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if (field->bson != NULL && strcmp(field->bson, "_id") == 0)
            return field->type == FT_STR;
    }
    return false;
}

static void put_id_range(const struct uuid *tenant_id, bson_t *filter)
{
    char first[UUID_HEX_SIZE + 1], behind[UUID_HEX_SIZE + 1], hex[UUID_HEX_SIZE];
    bson_t range;

    uuid_hex(tenant_id, hex);
    (void)snprintf(first, sizeof first, "%s:", hex);
    (void)snprintf(behind, sizeof behind, "%s;", hex);
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
    bson_put_text(&range, "$gte", first);
    bson_put_text(&range, "$lt", behind);
    bson_append_document_end(filter, &range);
}

static enum err purge_central(struct ctx *ctx)
{
    for (size_t i = 0; migrations_central(i) != NULL; i++) {
        const struct schema *schema = migrations_central(i);
        AUTO(bson_destroy) bson_t *filter = bson_new();
        int64_t deleted = 0;

        /* The audit log stays until the days of its rows end; domains have a rule of their own. */
        if (schema == &audit_schema || schema == &tenant_domain_schema)
            continue;
        if (schema->global && schema_field_index(schema, "tenant_id") < 0)
            continue;
        if (schema->global)
            bson_put_uuid(filter, "tenant_id", &ctx->tenant_id);
        else if (has_text_id(schema))
            put_id_range(&ctx->tenant_id, filter);
        TRY(db_delete_many(ctx, schema, filter, &deleted));
    }
    return ERR_OK;
}

/* Domains that were proven stay reserved (api.md §11); claims that were not reserve nothing. */
static enum err purge_own_records(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *usage = bson_new();
    AUTO(bson_destroy)
    bson_t *pending = BCON_NEW("verified_domain", "{", "$exists", BCON_BOOL(false), "}");
    AUTO(bson_destroy) bson_t *proven = bson_new();
    AUTO(bson_destroy)
    bson_t *retire = BCON_NEW("$set", "{", "status", BCON_UTF8("retired"), "}", "$unset", "{",
                              "challenge", BCON_INT32(1), "}");
    int64_t count = 0;

    bson_put_uuid(usage, "_id", &ctx->tenant_id);
    bson_put_uuid(pending, "tenant_id", &ctx->tenant_id);
    bson_put_uuid(proven, "tenant_id", &ctx->tenant_id);
    TRY(db_delete_many(ctx, &tenant_usage_schema, usage, &count));
    TRY(db_delete_many(ctx, &tenant_domain_schema, pending, &count));
    return db_update_many(ctx, &tenant_domain_schema, proven, retire, &count);
}

static enum err leave_tombstone(struct ctx *ctx, void *arg)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("purging"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW(
        "0", "{", "$set", "{", "status", BCON_UTF8("deleted"), "name", "$slug", "discoverable",
        BCON_BOOL(false), "status_changed_at", "$$NOW", "version", "{", "$add", "[", "$version",
        BCON_INT64(1), "]", "}", "}", "}", "1", "{", "$unset", "[", "purge_at", "industry",
        "domain", "settings", "limits", "name_key", "schema_version", "]", "}");

    (void)arg;
    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    TRY(db_update_one(ctx, &tenant_schema, filter, update));
    TRY(tenant_place_release(ctx));
    return audit_insert(ctx, "tenant.deleted", "success", NULL, NULL);
}

static enum err purge(struct ctx *ctx, const struct tenant *tenant)
{
    ctx_set_tenant(ctx, tenant, &tenant->id);
    TRY(profile_purge(ctx));
    TRY(db_drop_collection(ctx, &user_schema));
    TRY(purge_central(ctx));
    TRY(purge_own_records(ctx));
    TRY(db_transaction(ctx, leave_tombstone, NULL));
    log_event(LOG_INFO, "tenant.deleted", "slug", tenant->slug, NULL);
    return ERR_OK;
}

enum err tenant_purge_due(struct ctx *ctx, int64_t *ret_purged)
{
    *ret_purged = 0;
    for (int tries = 0; tries < PURGES_PER_ROUND; tries++) {
        struct tenant tenant = {0};
        const enum err claimed = claim_due(ctx);

        if (claimed != ERR_NOT_FOUND)
            TRY(claimed);

        const enum err found = find_purging(ctx, &tenant);

        if (found == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(found);

        const enum err purged = purge(ctx, &tenant);

        ctx_set_tenant(ctx, NULL, NULL);
        if (purged == ERR_NOT_FOUND) { /* another process ended the same purge first */
            fail_clear(ctx);
            continue;
        }
        TRY(purged);
        (*ret_purged)++;
    }
    return ERR_OK;
}
