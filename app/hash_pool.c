/* A few threads of low priority with stacks of their own, and slots that requests queue in. */
#include "app/hash_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <crypt.h>

#include "app/clock.h"
#include "app/condition.h"
#include "app/log.h"
#include "app/secret.h"

#define STACK_SIZE         ((size_t)512 * 1024)
#define QUEUE_MILLISECONDS 2000
#define MAX_THREADS        64
#define MAX_QUEUE          4096
#define COMMAND_QUEUE      32

enum slot_state { SLOT_FREE = 1, SLOT_QUEUED, SLOT_RUNNING, SLOT_DONE };

struct slot {
    struct hash_job job;
    enum slot_state state;
    struct slot *next; /* in the queue or the list of free ones */
    pthread_cond_t done;
};

struct hash_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct slot *slots, *free;
    struct slot *first, *last; /* the queue */
    size_t slot_count, waiting, running;
    size_t capacity; /* of the queue */
    int64_t hash_us; /* what one hash takes lately; 0 until measured */
    uint64_t hashes, refused;
    bool stopping, ahead; /* ahead: one hash is made before any is asked for */
    bool measure;         /* the capacity comes from what that one takes */
    enum password_scheme scheme;
    int64_t cost;
    uint8_t dummy[HASH_DUMMY_BYTES];
    pthread_t threads[MAX_THREADS];
    struct crypt_data *scratch; /* one a thread: 32 KiB that fit on no connection thread's stack */
    size_t thread_count, threads_seen;
};

/* ---- the threads ---- */

static struct slot *take_first(struct hash_pool *pool)
{
    struct slot *slot = pool->first;

    pool->first = slot->next;
    if (pool->first == NULL)
        pool->last = NULL;
    pool->waiting--;
    pool->running++;
    pool->hashes++;
    slot->state = SLOT_RUNNING;
    slot->job.usual_us = pool->hash_us;
    return slot;
}

/* One hash tells how many fit into the time that a request may wait. Done by the first thread, so
 * that the start of the service does not wait for it. */
static void measure(struct hash_pool *pool, struct crypt_data *scratch)
{
    struct hash_job job = {.scheme = pool->scheme, .cost = pool->cost, .password = "measure"};
    const int64_t start = clock_thread_cpu_us();

    hash_job_run(&job, scratch);

    const int64_t took = clock_thread_cpu_us() - start;
    const size_t fits = (size_t)(QUEUE_MILLISECONDS * INT64_C(1000) / (took > 0 ? took : 1));
    const size_t queue = fits * pool->thread_count;

    pthread_mutex_lock(&pool->lock);
    pool->hash_us = took;
    if (pool->measure && queue < pool->capacity)
        pool->capacity = queue > 0 ? queue : 1;
    pthread_mutex_unlock(&pool->lock);
}

/* A moving mean of what the configured hash takes here, over some sixteen of them. */
static void learn(struct hash_pool *pool, const struct slot *slot, int64_t took)
{
    if (slot->job.other || slot->job.failed)
        return;
    if (pool->hash_us == 0)
        pool->hash_us = took;
    else
        pool->hash_us += (took - pool->hash_us) / 16;
}

static void serve(struct hash_pool *pool, struct crypt_data *scratch)
{
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->first == NULL && !pool->stopping)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->first == NULL)
            break;

        struct slot *slot = take_first(pool);

        pthread_mutex_unlock(&pool->lock);

        const int64_t start = clock_thread_cpu_us();

        hash_job_run(&slot->job, scratch);

        const int64_t took = clock_thread_cpu_us() - start;

        pthread_mutex_lock(&pool->lock);
        learn(pool, slot, took);
        pool->running--;
        slot->state = SLOT_DONE;
        pthread_cond_signal(&slot->done);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void *hash_thread(void *arg)
{
    struct hash_pool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    const size_t number = pool->threads_seen++;
    pthread_mutex_unlock(&pool->lock);

    /* On Linux this is the priority of the calling thread alone. */
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), 19) != 0)
        log_event(LOG_WARN, "hash_priority", "message", "hash threads run at normal priority",
                  NULL);
    if (number == 0 && pool->ahead)
        measure(pool, &pool->scratch[number]);
    serve(pool, &pool->scratch[number]);
    return NULL;
}

/* ---- life ---- */

static bool init_slots(struct hash_pool *pool)
{
    pool->slots = calloc(pool->slot_count, sizeof *pool->slots);
    if (pool->slots == NULL || pool->scratch == NULL)
        return false;
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];

        condition_init(&slot->done);
        slot->state = SLOT_FREE;
        slot->next = pool->free;
        pool->free = slot;
    }
    return true;
}

static bool start_threads(struct hash_pool *pool, size_t count)
{
    pthread_attr_t attributes;
    bool started = pthread_attr_init(&attributes) == 0;

    if (!started)
        return false;
    started = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0;
    /* Held until all are there, so that no thread sees a half-counted pool. */
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < count && started; i++) {
        started = pthread_create(&pool->threads[i], &attributes, hash_thread, pool) == 0;
        if (started)
            pool->thread_count++;
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_attr_destroy(&attributes);
    return started;
}

