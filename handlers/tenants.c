/* What a tenant tells about itself: information, figures, and the public list of tenants. */
#include "handlers/tenants.h"

#include <string.h>

#include "app/app.h"
#include "app/paging.h"
#include "app/tenant_hints.h"
#include "models/grant.h"
#include "models/tenant.h"
#include "models/tenant_records.h"

struct tenant_info {
    struct uuid id;
    const char *name, *slug, *domain;
    int plan;
    bool is_active;
    int64_t created_at;
    int64_t max_users;
    bool has_max_users;
};

struct tenant_entry {
    const char *slug, *name, *domain;
};

struct tenant_page {
    struct list tenants;
    const char *next;
};

struct meter {
    int64_t used, limit;
    bool has_used;
};

struct usage {
    struct meter users, access_keys, clients, requests_per_minute, audit_days;
};

struct tenant_stats {
    int64_t total_users, active_users, total_clients, active_tokens;
    int plan;
    int64_t max_users;
    bool has_max_users;
    struct usage usage;
};

struct seen_hint {
    const char *hint, *value, *tenant;
};

struct resolution {
    struct list hints;
    const char *decision;
    const char *tenant;
    const char *reason;
};

/* clang-format off */
static const struct field tenant_info_fields[] = {
    FIELD_UUID(struct tenant_info, id, "id", F_REQUIRED),
    FIELD_STR(struct tenant_info, name, "name", F_REQUIRED, 1, 200),
    FIELD_STR(struct tenant_info, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct tenant_info, domain, "domain", F_ALWAYS, 1, 253),
    FIELD_ENUM(struct tenant_info, plan, "plan", F_REQUIRED, plan_names),
    FIELD_BOOL(struct tenant_info, is_active, "is_active", F_REQUIRED),
    FIELD_TIME(struct tenant_info, created_at, "created_at", F_REQUIRED),
    FIELD_INT_OPT(struct tenant_info, max_users, has_max_users, "max_users", F_NONE, 0, INT64_MAX, .doc = "For members of the tenant; absent when unlimited."),
};
const struct schema tenant_info_schema = {
    .name = "tenant_info", .size = sizeof(struct tenant_info), SCHEMA_FIELDS(tenant_info_fields),
};

