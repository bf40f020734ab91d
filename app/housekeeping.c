/*
 * Two threads: one takes the lease and beats, so that nothing slow can hold up the heartbeat; the
 * other does the chores while this instance holds the lease.
 */
#include "app/housekeeping.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/bson_auto.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/db.h"
#include "app/lease.h"
#include "app/log.h"
#include "models/access_key_admin.h"
#include "models/oauth_client_admin.h"
#include "models/platform_stats.h"
#include "models/signing_key.h"
#include "models/tenant.h"
#include "models/tenant_life.h"
#include "models/tenant_places.h"
#include "models/tenant_usage.h"
#include "models/user_removal.h"

#define LEASE_NAME    "housekeeping"
#define LEASE_MS      2000
#define RENEW_MS      1000
#define BEAT_MS       250
#define BEAT_DOCUMENT "heartbeat"
#define BEAT_KEPT_MS \
    INT64_C(86400000) /* the collection's TTL must not take it away between two beats */
#define CHORE_MS         1000
#define EXPIRED_EVERY_MS 10000
#define PURGE_EVERY_MS   3000
#define PLACES_EVERY_MS  10000
#define FLUSH_EVERY_MS   3000
#define REPAIR_EVERY_MS  60000
#define REMOVAL_EVERY_MS 5000
#define VISIT_EVERY_MS   600000
#define DAY_MS           (INT64_C(24) * 3600 * 1000)
#define WORK_MS          2000 /* time budget of one beat or one chore */
#define ARENA_LIMIT      ((size_t)1024 * 1024)
#define SLUG_SIZE        64

struct housekeeping {
    struct app *app;
    pthread_t beating, working;
    bool beating_started, working_started;
    _Atomic bool holder;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping; /* under lock */
    /* The beating thread's. */
    int64_t renew_at;
    /* The working thread's. */
    int64_t expired_at, purge_at, removal_at, places_at, flush_at, repair_at, visit_at;
    struct platform_flushed flushed;
    char visited[SLUG_SIZE]; /* the tenant looked after last; "" = begin with the first */
};

/* True when it is time to stop; waits so long for it. */
static bool stopping(struct housekeeping *keeping, int64_t wait_ms)
{
    const int64_t until = clock_monotonic_ms() + wait_ms;
    bool in_time = wait_ms > 0;

    pthread_mutex_lock(&keeping->lock);
    while (in_time && !keeping->stopping)
        in_time = condition_wait(&keeping->stop, &keeping->lock, until);

    const bool stop = keeping->stopping;

    pthread_mutex_unlock(&keeping->lock);
    return stop;
}

typedef enum err (*work_fn)(struct housekeeping *keeping, struct ctx *ctx);

/* Runs one piece of work with a ctx of its own. */
static enum err run(struct housekeeping *keeping, work_fn work)
{
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, ARENA_LIMIT);
    ctx_init(&ctx, keeping->app, &arena);
    ctx.deadline = clock_monotonic_ms() + WORK_MS;

    const enum err code = work(keeping, &ctx);

    if (code != ERR_OK && code != ERR_CONFLICT && code != ERR_NOT_FOUND)
        log_event(LOG_DEBUG, "housekeeping", "error", error_info(code)->code, "detail",
                  ctx.failure.internal, NULL);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return code;
}

/* ---- lease and heartbeat ---- */

static enum err take_lease(struct housekeeping *keeping, struct ctx *ctx)
{
    int64_t fence = 0;

    return lease_take(ctx, LEASE_NAME, &keeping->app->instance_id, LEASE_MS, &fence);
}

static enum err give_lease(struct housekeeping *keeping, struct ctx *ctx)
{
    return lease_release(ctx, LEASE_NAME, &keeping->app->instance_id);
}

