/* Threads of background jobs. */
#include "app/job_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/turns.h"
#include "models/job.h"

#define CLAIM_MS     2000 /* budget of a look */
#define RENEWALS     4    /* in the time of a lease */
#define RUN_BYTES    ((size_t)16 * 1024 * 1024)
#define KEEPER_BYTES ((size_t)8 * 1024 * 1024)

struct worker {
    struct job_workers *all;
    size_t number;
    struct job_run run; /* the keeper sees it while has_job */
    /* Under lock. */
    bool has_job;
    bool in_keeping;    /* the keeper is using run */
    int64_t renewed_at; /* monotonic ms */
};

struct job_workers {
    struct app *app;
    const struct job_kind *const *kinds;
    struct uuid only_id;
    bool only;
    pthread_t keeper;
    bool keeper_started;
    struct turns turns;   /* its lock is that of all */
    pthread_cond_t ended; /* a job has ended, the keeper let go of one, or all is to stop */
    struct worker workers[TURNS_THREADS];
};

/* ---- who looks ---- */

static const struct job_kind *kind_of(const struct job_workers *all, const char *name)
{
    for (const struct job_kind *const *kind = all->kinds; *kind != NULL; kind++) {
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    }
    return NULL;
}

/* Under lock, which is released meanwhile: asks for a job, and lets the next one ask. */
static bool look(struct worker *worker, struct ctx *ctx)
{
    struct job_workers *all = worker->all;
    struct uuid busy[TURNS_THREADS];
    const struct job_wanted wanted = {.kinds = all->kinds,
                                      .busy = busy,
                                      .busy_count = turns_look(&all->turns, busy),
                                      .only = all->only ? &all->only_id : NULL};
    const int64_t began = clock_monotonic_ms();
    struct job job = {0};

    ctx->deadline = began + CLAIM_MS;

    const bool found = job_claim(ctx, &wanted, &job) == ERR_OK;

    (void)turns_looked(&all->turns, worker->number, found ? &job.tenant_id : NULL);
    if (!found)
        return false;
    worker->run = job_run_of(kind_of(all, job.kind), &job, ctx->arena);
    worker->renewed_at = began;
    worker->has_job = true;
    return true;
}

/* ---- one job ---- */

/* Under lock, which is released meanwhile. */
static void carry_out(struct worker *worker, struct ctx *ctx)
{
    struct job_workers *all = worker->all;

    pthread_mutex_unlock(&all->turns.lock);
    job_carry_out(ctx, &worker->run);
    pthread_mutex_lock(&all->turns.lock);
    worker->has_job = false;
    while (worker->in_keeping)
        (void)pthread_cond_wait(&all->ended, &all->turns.lock);
    turns_done(&all->turns, worker->number);
    pthread_cond_broadcast(&all->ended);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct job_workers *all = worker->all;
    struct arena arena;

    arena_init(&arena, RUN_BYTES);
    pthread_mutex_lock(&all->turns.lock);
    while (turns_wait(&all->turns)) {
        struct ctx ctx;

        ctx_init(&ctx, all->app, &arena);
        if (look(worker, &ctx))
            carry_out(worker, &ctx);
        ctx_clear(&ctx);
        arena_reset(&arena);
    }
    pthread_mutex_unlock(&all->turns.lock);
    arena_clear(&arena);
    return NULL;
}

/* ---- leases ---- */

/* Under lock, which is released meanwhile. What could not be renewed in time is somebody else's. */
static void renew(struct worker *worker, struct arena *arena)
{
    struct job_workers *all = worker->all;
    const int64_t lease = app_config(all->app)->jobs.lease_ms;
    const int64_t began = clock_monotonic_ms();
    struct ctx ctx;

    worker->in_keeping = true;
    pthread_mutex_unlock(&all->turns.lock);
    ctx_init(&ctx, all->app, arena);
    ctx.deadline = began + lease / RENEWALS;

    const enum err renewed = job_renew(&ctx, &worker->run);

    ctx_clear(&ctx);
    arena_reset(arena);
    pthread_mutex_lock(&all->turns.lock);
    if (renewed == ERR_OK)
        worker->renewed_at = began;
    else if (clock_monotonic_ms() - worker->renewed_at > lease)
        atomic_store(&worker->run.lost, true);
    worker->in_keeping = false;
    pthread_cond_broadcast(&all->ended);
}

