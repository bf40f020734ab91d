/* Threads of background jobs. */
#include "app/job_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/log.h"
#include "models/job.h"

#define WORKERS      4
#define OF_A_TENANT  (WORKERS / 2)
#define LOOK_MS      1000 /* for what other instances left, and for what is due again */
#define CLAIM_MS     2000 /* budget of a look */
#define RENEWALS     4    /* in the time of a lease */
#define RUN_BYTES    ((size_t)16 * 1024 * 1024)
#define KEEPER_BYTES ((size_t)8 * 1024 * 1024)

struct worker {
    struct job_workers *all;
    pthread_t thread;
    bool started;
    struct job_run run; /* the keeper sees it while has_job */
    /* Under lock. */
    struct uuid tenant_id;
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
    pthread_mutex_t lock;
    pthread_cond_t news;  /* for workers */
    pthread_cond_t ended; /* a job has ended, the keeper let go of one, or all is to stop */
    /* Under lock. */
    bool stopping;
    bool looking; /* a worker is asking the database */
    bool woken;   /* something came while it did */
    int64_t look_at;
    struct worker workers[WORKERS];
};

static struct timespec at_time(int64_t monotonic_ms)
{
    return (struct timespec){.tv_sec = monotonic_ms / 1000,
                             .tv_nsec = monotonic_ms % 1000 * 1000000};
}

/* ---- who looks ---- */

/* Under lock: until there is something to look for, or the end; false for that. */
static bool wait_for_turn(struct job_workers *all)
{
    while (!all->stopping) {
        const struct timespec at = at_time(all->look_at);

        if (!all->looking && clock_monotonic_ms() >= all->look_at)
            return true;
        if (all->looking)
            (void)pthread_cond_wait(&all->news, &all->lock);
        else
            (void)pthread_cond_timedwait(&all->news, &all->lock, &at);
    }
    return false;
}

/* Under lock: the tenants that have their share of the workers. */
static size_t list_busy(const struct job_workers *all, struct uuid busy[WORKERS])
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
    struct uuid busy[WORKERS];
    const struct job_wanted wanted = {.kinds = all->kinds,
                                      .busy = busy,
                                      .busy_count = list_busy(all, busy),
                                      .only = all->only ? &all->only_id : NULL};
    const int64_t began = clock_monotonic_ms();
    struct job job = {0};

    all->looking = true;
    all->woken = false;
    pthread_mutex_unlock(&all->lock);
    ctx->deadline = began + CLAIM_MS;

    const bool found = job_claim(ctx, &wanted, &job) == ERR_OK;

    pthread_mutex_lock(&all->lock);
    all->looking = false;
    if (found) {
        worker->run =
            (struct job_run){.kind = kind_of(all, job.kind), .job = job, .arena = ctx->arena};
        worker->tenant_id = job.tenant_id;
        worker->renewed_at = began;
        worker->has_job = true;
    } else if (!all->woken) {
        all->look_at = clock_monotonic_ms() + LOOK_MS;
    }
    pthread_cond_signal(&all->news);
    return found;
}

/* ---- one job ---- */

/* Under lock, which is released meanwhile. */
static void carry_out(struct worker *worker, struct ctx *ctx)
{
    struct job_workers *all = worker->all;

    pthread_mutex_unlock(&all->lock);
    job_carry_out(ctx, &worker->run);
    pthread_mutex_lock(&all->lock);
    worker->has_job = false;
    while (worker->in_keeping)
        (void)pthread_cond_wait(&all->ended, &all->lock);
    worker->tenant_id = (struct uuid){0};
    all->look_at = 0; /* what waited for this tenant's share may go on */
    pthread_cond_broadcast(&all->ended);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct job_workers *all = worker->all;
    struct arena arena;

    arena_init(&arena, RUN_BYTES);
    pthread_mutex_lock(&all->lock);
    while (wait_for_turn(all)) {
        struct ctx ctx;

        ctx_init(&ctx, all->app, &arena);
        if (look(worker, &ctx))
            carry_out(worker, &ctx);
        ctx_clear(&ctx);
        arena_reset(&arena);
    }
    pthread_mutex_unlock(&all->lock);
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
    pthread_mutex_unlock(&all->lock);
    ctx_init(&ctx, all->app, arena);
    ctx.deadline = began + lease / RENEWALS;

    const enum err renewed = job_renew(&ctx, &worker->run);

    ctx_clear(&ctx);
    arena_reset(arena);
    pthread_mutex_lock(&all->lock);
    if (renewed == ERR_OK)
        worker->renewed_at = began;
    else if (clock_monotonic_ms() - worker->renewed_at > lease)
        atomic_store(&worker->run.lost, true);
    worker->in_keeping = false;
    pthread_cond_broadcast(&all->ended);
}

static bool is_busy(const struct job_workers *all)
{
    for (size_t i = 0; i < WORKERS; i++) {
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
    pthread_mutex_lock(&all->lock);
    while (!all->stopping || is_busy(all)) {
        const int64_t pause = app_config(all->app)->jobs.lease_ms / RENEWALS;
        const struct timespec at = at_time(clock_monotonic_ms() + pause);
        int waited = 0;

        while (waited == 0 && (!all->stopping || is_busy(all)))
            waited = pthread_cond_timedwait(&all->ended, &all->lock, &at);
        for (size_t i = 0; i < WORKERS; i++) {
            if (all->workers[i].has_job)
                renew(&all->workers[i], &arena);
        }
    }
    pthread_mutex_unlock(&all->lock);
    arena_clear(&arena);
    return NULL;
}

/* ---- for others ---- */

void job_workers_wake(struct job_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->woken = true;
    workers->look_at = 0;
    pthread_cond_signal(&workers->news);
    pthread_mutex_unlock(&workers->lock);
}

void job_workers_await_end(struct job_workers *workers, int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    const struct timespec at = at_time(clock_monotonic_ms() + ms);

    if (workers == NULL) {
        (void)nanosleep(&pause, NULL);
        return;
    }
    pthread_mutex_lock(&workers->lock);
    if (!workers->stopping)
        (void)pthread_cond_timedwait(&workers->ended, &workers->lock, &at);
    pthread_mutex_unlock(&workers->lock);
}

/* ---- life ---- */

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

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
    pthread_mutex_init(&all->lock, NULL);
    init_condition(&all->news);
    init_condition(&all->ended);
    all->keeper_started = pthread_create(&all->keeper, NULL, keep, all) == 0;

    bool started = all->keeper_started;

    for (size_t i = 0; i < WORKERS && started; i++) {
        struct worker *worker = &all->workers[i];

        worker->all = all;
        started = worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    }
    if (!started) {
        job_workers_stop(all);
        return ERR_MEMORY;
    }
    *ret_workers = all;
    return ERR_OK;
}

void job_workers_stop(struct job_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->news);
    pthread_cond_broadcast(&workers->ended);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < WORKERS; i++) {
        if (workers->workers[i].started)
            pthread_join(workers->workers[i].thread, NULL);
    }
    pthread_mutex_lock(&workers->lock);
    pthread_cond_broadcast(&workers->ended);
    pthread_mutex_unlock(&workers->lock);
    if (workers->keeper_started)
        pthread_join(workers->keeper, NULL);
    pthread_cond_destroy(&workers->news);
    pthread_cond_destroy(&workers->ended);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