static enum err beat(struct housekeeping *keeping, struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(BEAT_DOCUMENT));
    AUTO(bson_destroy) bson_t *update = bson_new();
    const struct db_change change = {.filter = filter, .update = update, .upsert = true};
    struct lease written;
    bson_t set;

    /* fence changes with each beat: an update that changes nothing makes no event. */
    if (!BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set) ||
        !bson_append_binary(&set, "holder", -1, BSON_SUBTYPE_UUID, keeping->app->instance_id.bytes,
                            16) ||
        !BSON_APPEND_DATE_TIME(&set, "expires_at", clock_now_ms() + BEAT_KEPT_MS) ||
        !bson_append_document_end(update, &set) ||
        !BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &set) || !BSON_APPEND_INT64(&set, "fence", 1) ||
        !bson_append_document_end(update, &set))
        return fail_internal(ctx, ERR_MEMORY, "no memory for the heartbeat");
    return db_find_and_update(ctx, &lease_schema, &change, &written);
}

static void lead_or_wait(struct housekeeping *keeping)
{
    const int64_t now = clock_monotonic_ms();

    if (now >= keeping->renew_at) {
        atomic_store(&keeping->holder, run(keeping, take_lease) == ERR_OK);
        keeping->renew_at = now + RENEW_MS;
    }
    if (atomic_load(&keeping->holder))
        (void)run(keeping, beat);
}

static void *beating_thread(void *arg)
{
    struct housekeeping *keeping = arg;

    while (!stopping(keeping, 0)) {
        const int64_t started = clock_monotonic_ms();

        lead_or_wait(keeping);

        const int64_t left = started + BEAT_MS - clock_monotonic_ms();

        if (stopping(keeping, left > 0 ? left : 0))
            break;
    }
    /* So that another instance need not wait for the lease's end. */
    if (atomic_exchange(&keeping->holder, false))
        (void)run(keeping, give_lease);
    return NULL;
}

/* ---- chores ---- */

static enum err remove_expired(struct housekeeping *keeping, struct ctx *ctx)
{
    int64_t removed = 0;

    (void)keeping;
    ctx->deadline = 0; /* dropping a collection may take longer; nobody waits for it */
    TRY(tenant_remove_expired(ctx, &removed));
    if (removed > 0)
        log_message(LOG_INFO, "tenants.expired", "%lld unfinished tenants were removed",
                    (long long)removed);
    return ERR_OK;
}

static enum err purge_deleted(struct housekeeping *keeping, struct ctx *ctx)
{
    int64_t purged = 0;

    (void)keeping;
    ctx->deadline = 0;
    return tenant_purge_due(ctx, &purged);
}

static enum err repair_places(struct housekeeping *keeping, struct ctx *ctx)
{
    (void)keeping;
    return tenant_places_repair(ctx);
}

/* Each instance tells them in its own /metrics. */
static enum err read_places(struct housekeeping *keeping, struct ctx *ctx)
{
    struct tenant_places places;

    (void)keeping;
    return tenant_places_read(ctx, &places);
}

static enum err remove_users(struct housekeeping *keeping, struct ctx *ctx)
{
    int64_t removed = 0;

    (void)keeping;
    ctx->deadline = 0;
    TRY(user_remove_due(ctx, &removed));
    if (removed > 0)
        log_message(LOG_INFO, "users.removed", "%lld closed accounts were removed",
                    (long long)removed);
    return ERR_OK;
}

static enum err flush_stats(struct housekeeping *keeping, struct ctx *ctx)
{
    return platform_stats_flush(ctx, &keeping->flushed);
}

static enum err rotate_keys(struct housekeeping *keeping, struct ctx *ctx)
{
    const int64_t days = app_config(keeping->app)->tokens.signing_key_days;
    size_t rotated = 0;

    if (days == 0)
        return ERR_OK;
    TRY(signing_key_rotate_due(ctx, days * DAY_MS, &rotated));
    if (rotated > 0)
        log_message(LOG_INFO, "keys.rotated", "%zu signing keys of %s were due", rotated,
                    keeping->visited);
    return ERR_OK;
}

