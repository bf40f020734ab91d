/* The checks, from the whole to the single tenant. Each mends by what else would have made it. */
#include "models/doctor.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/keys.h"
#include "app/migrate.h"
#include "models/access_key.h"
#include "models/access_key_admin.h"
#include "models/migrations/migrations.h"
#include "models/tenant.h"
#include "models/tenant_places.h"
#include "models/tenant_records.h"
#include "models/tenant_usage.h"
#include "models/user.h"

#define PAGE        100
#define ARENA_LIMIT ((size_t)8 * 1024 * 1024)
#define SLUG_SIZE   64

struct round {
    const struct doctor *doctor;
    int64_t open;
    int64_t tenants;
    char after[SLUG_SIZE]; /* the last slug of the page before */
};

static void found(struct round *round, const struct finding *finding)
{
    if (!finding->mended)
        round->open++;
    round->doctor->report(finding, round->doctor->arg);
}

/* ---- the whole ---- */

static enum err check_migrations(struct ctx *ctx, struct round *round)
{
    struct finding finding = {.check = "migrations",
                              .problem =
                                  "Steps of this version are not applied; it will not serve.",
                              .remedy = "tenantd migrate up"};
    struct list applied = {0};
    size_t pending = 0;

    TRY(migrate_status(ctx, &applied, &pending));
    if (pending == 0)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(migrate_up(ctx, NULL, NULL));
        finding.mended = true;
    }
    found(round, &finding);
    return ERR_OK;
}

static enum err check_central(struct ctx *ctx, struct round *round)
{
    const enum err verified = migrations_verify(ctx);
    struct finding finding = {.check = "central collections",
                              .problem = ctx->failure.internal,
                              .remedy = "the index is built again, in the background"};

    if (verified != ERR_NOT_FOUND)
        return verified;
    fail_clear(ctx);
    if (round->doctor->fix) {
        TRY(migrations_ensure(ctx));
        finding.mended = true;
    }
    found(round, &finding);
    return ERR_OK;
}

/* Creations that never finished and that housekeeping should have removed. */
static enum err check_unfinished(struct ctx *ctx, struct round *round)
{
    const int64_t long_ago = clock_now_ms() - 60000;
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("status", BCON_UTF8("creating"), "expires_at", "{", "$gt",
                              BCON_DATE_TIME(0), "$lt", BCON_DATE_TIME(long_ago), "}");
    struct finding finding = {
        .check = "unfinished tenants",
        .problem = "Creations of tenants that were interrupted hold their slugs and places.",
        .remedy = "they are removed with what they left; an instance that serves does it too"};
    int64_t count = 0, removed = 0;

    TRY(db_count(ctx, &tenant_schema, filter, 1, &count));
    if (count == 0)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(tenant_remove_expired(ctx, &removed));
        TRY(tenant_places_repair(ctx));
        finding.mended = true;
    }
    found(round, &finding);
    return ERR_OK;
}

/* ---- one tenant ---- */

static enum err check_collection(struct ctx *ctx, struct round *round)
{
    const enum err verified = db_verify_indexes(ctx, &user_schema, user_indexes, user_index_count);
    struct finding finding = {.check = "user collection",
                              .tenant = ctx->tenant->slug,
                              .problem = ctx->failure.internal,
                              .remedy = "collection, validator and indexes are made again; users "
                                        "that violate a unique index must be told apart first"};

    if (verified != ERR_NOT_FOUND)
        return verified;
    fail_clear(ctx);
    if (round->doctor->fix) {
        const enum err made =
            db_ensure_collection(ctx, &user_schema, user_indexes, user_index_count);

        if (made == ERR_DB_UNAVAILABLE)
            return made;
        finding.mended = made == ERR_OK;
        fail_clear(ctx);
    }
    found(round, &finding);
    return ERR_OK;
}

static enum err check_keys(struct ctx *ctx, struct round *round)
{
    const struct key_set *keys = NULL;
    const enum err loaded = keys_get(ctx, &keys);

    if (loaded == ERR_OK || loaded == ERR_DB_UNAVAILABLE)
        return loaded;

    const struct finding finding = {
        .check = "keys",
        .tenant = ctx->tenant->slug,
        .problem = "Its keys are missing or cannot be opened: nobody can log in there.",
        .remedy =
            "check that the master key is the one they were made with, or restore signing_keys "
            "and data_keys of this tenant from a backup",
    };

    fail_clear(ctx);
    found(round, &finding);
    return ERR_OK;
}

