/* What a tenant may: lifetimes from its settings or the configuration, places under its plan. */
#include "app/app.h"
#include "app/db.h"
#include "models/tenant.h"

#define COOKIE_REFRESH_GRACE 10
#define ID_TOKEN_TTL         3600

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

int64_t tenant_client_access_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_access_token_ttl, settings->access_token_ttl,
                  app_config(ctx->app)->tokens.oauth_access_ttl);
}

int64_t tenant_id_token_ttl(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return either(settings->has_id_token_ttl, settings->id_token_ttl, ID_TOKEN_TTL);
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
    plan.clients = either(own->has_clients, own->clients, plan.clients);
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

enum err tenant_reserve_users(struct ctx *ctx, int64_t count)
{
    const int64_t limit = tenant_max_users(ctx);
    const int64_t below = limit > 0 ? limit - count + 1 : 0;
    const enum err reserved =
        below > 0 || limit == 0 ? change_users(ctx, count, below) : ERR_NOT_FOUND;

    if (reserved != ERR_NOT_FOUND)
        return reserved;
    ctx->failure.limit = ctx->failure.usage = limit;
    return fail(ctx, ERR_PLAN_LIMIT, NULL,
                "The plan \"%s\" allows %lld users, and that many exist.",
                plan_names[ctx->tenant->plan], (long long)limit);
}

enum err tenant_release_users(struct ctx *ctx, int64_t count)
{
    return change_users(ctx, -count, 0);
}
