/* Threads of the outbox. */
#include "app/outbox_workers.h"

#include <stdlib.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/log.h"
#include "app/turns.h"
#include "models/outbox_delivery.h"

#define CLAIM_MS    2000 /* budget of a look */
#define ARENA_LIMIT ((size_t)1024 * 1024)

struct worker {
    struct outbox_workers *all;
    size_t number;
};

struct outbox_workers {
    struct app *app;
    struct turns turns;
    int64_t due_at; /* monotonic ms; the next that this instance put off, or 0; under the lock */
    struct worker workers[TURNS_THREADS];
};

/* --- who looks --- */

/* Under lock: nothing is due now. */
static void rest(struct outbox_workers *all)
{
    struct turns *turns = &all->turns;

    if (all->due_at > clock_monotonic_ms() && all->due_at < turns->look_at)
        turns->look_at = all->due_at;
    if (all->due_at <= turns->look_at)
        all->due_at = 0;
}

/* Under lock, which is released meanwhile: asks for a row, and lets the next one ask. */
static enum err look(struct worker *worker, struct ctx *ctx, struct outbox_row *ret_row)
{
    struct outbox_workers *all = worker->all;
    struct uuid busy[TURNS_THREADS];
    const size_t busy_count = turns_look(&all->turns, busy);
    enum err found;

    ctx->deadline = clock_monotonic_ms() + CLAIM_MS;
    found = outbox_claim(ctx, busy, busy_count, ret_row);
    if (turns_looked(&all->turns, worker->number, found == ERR_OK ? &ret_row->tenant_id : NULL))
        rest(all);
    return found;
}

/* --- one row --- */

static void deliver(struct outbox_workers *all, struct ctx *ctx, const struct outbox_row *row)
{
    int64_t wait = 0, due_at;

    pthread_mutex_unlock(&all->turns.lock);

    const enum err sent = outbox_deliver(ctx, row, &wait);

    /* Unsettled, it is due again when the claim ends. */
    if (sent != ERR_OK && sent != ERR_NOT_FOUND)
        log_event(LOG_WARN, "outbox.unsettled", "error", error_info(sent)->code, "detail",
                  ctx->failure.internal, NULL);
    pthread_mutex_lock(&all->turns.lock);
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
    pthread_mutex_lock(&all->turns.lock);
    while (turns_wait(&all->turns)) {
        struct outbox_row row = {0};
        struct ctx ctx;

        ctx_init(&ctx, all->app, &arena);
        if (look(worker, &ctx, &row) == ERR_OK) {
            deliver(all, &ctx, &row);
            turns_done(&all->turns, worker->number);
        }
        ctx_clear(&ctx);
        arena_reset(&arena);
    }
    pthread_mutex_unlock(&all->turns.lock);
    arena_clear(&arena);
    return NULL;
}

/* --- life --- */

void outbox_workers_wake(struct outbox_workers *workers)
{
    if (workers != NULL)
        turns_wake(&workers->turns);
}

enum err outbox_workers_start(struct app *app, struct outbox_workers **ret_workers)
{
    struct outbox_workers *all = calloc(1, sizeof *all);
    bool started = true;

    if (all == NULL)
        return ERR_MEMORY;
    all->app = app;
    turns_init(&all->turns);
    for (size_t i = 0; i < TURNS_THREADS && started; i++) {
        all->workers[i] = (struct worker){.all = all, .number = i};
        started = turns_start(&all->turns, work, &all->workers[i]);
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
    turns_stop(&workers->turns);
    turns_join(&workers->turns);
    turns_destroy(&workers->turns);
    free(workers);
}
