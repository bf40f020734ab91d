/* The console's first page: what the tenant is and what it uses of its plan. */
#include "handlers/console.h"

#include "app/app.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/grant.h"
#include "models/tenant.h"
#include "models/tenant_records.h"

/* One bar: so many of so many. limit 0 = unlimited, then there is no bar. */
struct usage_bar {
    const char *id, *label, *unit;
    int64_t used, limit;
};

#define HIGH_PERCENT 80

static enum err draw(struct request *req, const struct usage_bar *bar,
                     struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    struct template_var *vars = arena_array(ctx->arena, 9, sizeof *vars);
    const bool bounded = bar->limit > 0;
    const int64_t used = bounded && bar->used > bar->limit ? bar->limit : bar->used;

    if (vars == NULL)
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "bar-id", .text = bar->id};
    vars[1] = (struct template_var){.name = "bar-label", .text = bar->label};
    vars[2] = (struct template_var){.name = "bar-used", .text = words_number(ctx, bar->used)};
    vars[3] = (struct template_var){.name = "bar-limit",
                                    .text = bounded ? words_number(ctx, bar->limit) : NULL};
    vars[4] = (struct template_var){.name = "bar-unit", .text = bar->unit};
    vars[5] = (struct template_var){.name = "bar-value",
                                    .text = arena_printf(ctx->arena, "%lld", (long long)used)};
    vars[6] = (struct template_var){
        .name = "bar-max", .text = arena_printf(ctx->arena, "%lld", (long long)bar->limit)};
    vars[7] = (struct template_var){.name = "is-full",
                                    .text = words_when(bounded && bar->used >= bar->limit)};
    vars[8] =
        (struct template_var){.name = "is-high",
                              .text = words_when(bounded && bar->used < bar->limit &&
                                                 bar->used >= bar->limit * HIGH_PERCENT / 100)};
    *ret_item = (struct template_vars){.vars = vars, .count = 9};
    return ERR_OK;
}

static enum err draw_all(struct request *req, const struct tenant_usage *usage,
                         struct template_var *ret_bars)
{
    const struct config_plan plan = tenant_plan(req->ctx.app, req->ctx.tenant);
    const struct usage_bar bars[] = {
        {"usage-users", "Users", "users", usage->users, plan.users},
        {"usage-keys", "Access keys", "access keys", usage->access_keys, plan.access_keys},
        {"usage-clients", "Applications", "applications", usage->clients, plan.clients},
    };
    const size_t count = sizeof bars / sizeof bars[0];
    struct template_vars *items = arena_array(req->ctx.arena, count, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(draw(req, &bars[i], &items[i]));
    *ret_bars = (struct template_var){.name = "bars", .items = items, .item_count = count};
    return ERR_OK;
}

static const char *or_unlimited(struct request *req, int64_t number)
{
    return number == 0 ? "unlimited" : words_number(&req->ctx, number);
}

enum err handle_console_overview(struct request *req, struct response *res)
{
    const struct tenant *tenant = req->ctx.tenant;
    struct user user = {0};
    struct tenant_usage usage = {0};
    struct template_var bars = {0};
    int64_t grants = 0;
    const enum err entered = console_enter(req, ROLE_ADMIN, &user);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    TRY(tenant_usage_get(&req->ctx, &usage));
    TRY(grant_count_active(&req->ctx, &grants));
    TRY(draw_all(req, &usage, &bars));

    const struct config_plan plan = tenant_plan(req->ctx.app, tenant);
    const struct template_var vars[] = {
        bars,
        {.name = "tenant-slug", .text = tenant->slug},
        {.name = "tenant-plan", .text = plan_names[tenant->plan]},
        {.name = "tenant-since", .text = words_day(&req->ctx, tenant->created_at)},
        {.name = "active-users",
         .text = words_number(&req->ctx, usage.users - usage.inactive_users)},
        {.name = "inactive-users", .text = words_number(&req->ctx, usage.inactive_users)},
        {.name = "active-grants", .text = words_number(&req->ctx, grants)},
        {.name = "plan-requests", .text = or_unlimited(req, plan.requests_per_minute)},
        {.name = "plan-audit-days", .text = or_unlimited(req, plan.audit_days)},
        {.name = "upgrade-url", .text = app_config(req->ctx.app)->tenants.upgrade_url},
    };
    struct page page = {.template_name = "console-overview",
                        .title = "Overview",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(req, res, &(struct console_view){.user = &user, .here = "overview"},
                           &page);
}
