/* Threads of the outbox. */
#include "app/outbox_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/log.h"
#include "models/outbox_delivery.h"

#define WORKERS     4
#define OF_A_TENANT (WORKERS / 2)
#define LOOK_MS     1000 /* for what other instances left, and for what is due again */
#define CLAIM_MS    2000 /* budget of a look */
#define ARENA_LIMIT ((size_t)1024 * 1024)

struct worker {
    struct outbox_workers *all;
    pthread_t thread;
    bool started;
    struct uuid tenant_id; /* of the row it has, or zero; under lock */
};

struct outbox_workers {
    struct app *app;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Under lock. */
    bool stopping;
    bool looking;    /* a worker is asking the database */
    bool woken;      /* something came while it did */
    int64_t look_at; /* monotonic ms */
    int64_t due_at;  /* the next that this instance put off, or 0 */
    struct worker workers[WORKERS];
};

/* --- who looks --- */

/* Under lock: until there is something to look for, or the end; false for that. */
static bool wait_for_turn(struct outbox_workers *all)
{
    while (!all->stopping) {
        const int64_t now = clock_monotonic_ms();
        const struct timespec at = {.tv_sec = all->look_at / 1000,
                                    .tv_nsec = all->look_at % 1000 * 1000000};

        if (!all->looking && now >= all->look_at)
            return true;
        if (all->looking)
            (void)pthread_cond_wait(&all->news, &all->lock);
        else
            (void)pthread_cond_timedwait(&all->news, &all->lock, &at);
    }
    return false;
}

/* Under lock: the tenants that have their share of the workers. */
static size_t list_busy(const struct outbox_workers *all, struct uuid busy[WORKERS])
{
    size_t count = 0;

    for (size_t i = 0; i < WORKERS; i++) {
        const struct uuid *id = &all->workers[i].tenant_id;
        size_t before = 0;

        for (size_t j = 0; j < i; j++)
            before += uuid_equal(id, &all->workers[j].tenant_id);
        if (!uuid_is_zero(id) && before == OF_A_TENANT - 1)
            busy[count++] = *id;
    }
    return count;
}

/* Under lock: nothing is due now. */
static void rest(struct outbox_workers *all)
{
    const int64_t now = clock_monotonic_ms();

    all->look_at = now + LOOK_MS;
    if (all->due_at > now && all->due_at < all->look_at)
        all->look_at = all->due_at;
    if (all->due_at <= all->look_at)
        all->due_at = 0;
}

/* Under lock, which is released meanwhile: asks for a row, and lets the next one ask. */
static enum err look(struct worker *worker, struct ctx *ctx, struct outbox_row *ret_row)
{
    struct outbox_workers *all = worker->all;
    struct uuid busy[WORKERS];
    const size_t busy_count = list_busy(all, busy);
    enum err found;

    all->looking = true;
    all->woken = false;
    pthread_mutex_unlock(&all->lock);
    ctx->deadline = clock_monotonic_ms() + CLAIM_MS;
    found = outbox_claim(ctx, busy, busy_count, ret_row);
    pthread_mutex_lock(&all->lock);
    all->looking = false;
    if (found == ERR_OK)
        worker->tenant_id = ret_row->tenant_id;
    if (found != ERR_OK && !all->woken)
        rest(all);
    pthread_cond_signal(&all->news);
    return found;
}

/* --- one row --- */

static void deliver(struct outbox_workers *all, struct ctx *ctx, const struct outbox_row *row)
{
    int64_t wait = 0, due_at;

    pthread_mutex_unlock(&all->lock);

    const enum err sent = outbox_deliver(ctx, row, &wait);

    /* Unsettled, it is due again when the claim ends. */
    if (sent != ERR_OK && sent != ERR_NOT_FOUND)
        log_event(LOG_WARN, "outbox.unsettled", "error", error_info(sent)->code, "detail",
                  ctx->failure.internal, NULL);
    pthread_mutex_lock(&all->lock);
    due_at = clock_monotonic_ms() + wait;
    if (wait > 0 && (all->due_at == 0 || due_at < all->due_at))
        all->due_at = due_at;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct outbox_workers *all = worker->all;
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);
    pthread_mutex_lock(&all->lock);
    while (wait_for_turn(all)) {
        struct outbox_row row = {0};
        struct ctx ctx;

        ctx_init(&ctx, all->app, &arena);
        if (look(worker, &ctx, &row) == ERR_OK) {
            deliver(all, &ctx, &row);
            /* What waited for this tenant's share may go on. */
            all->look_at = 0;
            worker->tenant_id = (struct uuid){0};
        }
        ctx_clear(&ctx);
        arena_reset(&arena);
    }
    pthread_mutex_unlock(&all->lock);
    arena_clear(&arena);
    return NULL;
}

/* --- life --- */

void outbox_workers_wake(struct outbox_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->woken = true;
    workers->look_at = 0;
    pthread_cond_signal(&workers->news);
    pthread_mutex_unlock(&workers->lock);
}

enum err outbox_workers_start(struct app *app, struct outbox_workers **ret_workers)
{
    struct outbox_workers *all = calloc(1, sizeof *all);
    pthread_condattr_t monotonic;
    bool started = true;

    if (all == NULL)
        return ERR_MEMORY;
    all->app = app;
    pthread_mutex_init(&all->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&all->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < WORKERS && started; i++) {
        struct worker *worker = &all->workers[i];

        worker->all = all;
        started = worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    }
    if (!started) {
        outbox_workers_stop(all);
        return ERR_MEMORY;
    }
    *ret_workers = all;
    return ERR_OK;
}

void outbox_workers_stop(struct outbox_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->news);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < WORKERS; i++) {
        if (workers->workers[i].started)
            pthread_join(workers->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&workers->news);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