static bool is_busy(const struct job_workers *all)
{
    for (size_t i = 0; i < TURNS_THREADS; i++) {
        if (all->workers[i].has_job)
            return true;
    }
    return false;
}

/* Until the workers have ended too, because their last steps need their leases. */
static void *keep(void *arg)
{
    struct job_workers *all = arg;
    struct arena arena;

    arena_init(&arena, KEEPER_BYTES);
    pthread_mutex_lock(&all->turns.lock);
    while (!all->turns.stopping || is_busy(all)) {
        const int64_t pause = app_config(all->app)->jobs.lease_ms / RENEWALS;
        const int64_t until = clock_monotonic_ms() + pause;
        bool in_time = true;

        while (in_time && (!all->turns.stopping || is_busy(all)))
            in_time = condition_wait(&all->ended, &all->turns.lock, until);
        for (size_t i = 0; i < TURNS_THREADS; i++) {
            if (all->workers[i].has_job)
                renew(&all->workers[i], &arena);
        }
    }
    pthread_mutex_unlock(&all->turns.lock);
    arena_clear(&arena);
    return NULL;
}

/* ---- for others ---- */

void job_workers_wake(struct job_workers *workers)
{
    if (workers != NULL)
        turns_wake(&workers->turns);
}

void job_workers_await_end(struct job_workers *workers, int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    const int64_t until = clock_monotonic_ms() + ms;

    if (workers == NULL) {
        (void)nanosleep(&pause, NULL);
        return;
    }
    pthread_mutex_lock(&workers->turns.lock);
    if (!workers->turns.stopping)
        (void)condition_wait(&workers->ended, &workers->turns.lock, until);
    pthread_mutex_unlock(&workers->turns.lock);
}

/* ---- life ---- */

enum err job_workers_start(struct app *app, const struct job_kind *const *kinds,
                           const struct uuid *only, struct job_workers **ret_workers)
{
    struct job_workers *all = calloc(1, sizeof *all);

    if (all == NULL)
        return ERR_MEMORY;
    all->app = app;
    all->kinds = kinds;
    all->only = only != NULL;
    if (only != NULL)
        all->only_id = *only;
    turns_init(&all->turns);
    condition_init(&all->ended);
    all->keeper_started = pthread_create(&all->keeper, NULL, keep, all) == 0;

    bool started = all->keeper_started;

    for (size_t i = 0; i < TURNS_THREADS && started; i++) {
        all->workers[i].all = all;
        all->workers[i].number = i;
        started = turns_start(&all->turns, work, &all->workers[i]);
    }
    if (!started) {
        job_workers_stop(all);
        return ERR_MEMORY;
    }
    *ret_workers = all;
    return ERR_OK;
}

/* The keeper ends last: steps under way need their leases. */
void job_workers_stop(struct job_workers *workers)
{
    if (workers == NULL)
        return;
    turns_stop(&workers->turns);
    pthread_mutex_lock(&workers->turns.lock);
    pthread_cond_broadcast(&workers->ended);
    pthread_mutex_unlock(&workers->turns.lock);
    turns_join(&workers->turns);
    pthread_mutex_lock(&workers->turns.lock);
    pthread_cond_broadcast(&workers->ended);
    pthread_mutex_unlock(&workers->turns.lock);
    if (workers->keeper_started)
        pthread_join(workers->keeper, NULL);
    pthread_cond_destroy(&workers->ended);
    turns_destroy(&workers->turns);
    free(workers);
}