/* Whether the counters tell what is there; a reservation in flight may count for a moment. */
static enum err counters_agree(struct ctx *ctx, bool *ret_agree)
{
    AUTO(bson_destroy) bson_t *inactive_filter = BCON_NEW("is_active", BCON_BOOL(false));
    struct tenant_usage usage = {0};
    int64_t users = 0, inactive = 0;
    const enum err got = tenant_usage_get(ctx, &usage);

    *ret_agree = false;
    if (got == ERR_NOT_FOUND) {
        fail_clear(ctx);
        return ERR_OK;
    }
    TRY(got);
    TRY(db_count(ctx, &user_schema, NULL, 0, &users));
    TRY(db_count(ctx, &user_schema, inactive_filter, 0, &inactive));
    *ret_agree = usage.users == users && usage.inactive_users == inactive;
    return ERR_OK;
}

static enum err mend_counters(struct ctx *ctx)
{
    const struct tenant_usage none = {.tenant_id = ctx->tenant_id};
    const enum err inserted = db_insert(ctx, &tenant_usage_schema, &none);

    if (inserted != ERR_OK && inserted != ERR_CONFLICT)
        return inserted;
    fail_clear(ctx);
    TRY(tenant_recount_users(ctx));
    return access_key_recount(ctx);
}

static enum err check_counters(struct ctx *ctx, struct round *round)
{
    struct finding finding = {.check = "counters",
                              .tenant = ctx->tenant->slug,
                              .problem = "What counts against its plan is not what is there.",
                              .remedy = "counted again, unless somebody is signing up right now"};
    bool agree = false;

    TRY(counters_agree(ctx, &agree));
    if (agree)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(mend_counters(ctx));
        TRY(counters_agree(ctx, &finding.mended));
    }
    found(round, &finding);
    return ERR_OK;
}

static enum err check_tenant(struct ctx *ctx, struct round *round)
{
    TRY(check_collection(ctx, round));
    TRY(check_keys(ctx, round));
    TRY(check_counters(ctx, round));
    round->tenants++;
    if (round->doctor->progress != NULL)
        round->doctor->progress(round->tenants, round->doctor->arg);
    return ERR_OK;
}

static bool has_data(const struct tenant *tenant)
{
    return tenant->status == TENANT_ACTIVE || tenant->status == TENANT_SUSPENDED ||
           tenant->status == TENANT_DELETING;
}

static bool is_wanted(const struct round *round, const struct tenant *tenant)
{
    return has_data(tenant) &&
           (round->doctor->tenant == NULL || strcmp(round->doctor->tenant, tenant->slug) == 0);
}

/* One page with memory of its own; *ret_more: there may be another. */
static enum err check_page(struct ctx *ctx, struct round *round, bool *ret_more)
{
    struct list page = {0};

    TRY(tenant_list_all(ctx, round->after[0] != '\0' ? round->after : NULL, PAGE, &page));

    const struct tenant *tenants = page.items;
    enum err checked = ERR_OK;

    *ret_more = page.count == PAGE;
    for (size_t i = 0; i < page.count && checked == ERR_OK; i++) {
        (void)snprintf(round->after, sizeof round->after, "%s", tenants[i].slug);
        if (!is_wanted(round, &tenants[i]))
            continue;
        ctx_set_tenant(ctx, &tenants[i], &tenants[i].id);
        checked = check_tenant(ctx, round);
    }
    ctx_set_tenant(ctx, NULL, NULL);
    return checked;
}

static enum err check_tenants(struct ctx *ctx, struct round *round)
{
    bool more = true;

    while (more) {
        struct arena arena;
        struct ctx own;

        arena_init(&arena, ARENA_LIMIT);
        ctx_init(&own, ctx->app, &arena);
        own.request_id = ctx->request_id;

        const enum err checked = check_page(&own, round, &more);

        if (checked != ERR_OK)
            ctx->failure = (struct failure){.code = checked};
        ctx_clear(&own);
        arena_clear(&arena);
        TRY(checked);
    }
    return ERR_OK;
}

enum err doctor_run(struct ctx *ctx, const struct doctor *doctor, int64_t *ret_open)
{
    struct round round = {.doctor = doctor};

    TRY(check_migrations(ctx, &round));
    TRY(check_central(ctx, &round));
    TRY(check_unfinished(ctx, &round));
    TRY(check_tenants(ctx, &round));
    if (doctor->tenant != NULL && round.tenants == 0)
        return fail(ctx, ERR_TENANT_NOT_FOUND, NULL, "There is no tenant \"%.63s\" to look at.",
                    doctor->tenant);
    *ret_open = round.open;
    return ERR_OK;
}
