/* What a tenant may: lifetimes from its settings or the configuration, places under its plan. */
#include "app/app.h"
#include "app/db.h"
#include "models/tenant.h"
#include "models/tenant_records.h"
#include "models/user.h"

#define COOKIE_REFRESH_GRACE 10
#define RESERVATION_MS       60000

static int64_t either(bool has, int64_t setting, int64_t standard)
{
    return has ? setting : standard;
}

int64_t tenant_access_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_access_token_ttl, settings->access_token_ttl,
                  app_config(ctx->app)->tokens.access_ttl);
}

int64_t tenant_refresh_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_refresh_token_ttl, settings->refresh_token_ttl,
                  app_config(ctx->app)->tokens.refresh_ttl);
}

int64_t tenant_refresh_max_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_refresh_token_max_ttl, settings->refresh_token_max_ttl,
                  app_config(ctx->app)->tokens.refresh_max_ttl);
}

int64_t tenant_session_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_session_ttl, settings->session_ttl,
                  app_config(ctx->app)->tokens.session_ttl);
}

int64_t tenant_refresh_grace(const struct ctx *ctx, bool cookies)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_refresh_grace, settings->refresh_grace,
                  cookies ? COOKIE_REFRESH_GRACE : 0);
}

struct config_plan tenant_plan(const struct app *app, const struct tenant *tenant)
{
    const struct tenant_overrides *own = &tenant->limits;
    struct config_plan plan = *config_plan_of(app_config(app), (enum plan)tenant->plan);

    plan.users = either(own->has_users, own->users, plan.users);
    plan.requests_per_minute =
        either(own->has_requests_per_minute, own->requests_per_minute, plan.requests_per_minute);
    plan.access_keys = either(own->has_access_keys, own->access_keys, plan.access_keys);
    plan.audit_days = either(own->has_audit_days, own->audit_days, plan.audit_days);
    return plan;
}

int64_t tenant_max_users(const struct ctx *ctx)
{
    return tenant_plan(ctx->app, ctx->tenant).users;
}

static enum err change_users(struct ctx *ctx, int64_t delta, int64_t below)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$inc", "{", "users", BCON_INT64(delta), "}", "$currentDate", "{",
                              "reserved_at", BCON_BOOL(true), "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    if (below > 0) {
        bson_t range;

        BSON_APPEND_DOCUMENT_BEGIN(filter, "users", &range);
        bson_put_int(&range, "$lt", below);
        bson_append_document_end(filter, &range);
    }
    return db_update_one(ctx, &tenant_usage_schema, filter, update);
}

enum err tenant_reserve_user(struct ctx *ctx)
{
    const int64_t limit = tenant_max_users(ctx);
    const enum err reserved = change_users(ctx, 1, limit);

    if (reserved != ERR_NOT_FOUND)
        return reserved;
    ctx->failure.limit = ctx->failure.usage = limit;
    return fail(ctx, ERR_PLAN_LIMIT, NULL,
                "The plan \"%s\" allows %lld users, and that many exist.",
                plan_names[ctx->tenant->plan], (long long)limit);
}

enum err tenant_release_user(struct ctx *ctx)
{
    return change_users(ctx, -1, 0);
}

enum err tenant_usage_get(struct ctx *ctx, struct tenant_usage *ret_usage)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    return db_find_one(ctx, &tenant_usage_schema, filter, ret_usage);
}

/* True in the database when no reservation can be in flight any more: a request lives for seconds.
 */
static void put_settled(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *settled =
        BCON_NEW("$lt", "[", "{", "$ifNull", "[", "$reserved_at", BCON_DATE_TIME(0), "]", "}", "{",
                 "$subtract", "[", "$$NOW", BCON_INT64(RESERVATION_MS), "]", "}", "]");

    BSON_APPEND_DOCUMENT(filter, "$expr", settled);
}

enum err tenant_recount_users(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *inactive_filter = BCON_NEW("is_active", BCON_BOOL(false));
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct tenant_usage before = {0};
    int64_t users = 0, inactive = 0;

    TRY(tenant_usage_get(ctx, &before));
    TRY(db_count(ctx, &user_schema, NULL, 0, &users));
    TRY(db_count(ctx, &user_schema, inactive_filter, 0, &inactive));
    if (users == before.users && inactive == before.inactive_users)
        return ERR_OK;

    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "users", BCON_INT64(users), "inactive_users",
                              BCON_INT64(inactive), "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    bson_put_int(filter, "users", before.users);
    put_settled(filter);

    const enum err updated = db_update_one(ctx, &tenant_usage_schema, filter, update);

    return updated == ERR_NOT_FOUND ? ERR_OK : updated;
}
