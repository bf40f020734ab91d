/* GET /admin/tenants, and reading and changing one of them. */
#include "handlers/admin.h"

#include <string.h>

#include "app/app.h"
#include "app/paging.h"
#include "app/text.h"
#include "handlers/admin_tenants.h"
#include "models/tenant_admin.h"
#include "models/tenant_life.h"

struct admin_tenants {
    struct list tenants;
    const char *next;
};

struct admin_tenants_query {
    const char *search, *cursor;
    int status, plan;
    int64_t limit;
};

struct admin_tenant_patch {
    const char *name, *industry;
    bool discoverable, has_discoverable;
    int plan;
    struct tenant_overrides limits;
};

/* clang-format off */
static const struct field admin_tenant_fields[] = {
    FIELD_UUID(struct admin_tenant, id, "id", F_REQUIRED),
    FIELD_STR(struct admin_tenant, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct admin_tenant, name, "name", F_REQUIRED, 1, 200),
    FIELD_STR(struct admin_tenant, industry, "industry", F_ALWAYS, 1, 64),
    FIELD_STR(struct admin_tenant, domain, "domain", F_ALWAYS, 1, 253),
    FIELD_ENUM(struct admin_tenant, plan, "plan", F_REQUIRED, plan_names),
    FIELD_ENUM(struct admin_tenant, status, "status", F_REQUIRED, tenant_status_names),
    FIELD_BOOL(struct admin_tenant, discoverable, "discoverable", F_REQUIRED),
    FIELD_OBJECT(struct admin_tenant, limits, "limits", F_REQUIRED, &tenant_overrides_schema, .doc = "What was granted beside the plan."),
    FIELD_INT(struct admin_tenant, users, "users", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT_OPT(struct admin_tenant, max_users, has_max_users, "max_users", F_NONE, 0, INT64_MAX, .doc = "Absent when unlimited."),
    FIELD_TIME(struct admin_tenant, created_at, "created_at", F_REQUIRED),
    FIELD_TIME(struct admin_tenant, status_changed_at, "status_changed_at", F_ALWAYS),
    FIELD_TIME(struct admin_tenant, purge_at, "purge_at", F_ALWAYS, .doc = "When a scheduled deletion becomes final; until then it can be restored."),
    FIELD_INT(struct admin_tenant, version, "version", F_REQUIRED, 1, INT64_MAX),
};
const struct schema admin_tenant_schema = {
    .name = "admin_tenant", .size = sizeof(struct admin_tenant), SCHEMA_FIELDS(admin_tenant_fields),
};
static const struct field admin_tenants_query_fields[] = {
    FIELD_STR(struct admin_tenants_query, search, "search", F_TRIM, 1, 200, .doc = "How slug or name begins, in any case."),
    FIELD_ENUM(struct admin_tenants_query, status, "status", F_NONE, tenant_status_names, .doc = "Absent: all that are not gone."),
    FIELD_ENUM(struct admin_tenants_query, plan, "plan", F_NONE, plan_names),
    FIELD_INT(struct admin_tenants_query, limit, "limit", F_NONE, 1, 200, .doc = "Tenants of a page, 50 when absent."),
    FIELD_STR(struct admin_tenants_query, cursor, "cursor", F_NONE, 1, CURSOR_TEXT_MAX, .doc = "What next of the page before said; the other parameters must be the same."),
};
const struct schema admin_tenants_query_schema = {
    .name = "admin_tenants_query", .size = sizeof(struct admin_tenants_query), SCHEMA_FIELDS(admin_tenants_query_fields),
};
static const struct field admin_tenants_fields[] = {
    FIELD_LIST(struct admin_tenants, tenants, "tenants", F_REQUIRED | F_ALWAYS, &admin_tenant_schema, 200),
    FIELD_STR(struct admin_tenants, next, "next", F_ALWAYS, 1, CURSOR_TEXT_MAX, .doc = "Cursor of the next page; null on the last."),
};
const struct schema admin_tenants_schema = {
    .name = "admin_tenants", .size = sizeof(struct admin_tenants), SCHEMA_FIELDS(admin_tenants_fields),
};
static const struct field admin_tenant_patch_fields[] = {
    FIELD_STR(struct admin_tenant_patch, name, "name", F_PATCH | F_TRIM, 1, 200, .check = text_check_name),
    FIELD_STR(struct admin_tenant_patch, industry, "industry", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 64, .check = text_check_name),
    FIELD_BOOL_OPT(struct admin_tenant_patch, discoverable, has_discoverable, "discoverable", F_PATCH),
    FIELD_ENUM(struct admin_tenant_patch, plan, "plan", F_PATCH, plan_names),
    FIELD_OBJECT(struct admin_tenant_patch, limits, "limits", F_PATCH, &tenant_overrides_schema, .doc = "Each beside the plan's own; null gives one back to the plan."),
};
const struct schema admin_tenant_patch_schema = {
    .name = "admin_tenant_patch", .size = sizeof(struct admin_tenant_patch), SCHEMA_FIELDS(admin_tenant_patch_fields),
};
/* clang-format on */

struct admin_tenant admin_tenant_of(const struct app *app, const struct tenant *tenant,
                                    int64_t users)
{
    const int64_t max_users = tenant_plan(app, tenant).users;

    return (struct admin_tenant){
        .id = tenant->id,
        .slug = tenant->slug,
        .name = tenant->name,
        .industry = tenant->industry,
        .domain = tenant->domain,
        .plan = tenant->plan,
        .status = tenant->status,
        .discoverable = tenant->discoverable,
        .limits = tenant->limits,
        .users = users,
        .max_users = max_users,
        .has_max_users = max_users > 0,
        .created_at = tenant->created_at,
        .status_changed_at = tenant->status_changed_at,
        .purge_at = tenant->purge_at,
        .version = tenant->version,
    };
}

enum err admin_id(const struct request *req, struct uuid *ret_id)
{
    return uuid_parse(request_param(req, "id"), ret_id) && !uuid_is_zero(ret_id) ? ERR_OK
                                                                                 : ERR_NOT_FOUND;
}

enum err admin_answer(struct request *req, struct response *res, int status,
                      const struct tenant *tenant)
{
    struct tenant one = *tenant;
    const struct list list = {.items = &one, .count = 1};
    int64_t users = 0;

    TRY(tenant_search_users(&req->ctx, &list, &users));

    const struct admin_tenant answer = admin_tenant_of(req->ctx.app, tenant, users);

    return respond(req, res, status, &answer);
}

/* --- the list --- */

#define PARAMETER_COUNT 3

/* A cursor goes with the words of the search as they came. */
static enum err read_parameters(struct request *req, const char *ret_parameters[PARAMETER_COUNT])
{
    static const char *const names[PARAMETER_COUNT] = {"search", "status", "plan"};

    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        TRY(request_query(req, names[i], &ret_parameters[i]));
    return ERR_OK;
}

static enum err make_rows(struct request *req, const struct list *tenants, struct list *ret_rows)
{
    const struct tenant *items = tenants->items;
    struct admin_tenant *rows = arena_array(req->ctx.arena, tenants->count + 1, sizeof *rows);
    int64_t *users = arena_array(req->ctx.arena, tenants->count + 1, sizeof *users);

    if (rows == NULL || users == NULL)
        return ERR_MEMORY;
    if (tenants->count > 0)
        TRY(tenant_search_users(&req->ctx, tenants, users));
    for (size_t i = 0; i < tenants->count; i++)
        rows[i] = admin_tenant_of(req->ctx.app, &items[i], users[i]);
    *ret_rows = (struct list){.items = rows, .count = tenants->count};
    return ERR_OK;
}

enum err handle_admin_tenants(struct request *req, struct response *res)
{
    const char *parameters[PARAMETER_COUNT];
    const struct cursor_list list = {
        .name = "admin_tenants", .parameters = parameters, .parameter_count = PARAMETER_COUNT};
    struct admin_tenants_query query;
    struct admin_tenants answer = {0};
    struct tenant_position next;
    struct list found = {0};
    struct paging paging;

    TRY(request_query_input(req, &query));
    TRY(read_parameters(req, parameters));
    TRY(paging_read(req, &list, 2, &paging));

    struct tenant_search search = {
        .prefix = query.search, .status = query.status, .plan = query.plan, .limit = paging.limit};

    if (paging.begun)
        search.after = (struct tenant_position){.by_name = strcmp(paging.values[0], "name") == 0,
                                                .slug = paging.values[1]};
    TRY(tenant_search(&req->ctx, &search, &found, &next));
    TRY(make_rows(req, &found, &answer.tenants));
    if (next.slug != NULL) {
        const char *const values[] = {next.by_name ? "name" : "slug", next.slug};

        TRY(paging_next(req, &paging, values, &answer.next));
    }
    return respond(req, res, 200, &answer);
}

/* --- one tenant --- */

static enum err find(struct request *req, struct tenant **ret_tenant)
{
    struct uuid id;

    *ret_tenant = ARENA_NEW(req->ctx.arena, struct tenant);
    if (*ret_tenant == NULL)
        return ERR_MEMORY;
    TRY(admin_id(req, &id));
    return tenant_find(&req->ctx, &id, *ret_tenant);
}

enum err handle_admin_tenant_get(struct request *req, struct response *res)
{
    struct tenant *tenant = NULL;

    TRY(find(req, &tenant));
    return admin_answer(req, res, 200, tenant);
}

enum err handle_admin_tenant_patch(struct request *req, struct response *res)
{
    struct admin_tenant_patch in = {0};
    struct tenant *tenant = NULL, after = {0};
    const struct value *limits = value_get(req->input, "limits");

    TRY(find(req, &tenant));
    TRY(request_input(req, &in));

    const struct tenant_change change = {
        .name = in.name,
        .industry = in.industry,
        .has_industry = value_get(req->input, "industry") != NULL,
        .discoverable = in.discoverable,
        .has_discoverable = in.has_discoverable,
        .plan = in.plan,
        .limits = in.limits,
        .limits_mask = limits != NULL ? schema_present(&tenant_overrides_schema, limits) : 0,
    };

    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    TRY(tenant_change(&req->ctx, &change, &after));
    return admin_answer(req, res, 200, &after);
}

typedef enum err (*life_fn)(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);

static enum err live(struct request *req, struct response *res, life_fn step, int status)
{
    struct tenant after = {0};
    struct uuid id;

    TRY(admin_id(req, &id));
    TRY(step(&req->ctx, &id, &after));
    return admin_answer(req, res, status, &after);
}

enum err handle_admin_tenant_suspend(struct request *req, struct response *res)
{
    return live(req, res, tenant_suspend, 200);
}

enum err handle_admin_tenant_restore(struct request *req, struct response *res)
{
    return live(req, res, tenant_restore, 200);
}

enum err handle_admin_tenant_delete(struct request *req, struct response *res)
{
    return live(req, res, tenant_delete, 202);
}