/* The next tenant in order of slug: one at a time, so that no round ever walks all of them at once.
 */
static enum err visit_next(struct housekeeping *keeping, struct ctx *ctx)
{
    const char *after = keeping->visited[0] != '\0' ? keeping->visited : NULL;
    struct list tenants;

    TRY(tenant_list_all(ctx, after, 1, &tenants));
    if (tenants.count == 0) {
        keeping->visited[0] = '\0';
        keeping->visit_at = clock_monotonic_ms() + VISIT_EVERY_MS;
        return ERR_OK;
    }

    const struct tenant *tenant = tenants.items;

    if (snprintf(keeping->visited, sizeof keeping->visited, "%s", tenant->slug) < 0)
        return ERR_INTERNAL;
    if (tenant->status != TENANT_ACTIVE && tenant->status != TENANT_SUSPENDED)
        return ERR_OK;
    ctx_set_tenant(ctx, tenant, &tenant->id);
    TRY(access_key_recount(ctx));
    TRY(oauth_client_recount(ctx));
    TRY(tenant_recount_users(ctx));
    return rotate_keys(keeping, ctx);
}

static void run_every(struct housekeeping *keeping, work_fn work, int64_t *due_at, int64_t every_ms)
{
    const int64_t now = clock_monotonic_ms();

    if (now < *due_at)
        return;
    (void)run(keeping, work);
    *due_at = now + every_ms;
}

static void *working_thread(void *arg)
{
    struct housekeeping *keeping = arg;

    keeping->visit_at = clock_monotonic_ms() + VISIT_EVERY_MS;
    while (!stopping(keeping, CHORE_MS)) {
        run_every(keeping, read_places, &keeping->places_at, PLACES_EVERY_MS);
        run_every(keeping, flush_stats, &keeping->flush_at, FLUSH_EVERY_MS);
        if (!atomic_load(&keeping->holder))
            continue;
        run_every(keeping, remove_expired, &keeping->expired_at, EXPIRED_EVERY_MS);
        run_every(keeping, purge_deleted, &keeping->purge_at, PURGE_EVERY_MS);
        run_every(keeping, remove_users, &keeping->removal_at, REMOVAL_EVERY_MS);
        run_every(keeping, repair_places, &keeping->repair_at, REPAIR_EVERY_MS);
        if (clock_monotonic_ms() >= keeping->visit_at)
            (void)run(keeping, visit_next);
    }
    (void)run(keeping, flush_stats);
    return NULL;
}

/* ---- life ---- */

enum err housekeeping_start(struct app *app, struct housekeeping **ret_housekeeping)
{
    struct housekeeping *keeping = calloc(1, sizeof *keeping);

    if (keeping == NULL)
        return ERR_MEMORY;
    keeping->app = app;
    pthread_mutex_init(&keeping->lock, NULL);
    condition_init(&keeping->stop);
    keeping->beating_started =
        pthread_create(&keeping->beating, NULL, beating_thread, keeping) == 0;
    keeping->working_started =
        pthread_create(&keeping->working, NULL, working_thread, keeping) == 0;
    if (!keeping->beating_started || !keeping->working_started) {
        housekeeping_stop(keeping);
        return ERR_MEMORY;
    }
    *ret_housekeeping = keeping;
    return ERR_OK;
}

void housekeeping_stop(struct housekeeping *keeping)
{
    if (keeping == NULL)
        return;
    pthread_mutex_lock(&keeping->lock);
    keeping->stopping = true;
    pthread_cond_broadcast(&keeping->stop);
    pthread_mutex_unlock(&keeping->lock);
    if (keeping->beating_started)
        pthread_join(keeping->beating, NULL);
    if (keeping->working_started)
        pthread_join(keeping->working, NULL);
    pthread_cond_destroy(&keeping->stop);
    pthread_mutex_destroy(&keeping->lock);
    free(keeping);
}
