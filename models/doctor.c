/* The checks, from the whole to the single tenant. Each mends by what else would have made it. */
#include "models/doctor.h"

#include <inttypes.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/keys.h"
#include "app/migrate.h"
#include "models/doctor_internal.h"
#include "models/tenant.h"
#include "models/tenant_places.h"

#define PAGE          100
#define CLOCK_WARN_MS 1000
#define CLOCK_FAIL_MS 5000

void doctor_found(struct round *round, const struct finding *finding)
{
    if (!finding->mended && !finding->is_warning)
        round->open++;
    round->doctor->report(finding, round->doctor->arg);
}

void doctor_progress(struct round *round, const char *what)
{
    round->looked_at++;
    if (round->doctor->progress != NULL)
        round->doctor->progress(round->looked_at, what, round->doctor->arg);
}

/* ---- the whole ---- */

static enum err check_migrations(struct ctx *ctx, struct round *round, bool *ret_applied)
{
    struct finding finding = {.check = "migrations",
                              .problem =
                                  "Steps of this version are not applied; it will not serve.",
                              .remedy = "tenantd migrate up"};
    struct list applied = {0};
    size_t pending = 0;

    TRY(migrate_status(ctx, &applied, &pending));
    *ret_applied = pending == 0 || round->doctor->fix;
    if (pending == 0)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(migrate_up(ctx, NULL, NULL));
        finding.mended = true;
    }
    doctor_found(round, &finding);
    return ERR_OK;
}

/* Tokens, leases, locks and the database's own expiry are dated by these clocks: instances tolerate
 * much of each other, but a second is already more than any that are kept in step. */
static enum err check_clock(struct ctx *ctx, struct round *round)
{
    struct finding finding = {
        .check = "clock",
        .remedy = "let both machines follow the same source of time (chronyc tracking, timedatectl "
                  "timesync-status), and run this again",
    };
    int64_t ahead = 0;

    TRY(db_clock_ahead(ctx, &ahead));

    const int64_t apart = ahead < 0 ? -ahead : ahead;

    if (apart < CLOCK_WARN_MS)
        return ERR_OK;
    finding.is_warning = apart < CLOCK_FAIL_MS;
    finding.problem =
        arena_printf(ctx->arena, "This machine's clock is %" PRId64 " ms %s the database server's.",
                     apart, ahead < 0 ? "behind" : "ahead of");
    if (finding.problem == NULL)
        return ERR_MEMORY;
    doctor_found(round, &finding);
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
    doctor_found(round, &finding);
    return ERR_OK;
}

/* ---- one tenant ---- */

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
    doctor_found(round, &finding);
    return ERR_OK;
}

static enum err check_tenant(struct ctx *ctx, struct round *round)
{
    TRY(doctor_check_jobs(ctx, round));
    TRY(doctor_check_users(ctx, round));
    TRY(doctor_check_profiles(ctx, round));
    TRY(check_keys(ctx, round));
    TRY(doctor_check_counters(ctx, round));
    doctor_progress(round, "tenants");
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

        arena_init(&arena, DOCTOR_ARENA_LIMIT);
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
    bool is_applied = false;

    TRY(check_clock(ctx, &round));
    TRY(check_migrations(ctx, &round, &is_applied));
    if (is_applied) /* else they say it already */
        TRY(doctor_check_central(ctx, &round));
    TRY(check_unfinished(ctx, &round));
    TRY(check_tenants(ctx, &round));
    if (doctor->tenant != NULL && round.looked_at == 0)
        return fail(ctx, ERR_TENANT_NOT_FOUND, NULL, "There is no tenant \"%.63s\" to look at.",
                    doctor->tenant);
    if (doctor->tenant == NULL)
        TRY(doctor_check_orphans(ctx, &round));
    *ret_open = round.open;
    return ERR_OK;
}
