/* Reading the platform's figures, and adding to its counters. */
#include "models/platform_stats.h"

#include "app/app.h"
#include "app/db.h"
#include "app/metrics.h"
#include "models/tenant_places.h"
#include "models/tenant_records.h"

#define LOGINS         "logins"
#define LOGIN_FAILURES "login_failures"
#define LOCKOUTS       "lockouts"

struct tenant_count {
    int status, plan;
    int64_t n;
};

struct user_count {
    int64_t users, inactive_users;
};

/* clang-format off */
static const struct field tenant_count_fields[] = {
    FIELD_ENUM(struct tenant_count, status, "status", F_NONE, tenant_status_names),
    FIELD_ENUM(struct tenant_count, plan, "plan", F_NONE, plan_names),
    FIELD_INT(struct tenant_count, n, "n", F_NONE, 0, INT64_MAX),
};
static const struct schema tenant_count_schema = {
    .name = "tenant_count", .size = sizeof(struct tenant_count), SCHEMA_FIELDS(tenant_count_fields),
};
static const struct field user_count_fields[] = {
    FIELD_INT(struct user_count, users, "users", F_NONE, 0, INT64_MAX),
    FIELD_INT(struct user_count, inactive_users, "inactive_users", F_NONE, 0, INT64_MAX),
};
static const struct schema user_count_schema = {
    .name = "user_count", .size = sizeof(struct user_count), SCHEMA_FIELDS(user_count_fields),
};
/* clang-format on */

/* Answered from the index on status, plan and slug alone. Tombstones, which only grow, are left
 * out. */
static enum err count_tenants(struct ctx *ctx, struct platform_stats *stats)
{
    static const char *const by[] = {"status", "plan", NULL};
    static const char *const none[] = {NULL};
    AUTO(bson_destroy)
    bson_t *living =
        BCON_NEW("status", "{", "$in", "[", BCON_UTF8("creating"), BCON_UTF8("active"),
                 BCON_UTF8("suspended"), BCON_UTF8("deleting"), BCON_UTF8("purging"), "]", "}");
    struct list rows = {0};

    TRY(db_group(ctx, &tenant_schema,
                 &(struct db_group){
                     .filter = living, .by = by, .sums = none, .result = &tenant_count_schema},
                 &rows));

    const struct tenant_count *counts = rows.items;

    for (size_t i = 0; i < rows.count; i++) {
        stats->by_status[counts[i].status] += counts[i].n;
        stats->by_plan[counts[i].plan] += counts[i].n;
    }
    return ERR_OK;
}

/* A row for each tenant that is not gone: purging a tenant deletes its own. */
static enum err count_users(struct ctx *ctx, struct platform_stats *stats)
{
    static const char *const none[] = {NULL};
    static const char *const sums[] = {"users", "inactive_users", NULL};
    struct list rows = {0};

    TRY(db_group(ctx, &tenant_usage_schema,
                 &(struct db_group){.by = none, .sums = sums, .result = &user_count_schema},
                 &rows));
    if (rows.count == 0)
        return ERR_OK;

    const struct user_count *count = rows.items;

    stats->users = count->users;
    stats->inactive_users = count->inactive_users;
    return ERR_OK;
}

static enum err read_counter(struct ctx *ctx, const char *name, int64_t *ret_value)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    struct platform_counter counter = {0};
    const enum err found = db_find_one(ctx, &platform_counter_schema, filter, &counter);

    if (found == ERR_OK)
        *ret_value = counter.value;
    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

enum err platform_stats_read(struct ctx *ctx, struct platform_stats *ret_stats)
{
    struct tenant_places places = {0};

    *ret_stats = (struct platform_stats){0};
    TRY(count_tenants(ctx, ret_stats));
    TRY(count_users(ctx, ret_stats));
    TRY(tenant_places_read(ctx, &places));
    ret_stats->places = places.used;
    ret_stats->bound = places.bound;
    TRY(read_counter(ctx, LOGINS, &ret_stats->logins));
    TRY(read_counter(ctx, LOGIN_FAILURES, &ret_stats->login_failures));
    return read_counter(ctx, LOCKOUTS, &ret_stats->lockouts);
}

/* --- adding --- */

static enum err add(struct ctx *ctx, const char *name, enum metric metric, int64_t *flushed)
{
    const int64_t now = metric_get(ctx->app->metrics, metric);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$inc", "{", "value", BCON_INT64(now - *flushed), "}");
    struct platform_counter counter = {0};

    if (now == *flushed)
        return ERR_OK;

    const enum err added = db_find_and_update(
        ctx, &platform_counter_schema,
        &(struct db_change){.filter = filter, .update = update, .upsert = true}, &counter);

    /* Rather a few too few than some twice. */
    if (added == ERR_OK || db_outcome_unknown(ctx))
        *flushed = now;
    return added;
}

enum err platform_stats_flush(struct ctx *ctx, struct platform_flushed *flushed)
{
    TRY(add(ctx, LOGINS, METRIC_LOGINS_OK, &flushed->logins));
    TRY(add(ctx, LOGIN_FAILURES, METRIC_LOGINS_FAILED, &flushed->login_failures));
    return add(ctx, LOCKOUTS, METRIC_LOCKOUTS, &flushed->lockouts);
}
