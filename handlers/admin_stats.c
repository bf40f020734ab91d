/* GET /admin/stats: the platform in figures. */
#include "handlers/admin.h"
#include "models/platform_stats.h"

struct tenant_figures {
    int64_t total, active, suspended, deleting, purging, creating;
};

struct plan_figures {
    int64_t free, basic, premium, enterprise;
};

struct user_figures {
    int64_t total, active;
};

struct collection_figures {
    int64_t used, bound;
};

struct login_figures {
    int64_t succeeded, failed, locked;
};

struct admin_stats {
    struct tenant_figures tenants;
    struct plan_figures plans;
    struct user_figures users;
    struct collection_figures collections;
    struct login_figures logins;
};

/* clang-format off */
static const struct field tenant_figures_fields[] = {
    FIELD_INT(struct tenant_figures, total, "total", F_REQUIRED, 0, INT64_MAX, .doc = "All that are not gone."),
    FIELD_INT(struct tenant_figures, active, "active", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_figures, suspended, "suspended", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_figures, deleting, "deleting", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_figures, purging, "purging", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct tenant_figures, creating, "creating", F_REQUIRED, 0, INT64_MAX),
};
static const struct schema tenant_figures_schema = {
    .name = "tenant_figures", .size = sizeof(struct tenant_figures), SCHEMA_FIELDS(tenant_figures_fields),
};
static const struct field plan_figures_fields[] = {
    FIELD_INT(struct plan_figures, free, "free", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct plan_figures, basic, "basic", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct plan_figures, premium, "premium", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct plan_figures, enterprise, "enterprise", F_REQUIRED, 0, INT64_MAX),
};
static const struct schema plan_figures_schema = {
    .name = "plan_figures", .size = sizeof(struct plan_figures), SCHEMA_FIELDS(plan_figures_fields),
};
static const struct field user_figures_fields[] = {
    FIELD_INT(struct user_figures, total, "total", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct user_figures, active, "active", F_REQUIRED, 0, INT64_MAX),
};
static const struct schema user_figures_schema = {
    .name = "user_figures", .size = sizeof(struct user_figures), SCHEMA_FIELDS(user_figures_fields),
};
static const struct field collection_figures_fields[] = {
    FIELD_INT(struct collection_figures, used, "used", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct collection_figures, bound, "bound", F_REQUIRED, 0, INT64_MAX, .doc = "tenants.max_collections."),
};
static const struct schema collection_figures_schema = {
    .name = "collection_figures", .size = sizeof(struct collection_figures), SCHEMA_FIELDS(collection_figures_fields),
};
static const struct field login_figures_fields[] = {
    FIELD_INT(struct login_figures, succeeded, "succeeded", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct login_figures, failed, "failed", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct login_figures, locked, "locked", F_REQUIRED, 0, INT64_MAX),
};
static const struct schema login_figures_schema = {
    .name = "login_figures", .size = sizeof(struct login_figures), SCHEMA_FIELDS(login_figures_fields),
};
static const struct field admin_stats_fields[] = {
    FIELD_OBJECT(struct admin_stats, tenants, "tenants", F_REQUIRED, &tenant_figures_schema),
    FIELD_OBJECT(struct admin_stats, plans, "plans", F_REQUIRED, &plan_figures_schema),
    FIELD_OBJECT(struct admin_stats, users, "users", F_REQUIRED, &user_figures_schema),
    FIELD_OBJECT(struct admin_stats, collections, "collections", F_REQUIRED, &collection_figures_schema),
    FIELD_OBJECT(struct admin_stats, logins, "logins", F_REQUIRED, &login_figures_schema, .doc = "Of all instances since the installation began, up to some seconds ago."),
};
const struct schema admin_stats_schema = {
    .name = "admin_stats", .size = sizeof(struct admin_stats), SCHEMA_FIELDS(admin_stats_fields),
};
/* clang-format on */

static struct tenant_figures tenant_figures_of(const int64_t *by_status)
{
    struct tenant_figures figures = {
        .active = by_status[TENANT_ACTIVE],
        .suspended = by_status[TENANT_SUSPENDED],
        .deleting = by_status[TENANT_DELETING],
        .purging = by_status[TENANT_PURGING],
        .creating = by_status[TENANT_CREATING],
    };

    figures.total =
        figures.active + figures.suspended + figures.deleting + figures.purging + figures.creating;
    return figures;
}

enum err handle_admin_stats(struct request *req, struct response *res)
{
    struct platform_stats stats;

    TRY(platform_stats_read(&req->ctx, &stats));

    const struct admin_stats answer = {
        .tenants = tenant_figures_of(stats.by_status),
        .plans = {.free = stats.by_plan[PLAN_FREE],
                  .basic = stats.by_plan[PLAN_BASIC],
                  .premium = stats.by_plan[PLAN_PREMIUM],
                  .enterprise = stats.by_plan[PLAN_ENTERPRISE]},
        .users = {.total = stats.users, .active = stats.users - stats.inactive_users},
        .collections = {.used = stats.places, .bound = stats.bound},
        .logins = {.succeeded = stats.logins,
                   .failed = stats.login_failures,
                   .locked = stats.lockouts},
    };

    return respond(req, res, 200, &answer);
}
