/* Changes of a tenant's state. What the last one removes stands in tenant_purge.c. */
#include "models/tenant_life.h"

#include "app/app.h"
#include "app/db.h"
#include "app/revocation.h"
#include "models/audit.h"
#include "models/grant.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct transition {
    const struct tenant *tenant; /* as it was read */
    const bson_t *from;          /* {"$in": [states]} */
    const char *to;
    const char *action;
    int64_t purge_in; /* milliseconds; 0 = never */
    struct tenant *after;
};

/* clang-format off */
static bson_t *update_of(const struct transition *change)
{
    if (change->purge_in == 0)
        return BCON_NEW(
            "0", "{", "$set", "{",
            "status", BCON_UTF8(change->to), "status_changed_at", "$$NOW",
            "epoch", "{", "$add", "[", "$epoch", BCON_INT64(1), "]", "}",
            "version", "{", "$add", "[", "$version", BCON_INT64(1), "]", "}",
            "}", "}",
            "1", "{", "$unset", "purge_at", "}");
    return BCON_NEW(
        "0", "{", "$set", "{",
        "status", BCON_UTF8(change->to), "status_changed_at", "$$NOW",
        "purge_at", "{", "$add", "[", "$$NOW", BCON_INT64(change->purge_in), "]", "}",
        "epoch", "{", "$add", "[", "$epoch", BCON_INT64(1), "]", "}",
        "version", "{", "$add", "[", "$version", BCON_INT64(1), "]", "}",
        "}", "}");
}
/* clang-format on */

static enum err apply(struct ctx *ctx, void *arg)
{
    struct transition *change = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = update_of(change);

    bson_put_uuid(filter, "_id", &change->tenant->id);
    BSON_APPEND_DOCUMENT(filter, "status", change->from);
    *change->after = (struct tenant){0};
    TRY(db_find_and_update(
        ctx, &tenant_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, change->after));
    TRY(revocation_write(ctx, REVOKED_TENANT, &change->tenant->id, change->after->epoch,
                         GRANT_REVOCATION_SECONDS));
    return audit_insert(ctx, change->action, "success", &ctx->who.user_id, NULL);
}

/* ERR_CONFLICT when the tenant is in none of the states that lead there. */
static enum err run(struct ctx *ctx, struct transition *change)
{
    const enum err changed = db_transaction(ctx, apply, change);

    if (changed == ERR_NOT_FOUND)
        return ERR_CONFLICT;
    TRY(changed);
    revocation_apply(ctx, REVOKED_TENANT, &change->tenant->id, change->after->epoch,
                     GRANT_REVOCATION_SECONDS);
    tenant_forget(ctx, change->tenant);
    return ERR_OK;
}

/* For the platform: twice the same wish is granted once, and answered alike. */
static enum err run_for_platform(struct ctx *ctx, const struct uuid *id, struct transition *change)
{
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    TRY(tenant_find(ctx, id, tenant));
    change->tenant = tenant;
    ctx_set_tenant(ctx, tenant, &tenant->id);

    const enum err changed = run(ctx, change);

    if (changed != ERR_CONFLICT)
        return changed;
    TRY(tenant_find(ctx, id, change->after));
    if (strcmp(tenant_status_names[change->after->status], change->to) == 0)
        return ERR_OK;
    return fail(ctx, ERR_CONFLICT, "status", "The tenant is %s; that does not lead to %s.",
                tenant_status_names[change->after->status], change->to);
}

enum err tenant_suspend(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *from = BCON_NEW("$in", "[", BCON_UTF8("active"), "]");
    struct transition change = {
        .from = from, .to = "suspended", .action = "tenant.suspended", .after = ret_tenant};

    return run_for_platform(ctx, id, &change);
}

enum err tenant_restore(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant)
{
    AUTO(bson_destroy)
    bson_t *from = BCON_NEW("$in", "[", BCON_UTF8("suspended"), BCON_UTF8("deleting"), "]");
    struct transition change = {
        .from = from, .to = "active", .action = "tenant.restored", .after = ret_tenant};

    return run_for_platform(ctx, id, &change);
}

static int64_t grace(const struct ctx *ctx)
{
    return app_config(ctx->app)->tenants.deletion_grace_days * DAY_MS;
}

enum err tenant_delete(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant)
{
    AUTO(bson_destroy)
    bson_t *from = BCON_NEW("$in", "[", BCON_UTF8("active"), BCON_UTF8("suspended"), "]");
    struct transition change = {.from = from,
                                .to = "deleting",
                                .action = "tenant.deletion_scheduled",
                                .purge_in = grace(ctx),
                                .after = ret_tenant};

    return run_for_platform(ctx, id, &change);
}

enum err tenant_schedule_deletion(struct ctx *ctx, int64_t *ret_purge_at)
{
    AUTO(bson_destroy) bson_t *from = BCON_NEW("$in", "[", BCON_UTF8("active"), "]");
    struct tenant after;
    struct transition change = {.tenant = ctx->tenant,
                                .from = from,
                                .to = "deleting",
                                .action = "tenant.deletion_scheduled",
                                .purge_in = grace(ctx),
                                .after = &after};

    TRY(run(ctx, &change));
    *ret_purge_at = after.purge_at;
    return ERR_OK;
}
