/* Counting what a tenant has: changes inside transactions, and the recount that heals. */
#include "models/tenant_usage.h"

#include "app/db.h"
#include "models/tenant.h"
#include "models/user.h"

#define RESERVATION_MS 60000

struct user_count {
    int role;
    bool is_active;
    int64_t n;
};

/* clang-format off */
static const struct field user_count_fields[] = {
    FIELD_ENUM(struct user_count, role, "role", F_NONE, role_names),
    FIELD_BOOL(struct user_count, is_active, "is_active", F_NONE),
    FIELD_INT(struct user_count, n, "n", F_NONE, 0, INT64_MAX),
};
static const struct schema user_count_schema = {
    .name = "user_count", .size = sizeof(struct user_count), SCHEMA_FIELDS(user_count_fields),
};
/* clang-format on */

enum err tenant_usage_get(struct ctx *ctx, struct tenant_usage *ret_usage)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    return db_find_one(ctx, &tenant_usage_schema, filter, ret_usage);
}

/* ---- keys and clients ---- */

static const struct {
    const char *counter, *name; /* in the document; in sentences */
} uses[] = {
    [TENANT_USES_KEYS] = {"access_keys", "access keys"},
    [TENANT_USES_CLIENTS] = {"clients", "OAuth clients"},
};

/* Documents without the counter are of versions before it. */
static enum err add(struct ctx *ctx, enum tenant_uses what, int64_t delta, int64_t below)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$inc", "{", uses[what].counter, BCON_INT64(delta), "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    if (below > 0) {
        AUTO(bson_destroy)
        bson_t *full = BCON_NEW("$not", "{", "$gte", BCON_INT64(below), "}");

        BSON_APPEND_DOCUMENT(filter, uses[what].counter, full);
    }
    return db_update_one(ctx, &tenant_usage_schema, filter, update);
}

enum err tenant_usage_take(struct ctx *ctx, enum tenant_uses what)
{
    const struct config_plan plan = tenant_plan(ctx->app, ctx->tenant);
    const int64_t limit = what == TENANT_USES_KEYS ? plan.access_keys : plan.clients;
    const enum err added = add(ctx, what, 1, limit);

    if (added != ERR_NOT_FOUND)
        return added;

    const enum err full =
        fail(ctx, ERR_PLAN_LIMIT, NULL, "The plan \"%s\" allows %lld %s, and that many exist.",
             plan_names[ctx->tenant->plan], (long long)limit, uses[what].name);

    ctx->failure.limit = ctx->failure.usage = limit;
    return full;
}

enum err tenant_usage_give_back(struct ctx *ctx, enum tenant_uses what)
{
    return add(ctx, what, -1, 0);
}

enum err tenant_usage_settle(struct ctx *ctx, enum tenant_uses what, int64_t counted, int64_t there)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    if (counted == there)
        return ERR_OK;

    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", uses[what].counter, BCON_INT64(there), "}");
    /* null: documents of versions before it was counted. */
    AUTO(bson_destroy)
    bson_t *same = counted == 0 ? BCON_NEW("$in", "[", BCON_INT64(0), BCON_NULL, "]")
                                : BCON_NEW("$eq", BCON_INT64(counted));

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    BSON_APPEND_DOCUMENT(filter, uses[what].counter, same);

    const enum err updated = db_update_one(ctx, &tenant_usage_schema, filter, update);

    return updated == ERR_NOT_FOUND ? ERR_OK : updated;
}

/* ---- changing ---- */

static enum err count_owners(struct ctx *ctx, int64_t *ret_owners)
{
    AUTO(bson_destroy)
    bson_t *filter =
        BCON_NEW("role", BCON_UTF8(role_names[ROLE_OWNER]), "is_active", BCON_BOOL(true));

    return db_count(ctx, &user_schema, filter, 0, ret_owners);
}

/* What the document must hold for the change: no counter of owners means that it was written before
 * there was one. */
