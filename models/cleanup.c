/* What has expired, collection by collection; then what is due. */
#include "models/cleanup.h"

#include "app/clock.h"
#include "app/db.h"
#include "models/migrations/migrations.h"
#include "models/tenant.h"
#include "models/tenant_life.h"
#include "models/user_removal.h"

#define BATCH 500

/* --- what TTL indexes name --- */

static enum err remove_expired(struct ctx *ctx, const struct cleanup *how,
                               const struct central_expiry *expiry, int64_t *ret_count)
{
    const struct db_expired expired = {
        .field = expiry->field,
        .before = clock_now_ms() - expiry->seconds * 1000,
        .limit = how->dry_run ? 0 : BATCH,
    };
    int64_t removed = 0;

    *ret_count = 0;
    if (how->dry_run)
        return db_count_expired_any_tenant(ctx, expiry->schema, &expired, ret_count);
    do {
        TRY(db_delete_expired_any_tenant(ctx, expiry->schema, &expired, &removed));
        *ret_count += removed;
        how->report(expiry->schema->collection, *ret_count, false, how->arg);
    } while (removed > 0);
    return ERR_OK;
}

/* --- what is due --- */

static enum err count_due(struct ctx *ctx, const struct schema *schema, const char *status,
                          const char *field, int64_t *ret_count)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *past = BCON_NEW("$gt", BCON_DATE_TIME(0), "$lt", BCON_DATE_TIME(clock_now_ms()));

    if (status != NULL)
        bson_put_text(filter, "status", status);
    BSON_APPEND_DOCUMENT(filter, field, past);
    return db_count(ctx, schema, filter, 0, ret_count);
}

static enum err count_unfinished(struct ctx *ctx, int64_t *ret_count)
{
    int64_t deleted = 0;

    TRY(count_due(ctx, &tenant_schema, "creating", "expires_at", ret_count));
    TRY(count_due(ctx, &tenant_schema, "deleted", "expires_at", &deleted));
    *ret_count += deleted;
    return ERR_OK;
}

static enum err count_tenants(struct ctx *ctx, int64_t *ret_count)
{
    int64_t purging = 0;
    AUTO(bson_destroy) bson_t *begun = BCON_NEW("status", BCON_UTF8("purging"));

    TRY(count_due(ctx, &tenant_schema, "deleting", "purge_at", ret_count));
    TRY(db_count(ctx, &tenant_schema, begun, 0, &purging));
    *ret_count += purging;
    return ERR_OK;
}

static enum err count_accounts(struct ctx *ctx, int64_t *ret_count)
{
    return count_due(ctx, &user_removal_schema, NULL, "due_at", ret_count);
}

static const struct due {
    const char *kind;
    enum err (*count)(struct ctx *ctx, int64_t *ret_count);
    enum err (*remove)(struct ctx *ctx, int64_t *ret_removed); /* some of them */
} dues[] = {
    {"unfinished tenants", count_unfinished, tenant_remove_expired},
    {"deleted tenants", count_tenants, tenant_purge_due},
    {"closed accounts", count_accounts, user_remove_due},
};

static enum err remove_due(struct ctx *ctx, const struct cleanup *how, const struct due *due,
                           int64_t *ret_count)
{
    int64_t removed = 0;

    *ret_count = 0;
    if (how->dry_run)
        return due->count(ctx, ret_count);
    do {
        TRY(due->remove(ctx, &removed));
        *ret_count += removed;
        how->report(due->kind, *ret_count, false, how->arg);
    } while (removed > 0);
    return ERR_OK;
}

/* --- all --- */

enum err cleanup_run(struct ctx *ctx, const struct cleanup *how)
{
    struct central_expiry expiry;
    int64_t count = 0;

    for (size_t i = 0; migrations_expiry(i, &expiry); i++) {
        TRY(remove_expired(ctx, how, &expiry, &count));
        how->report(expiry.schema->collection, count, true, how->arg);
    }
    for (size_t i = 0; i < sizeof dues / sizeof dues[0]; i++) {
        TRY(remove_due(ctx, how, &dues[i], &count));
        how->report(dues[i].kind, count, true, how->arg);
    }
    return ERR_OK;
}
