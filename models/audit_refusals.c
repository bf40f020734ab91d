/*
 * A fixed table of refusals that are alike, and a thread that writes their numbers. A full set of
 * the table gives up the entry with the smallest count.
 */
#include "models/audit_refusals.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/log.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/tenant.h"

#define SETS        512u
#define WAYS        8u
#define MINUTE_MS   60000
#define LOOK_MS     2000
#define ARENA_BYTES ((size_t)256 * 1024)

struct kind {
    struct uuid tenant_id, user_id;
    const char *action, *reason;
};

struct entry {
    struct kind kind;   /* action NULL: free */
    int64_t started_ms; /* monotonic: when the last row was written */
    int64_t count;      /* since then */
};

struct audit_refusals {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct entry entries[SETS * WAYS];
};

/* --- the table; the lock is held --- */

static bool is_same(const struct kind *a, const struct kind *b)
{
    return a->action == b->action && a->reason == b->reason &&
           uuid_equal(&a->tenant_id, &b->tenant_id) && uuid_equal(&a->user_id, &b->user_id);
}

/* Of giving the entry up. */
static int64_t cost(const struct entry *entry)
{
    return entry->kind.action == NULL ? -1 : entry->count;
}

static struct entry *find_entry(struct audit_refusals *refusals, const struct kind *kind)
{
    struct entry *set = &refusals->entries[secret_table_hash(kind, sizeof *kind) % SETS * WAYS];
    struct entry *least = NULL;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].kind.action != NULL && is_same(&set[i].kind, kind))
            return &set[i];
        if (least == NULL || cost(&set[i]) < cost(least))
            least = &set[i];
    }
    if (least->count > 0)
        log_event(LOG_WARN, "audit.refusals_forgotten", "action", least->kind.action, NULL);
    *least = (struct entry){.kind = *kind, .started_ms = clock_monotonic_ms() - MINUTE_MS};
    return least;
}

/* How many a row must tell now; 0 = it is only counted. */
static int64_t note(struct audit_refusals *refusals, const struct kind *kind)
{
    struct entry *entry = find_entry(refusals, kind);
    /* Read after a new entry was dated a minute back: it is due. */
    const int64_t now = clock_monotonic_ms();
    const int64_t count = ++entry->count;

    if (now - entry->started_ms < MINUTE_MS)
        return 0;
    entry->started_ms = now;
    entry->count = 0;
    return count;
}

static void put_back(struct audit_refusals *refusals, const struct kind *kind, int64_t count)
{
    (void)pthread_mutex_lock(&refusals->lock);
    find_entry(refusals, kind)->count += count;
    (void)pthread_mutex_unlock(&refusals->lock);
}

/* The next entry from *at on whose minute is over, or with all any that counted something. */
static bool take_due(struct audit_refusals *refusals, size_t *at, bool all, struct entry *ret_entry)
{
    const int64_t now = clock_monotonic_ms();

    for (; *at < SETS * WAYS; (*at)++) {
        struct entry *entry = &refusals->entries[*at];

        if (entry->kind.action == NULL || (!all && now - entry->started_ms < MINUTE_MS))
            continue;
        *ret_entry = *entry;
        entry->started_ms = now;
        entry->count = 0;
        if (ret_entry->count > 0)
            return true;
        entry->kind.action = NULL;
    }
    return false;
}

/* --- the thread --- */

static enum err write_count(struct ctx *ctx, const struct entry *entry)
{
    const struct kind *kind = &entry->kind;
    const struct uuid *user_id = uuid_is_zero(&kind->user_id) ? NULL : &kind->user_id;
    const struct tenant *tenant = NULL;

    /* A tenant that is gone meanwhile keeps its log. */
    if (tenant_get_by_id(ctx, &kind->tenant_id, &tenant) != ERR_OK)
        fail_clear(ctx);
    ctx_set_tenant(ctx, tenant, &kind->tenant_id);
    return audit_write_refusals(ctx, kind->action, kind->reason, user_id, entry->count);
}

static void flush(struct audit_refusals *refusals, bool all)
{
    struct entry entry;
    struct arena arena;
    size_t at = 0;

    arena_init(&arena, ARENA_BYTES);
    while (take_due(refusals, &at, all, &entry)) {
        struct ctx ctx;

        (void)pthread_mutex_unlock(&refusals->lock);
        ctx_init(&ctx, refusals->app, &arena);
        const enum err err = write_count(&ctx, &entry);
        ctx_clear(&ctx);
        arena_reset(&arena);
        if (err != ERR_OK)
            put_back(refusals, &entry.kind, entry.count);
        (void)pthread_mutex_lock(&refusals->lock);
        /* Without a database the next one would fail as well. */
        if (err != ERR_OK)
            break;
    }
    arena_clear(&arena);
}

static void wait_a_moment(struct audit_refusals *refusals)
{
    const int64_t until = clock_monotonic_ms() + LOOK_MS;

    while (!refusals->stop && condition_wait(&refusals->wake, &refusals->lock, until))
        continue;
}

static void *run(void *arg)
{
    struct audit_refusals *refusals = arg;

    (void)pthread_mutex_lock(&refusals->lock);
    while (!refusals->stop) {
        wait_a_moment(refusals);
        flush(refusals, refusals->stop);
    }
    (void)pthread_mutex_unlock(&refusals->lock);
    return NULL;
}

enum err audit_refusals_start(struct app *app, struct audit_refusals **ret_refusals)
{
    struct audit_refusals *refusals = calloc(1, sizeof *refusals);

    if (refusals == NULL)
        return ERR_MEMORY;
    refusals->app = app;
    (void)pthread_mutex_init(&refusals->lock, NULL);
    condition_init(&refusals->wake);
    if (pthread_create(&refusals->thread, NULL, run, refusals) != 0) {
        free(refusals);
        return ERR_MEMORY;
    }
    *ret_refusals = refusals;
    return ERR_OK;
}

void audit_refusals_stop(struct audit_refusals *refusals)
{
    if (refusals == NULL)
        return;
    (void)pthread_mutex_lock(&refusals->lock);
    refusals->stop = true;
    (void)pthread_cond_signal(&refusals->wake);
    (void)pthread_mutex_unlock(&refusals->lock);
    (void)pthread_join(refusals->thread, NULL);
    (void)pthread_cond_destroy(&refusals->wake);
    (void)pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}

/* --- the requests' side --- */

void audit_refusal(struct ctx *ctx, const char *action, const char *reason,
                   const struct uuid *user_id)
{
    struct audit_refusals *refusals = ctx->app->refusals;
    const struct failure failure = ctx->failure;
    struct kind kind;

    if (refusals == NULL || uuid_is_zero(&ctx->tenant_id))
        return;
    memset(&kind, 0, sizeof kind); /* all its bytes are hashed */
    kind.tenant_id = ctx->tenant_id;
    kind.action = action;
    kind.reason = reason;
    if (user_id != NULL)
        kind.user_id = *user_id;
    (void)pthread_mutex_lock(&refusals->lock);
    const int64_t count = note(refusals, &kind);
    (void)pthread_mutex_unlock(&refusals->lock);
    if (count == 0)
        return;
    if (audit_write_refusals(ctx, action, reason, user_id, count) != ERR_OK)
        put_back(refusals, &kind, count);
    ctx->failure = failure;
}