static void put_condition(const struct usage_change *change, bson_t *filter)
{
    bson_t range;

    if (change->owners == 0)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "owners", &range);
    bson_put_int(&range, "$gte", change->owners < 0 ? 1 - change->owners : 0);
    bson_append_document_end(filter, &range);
}

static enum err apply(struct ctx *ctx, const struct usage_change *change)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t inc;

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    put_condition(change, filter);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &inc);
    bson_put_int(&inc, "users", change->users);
    bson_put_int(&inc, "inactive_users", change->inactive_users);
    if (change->owners != 0)
        bson_put_int(&inc, "owners", change->owners);
    bson_append_document_end(update, &inc);
    return db_update_one(ctx, &tenant_usage_schema, filter, update);
}

/* Once for each tenant of an older version: the transaction's snapshot is counted, and whoever
 * changes it at the same time conflicts with what is written here. */
static enum err begin_counting(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    int64_t owners = 0;
    bson_t set;

    TRY(count_owners(ctx, &owners));
    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_int(&set, "owners", owners);
    bson_append_document_end(update, &set);
    return db_update_one(ctx, &tenant_usage_schema, filter, update);
}

enum err tenant_usage_change(struct ctx *ctx, const struct usage_change *change)
{
    struct tenant_usage usage = {0};

    if (change->users == 0 && change->inactive_users == 0 && change->owners == 0)
        return ERR_OK;

    enum err changed = apply(ctx, change);

    if (changed != ERR_NOT_FOUND)
        return changed;
    TRY(tenant_usage_get(ctx, &usage));
    if (!usage.has_owners) {
        TRY(begin_counting(ctx));
        changed = apply(ctx, change);
    }
    return changed == ERR_NOT_FOUND ? ERR_LAST_OWNER : changed;
}

/* ---- recounting ---- */

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

enum err tenant_usage_is_settled(struct ctx *ctx, bool *ret_settled)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t count = 0;

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    put_settled(filter);
    TRY(db_count(ctx, &tenant_usage_schema, filter, 1, &count));
    *ret_settled = count == 1;
    return ERR_OK;
}

/* A row for each kind of user: all are looked at once. */
enum err tenant_usage_count(struct ctx *ctx, struct tenant_usage *ret_usage)
{
    static const char *const by[] = {"role", "is_active", NULL};
    static const char *const none[] = {NULL};
    struct list rows = {0};

    *ret_usage = (struct tenant_usage){.tenant_id = ctx->tenant_id, .has_owners = true};
    TRY(db_group(ctx, &user_schema,
                 &(struct db_group){.by = by, .sums = none, .result = &user_count_schema}, &rows));

    const struct user_count *counts = rows.items;

    for (size_t i = 0; i < rows.count; i++) {
        ret_usage->users += counts[i].n;
        if (!counts[i].is_active)
            ret_usage->inactive_users += counts[i].n;
        else if (counts[i].role == ROLE_OWNER)
            ret_usage->owners += counts[i].n;
    }
    return ERR_OK;
}

/* One snapshot for counters and users: who changes either meanwhile makes this attempt fail. */
static enum err recount(struct ctx *ctx, void *arg)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct tenant_usage before = {0}, now = {0};

    (void)arg;
    TRY(tenant_usage_get(ctx, &before));
    TRY(tenant_usage_count(ctx, &now));
    if (now.users == before.users && now.inactive_users == before.inactive_users &&
        now.owners == before.owners && before.has_owners)
        return ERR_OK;

    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW("$set", "{", "users", BCON_INT64(now.users), "inactive_users",
                 BCON_INT64(now.inactive_users), "owners", BCON_INT64(now.owners), "}");

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    put_settled(filter);
    return db_update_one(ctx, &tenant_usage_schema, filter, update);
}

enum err tenant_recount_users(struct ctx *ctx)
{
    const enum err recounted = db_transaction(ctx, recount, NULL);

    return recounted == ERR_NOT_FOUND ? ERR_OK : recounted;
}