static size_t clamp(int64_t value, size_t low, size_t high)
{
    if (value < (int64_t)low)
        return low;
    return (size_t)value < high ? (size_t)value : high;
}

static int64_t first_capacity(const struct config_password *config, int64_t server_threads)
{
    if (config->queue > 0)
        return config->queue;
    return server_threads > 0 ? server_threads / 4 : COMMAND_QUEUE;
}

enum err hash_pool_new(const struct config_password *config, int64_t server_threads,
                       struct hash_pool **ret_pool)
{
    struct hash_pool *pool = calloc(1, sizeof *pool);
    const int64_t threads = config->threads > 0 ? config->threads : sysconf(_SC_NPROCESSORS_ONLN);
    const size_t thread_count = clamp(threads, 1, MAX_THREADS);

    if (pool == NULL)
        return ERR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    secret_random(pool->dummy, sizeof pool->dummy);
    pool->scheme = config->scheme;
    pool->cost = config->cost;
    pool->ahead = server_threads > 0;
    pool->measure = config->queue <= 0;
    pool->capacity = clamp(first_capacity(config, server_threads), 1, MAX_QUEUE);
    pool->slot_count = pool->capacity + thread_count;
    pool->scratch = calloc(thread_count, sizeof *pool->scratch);
    if (!init_slots(pool) || !start_threads(pool, thread_count)) {
        hash_pool_free(pool);
        return ERR_MEMORY;
    }
    *ret_pool = pool;
    return ERR_OK;
}

void hash_pool_free(struct hash_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    for (size_t i = 0; pool->slots != NULL && i < pool->slot_count; i++)
        pthread_cond_destroy(&pool->slots[i].done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool->scratch);
    free(pool);
}

const uint8_t *hash_pool_dummy(const struct hash_pool *pool)
{
    return pool->dummy;
}

void hash_pool_stats(struct hash_pool *pool, struct hash_stats *ret_stats)
{
    pthread_mutex_lock(&pool->lock);
    *ret_stats = (struct hash_stats){
        .hashes = pool->hashes,
        .refused = pool->refused,
        .waiting = pool->waiting,
        .threads = pool->thread_count,
        .queue = pool->capacity,
    };
    pthread_mutex_unlock(&pool->lock);
}

/* ---- one job ---- */

/* NULL when the queue is full. The caller holds the lock. */
static struct slot *enqueue(struct hash_pool *pool, const struct hash_job *job)
{
    struct slot *slot = pool->free;

    if (pool->stopping || slot == NULL ||
        pool->waiting + pool->running >= pool->capacity + pool->thread_count)
        return NULL;
    pool->free = slot->next;
    slot->next = NULL;
    slot->job = *job;
    slot->state = SLOT_QUEUED;
    if (pool->last != NULL)
        pool->last->next = slot;
    else
        pool->first = slot;
    pool->last = slot;
    pool->waiting++;
    pthread_cond_signal(&pool->work);
    return slot;
}

static void unqueue(struct hash_pool *pool, const struct slot *slot)
{
    struct slot **link = &pool->first;
    struct slot *before = NULL;

    while (*link != slot) {
        before = *link;
        link = &before->next;
    }
    *link = slot->next;
    if (pool->last == slot)
        pool->last = before;
    pool->waiting--;
}

static void release(struct hash_pool *pool, struct slot *slot)
{
    secret_wipe(&slot->job, sizeof slot->job);
    slot->state = SLOT_FREE;
    slot->next = pool->free;
    pool->free = slot;
}

/* Waits for the slot; false when it had to be taken back unstarted. A hash that runs is waited for:
 * it takes a fraction of a second and its slot is in use. */
static bool await(struct hash_pool *pool, struct slot *slot, int64_t deadline)
{
    while (slot->state != SLOT_DONE) {
        if (slot->state == SLOT_QUEUED && deadline > 0 && clock_monotonic_ms() >= deadline) {
            unqueue(pool, slot);
            return false;
        }
        if (slot->state == SLOT_QUEUED && deadline > 0)
            (void)condition_wait(&slot->done, &pool->lock, deadline);
        else
            pthread_cond_wait(&slot->done, &pool->lock);
    }
    return true;
}

static int64_t retry_seconds(const struct hash_pool *pool)
{
    const int64_t backlog = (int64_t)(pool->waiting + pool->running);

    return 1 + backlog * pool->hash_us / (int64_t)pool->thread_count / 1000000;
}

enum err hash_pool_run(struct ctx *ctx, struct hash_pool *pool, struct hash_job *job)
{
    bool done = false;
    int64_t retry_after;

    pthread_mutex_lock(&pool->lock);

    struct slot *slot = enqueue(pool, job);

    if (slot != NULL) {
        done = await(pool, slot, ctx->deadline);
        if (done)
            *job = slot->job;
        release(pool, slot);
    }
    if (!done)
        pool->refused++;
    retry_after = retry_seconds(pool);
    pthread_mutex_unlock(&pool->lock);
    if (!done)
        return fail_retry(ctx, ERR_BUSY, retry_after);
    return job->failed ? fail_internal(ctx, ERR_INTERNAL, "a password could not be hashed")
                       : ERR_OK;
}