static const struct field tenant_entry_fields[] = {
    FIELD_STR(struct tenant_entry, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct tenant_entry, name, "name", F_REQUIRED, 1, 200),
    FIELD_STR(struct tenant_entry, domain, "domain", F_ALWAYS, 1, 253),
};
static const struct schema tenant_entry_schema = {
    .name = "tenant_entry", .size = sizeof(struct tenant_entry), SCHEMA_FIELDS(tenant_entry_fields),
};
static const struct field tenant_list_fields[] = {
    FIELD_LIST(struct tenant_page, tenants, "tenants", F_REQUIRED | F_ALWAYS, &tenant_entry_schema, 200),
    FIELD_STR(struct tenant_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema tenant_list_schema = {
    .name = "tenant_list", .size = sizeof(struct tenant_page), SCHEMA_FIELDS(tenant_list_fields),
};

static const struct field meter_fields[] = {
    FIELD_INT_OPT(struct meter, used, has_used, "used", F_NONE, 0, INT64_MAX, .doc = "Absent where nothing is counted."),
    FIELD_INT(struct meter, limit, "limit", F_REQUIRED, 0, INT64_MAX, .doc = "0 = unlimited."),
};
static const struct schema meter_schema = {
    .name = "meter", .size = sizeof(struct meter), SCHEMA_FIELDS(meter_fields),
};
static const struct field usage_fields[] = {
    FIELD_OBJECT(struct usage, users, "users", F_REQUIRED, &meter_schema),
    FIELD_OBJECT(struct usage, access_keys, "access_keys", F_REQUIRED, &meter_schema),
    FIELD_OBJECT(struct usage, clients, "clients", F_REQUIRED, &meter_schema, .doc = "Of OAuth."),
    FIELD_OBJECT(struct usage, requests_per_minute, "requests_per_minute", F_REQUIRED, &meter_schema, .doc = "Of the tenant, and of each access key."),
    FIELD_OBJECT(struct usage, audit_days, "audit_days", F_REQUIRED, &meter_schema, .doc = "How long audit rows are kept."),
};
static const struct schema usage_schema = {
    .name = "usage", .size = sizeof(struct usage), SCHEMA_FIELDS(usage_fields),
};
static const struct field tenant_stats_fields[] = {
    FIELD_INT(struct tenant_stats, total_users, "total_users", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_stats, active_users, "active_users", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_stats, total_clients, "total_clients", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_stats, active_tokens, "active_tokens", F_REQUIRED, 0, INT64_MAX),
    FIELD_ENUM(struct tenant_stats, plan, "plan", F_REQUIRED, plan_names),
    FIELD_INT_OPT(struct tenant_stats, max_users, has_max_users, "max_users", F_NONE, 0, INT64_MAX),
    FIELD_OBJECT(struct tenant_stats, usage, "usage", F_REQUIRED, &usage_schema),
};
const struct schema tenant_stats_schema = {
    .name = "tenant_stats", .size = sizeof(struct tenant_stats), SCHEMA_FIELDS(tenant_stats_fields),
};

static const struct field seen_hint_fields[] = {
    FIELD_STR(struct seen_hint, hint, "hint", F_REQUIRED, 1, 32),
    FIELD_STR(struct seen_hint, value, "value", F_REQUIRED, 1, 512),
    FIELD_STR(struct seen_hint, tenant, "tenant", F_ALWAYS, 1, 63, .doc = "Slug of the tenant it names; null when there is none."),
};
static const struct schema seen_hint_schema = {
    .name = "seen_hint", .size = sizeof(struct seen_hint), SCHEMA_FIELDS(seen_hint_fields),
};
static const struct field tenant_resolve_fields[] = {
    FIELD_LIST(struct resolution, hints, "hints", F_REQUIRED | F_ALWAYS, &seen_hint_schema, TENANT_HINTS_MAX),
    FIELD_STR(struct resolution, decision, "decision", F_REQUIRED, 1, 64, .doc = "ok, or the error code."),
    FIELD_STR(struct resolution, tenant, "tenant", F_ALWAYS, 1, 63),
    FIELD_STR(struct resolution, reason, "reason", F_ALWAYS, 1, 400),
};
const struct schema tenant_resolve_schema = {
    .name = "tenant_resolution", .size = sizeof(struct resolution), SCHEMA_FIELDS(tenant_resolve_fields),
};
/* clang-format on */

enum err handle_tenant_info(struct request *req, struct response *res)
{
    const struct tenant *tenant = req->ctx.tenant;
    const int64_t max_users = tenant_max_users(&req->ctx);
    const bool member = req->ctx.who.credential != CREDENTIAL_NONE;
    const struct tenant_info info = {
        .id = tenant->id,
        .name = tenant->name,
        .slug = tenant->slug,
        .domain = tenant->domain,
        .plan = tenant->plan,
        .is_active = true,
        .created_at = tenant->created_at,
        .max_users = max_users,
        .has_max_users = member && max_users > 0,
    };

    return respond(req, res, 200, &info);
}

static const struct cursor_list public_tenants = {.name = "tenants"};

static enum err to_entries(struct request *req, const struct list *rows, struct list *ret_entries)
{
    const struct tenant *tenants = rows->items;
    struct tenant_entry *entries = arena_array(req->ctx.arena, rows->count + 1, sizeof *entries);

    if (entries == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < rows->count; i++)
        entries[i] = (struct tenant_entry){
            .slug = tenants[i].slug, .name = tenants[i].name, .domain = tenants[i].domain};
    *ret_entries = (struct list){.items = entries, .count = rows->count};
    return ERR_OK;
}

enum err handle_tenant_list(struct request *req, struct response *res)
{
    struct tenant_page page = {0};
    struct list rows = {0};
    struct paging paging;

    if (!app_config(req->ctx.app)->tenants.list_enabled)
        return fail_internal(&req->ctx, ERR_NOT_FOUND, "tenants.list_enabled is off");
    TRY(paging_read(req, &public_tenants, 1, &paging));
    TRY(tenant_list_public(&req->ctx, paging.values[0], paging.limit + 1, &rows));

    const struct tenant *tenants = rows.items;

    if (paging_cut(&paging, &rows))
        TRY(paging_next(req, &paging, &tenants[rows.count - 1].slug, &page.next));
    TRY(to_entries(req, &rows, &page.tenants));
    return respond(req, res, 200, &page);
}

static struct usage meters(const struct ctx *ctx, const struct tenant_usage *usage)
{
    const struct config_plan plan = tenant_plan(ctx->app, ctx->tenant);

    return (struct usage){
        .users = {.used = usage->users, .has_used = true, .limit = plan.users},
        .access_keys = {.used = usage->access_keys, .has_used = true, .limit = plan.access_keys},
        .clients = {.used = usage->clients, .has_used = true, .limit = plan.clients},
        .requests_per_minute = {.limit = plan.requests_per_minute},
        .audit_days = {.limit = plan.audit_days},
    };
}

enum err handle_tenant_stats(struct request *req, struct response *res)
{
    struct tenant_usage usage = {0};
    const int64_t max_users = tenant_max_users(&req->ctx);
    struct tenant_stats stats = {
        .plan = req->ctx.tenant->plan, .max_users = max_users, .has_max_users = max_users > 0};

    TRY(tenant_usage_get(&req->ctx, &usage));
    TRY(grant_count_active(&req->ctx, &stats.active_tokens));
    stats.total_users = usage.users;
    stats.total_clients = usage.clients;
    stats.active_users = usage.users - usage.inactive_users;
    stats.usage = meters(&req->ctx, &usage);
    return respond(req, res, 200, &stats);
}

/* Development, or the platform: what was seen and what was decided, without refusing. */
enum err handle_tenant_resolve(struct request *req, struct response *res)
{
    const struct tenant_hint *decided = NULL;
    struct tenant_hints hints;
    struct resolution answer = {.decision = "ok"};

    if (!app_is_development(req->ctx.app) && req->ctx.who.credential != CREDENTIAL_PLATFORM)
        return ERR_NOT_FOUND;
    TRY(tenant_hints_collect(req, &hints));

    struct seen_hint *seen = arena_array(req->ctx.arena, hints.count + 1, sizeof *seen);
    const enum err code = tenant_hints_decide(req, &hints, &decided);

    if (seen == NULL || code == ERR_MEMORY)
        return ERR_MEMORY;
    for (size_t i = 0; i < hints.count; i++) {
        const struct tenant_hint *hint = &hints.items[i];

        seen[i] = (struct seen_hint){.hint = hint_name(hint->kind),
                                     .value = hint->value,
                                     .tenant = hint->tenant != NULL ? hint->tenant->slug : NULL};
    }
    answer.hints = (struct list){.items = seen, .count = hints.count};
    answer.reason = req->ctx.failure.internal;
    if (code != ERR_OK)
        answer.decision = error_info(code)->code;
    else if (decided == NULL)
        answer.decision = error_info(ERR_NO_TENANT)->code;
    else
        answer.tenant = decided->tenant->slug;
    fail_clear(&req->ctx);
    return respond(req, res, 200, &answer);
}
