/*
 * One table under one lock: entries in an array made once, chained in buckets, in two lists by last
 * use (found, and known to be absent). The lock covers a few hundred nanoseconds, never a load or a
 * free.
 */
#include "app/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/secret.h"

#define NEGATIVE_AGE_MS 1000
#define NEGATIVE_SHARE  8 /* what does not exist may take an eighth of the table beside it */
#define EPOCH_STRIPES   1024
#define SNAPSHOT_LIMIT  ((size_t)128 * 1024)

struct cleanup {
    struct cleanup *next;
    snapshot_free_fn fn;
    void *arg;
};

struct snapshot {
    struct arena arena; /* holds this struct too; first, see snapshot_on_free */
    _Atomic int64_t refs;
    const void *data;
    struct cleanup *cleanups;
    struct snapshot *next; /* while being dropped */
};

struct app_hold {
    struct app_hold *next;
    struct snapshot *snapshot;
};

struct entry {
    struct entry *chain;
    struct entry *newer, *older;
    struct snapshot *snapshot; /* NULL: known to be absent */
    uint64_t hash;
    int64_t loaded_at;
    size_t key_size;
    uint8_t key[CACHE_KEY_MAX];
};

/* Entries by last use. */
struct order {
    struct entry *newest, *oldest;
    size_t count, maximum;
};

struct cache {
    const char *name;
    cache_load_fn load;
    int64_t max_age_ms;
    size_t snapshot_limit;
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_mask;
    struct entry *entries, *spare; /* spare is chained by chain */
    size_t entry_count, entries_touched;
    struct order found, absent;
    uint64_t epochs[EPOCH_STRIPES];
    uint64_t flushes;
    _Atomic uint64_t hits, misses, drops;
    _Atomic size_t size;
};

/* ---- snapshots ---- */

static struct snapshot *snapshot_new(size_t limit)
{
    struct arena arena;

    arena_init(&arena, limit);

    struct snapshot *snapshot = ARENA_NEW(&arena, struct snapshot);

    if (snapshot == NULL) {
        arena_clear(&arena);
        return NULL;
    }
    snapshot->arena = arena;
    atomic_init(&snapshot->refs, 1);
    return snapshot;
}

static void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub(&snapshot->refs, 1) > 1)
        return;
    for (const struct cleanup *at = snapshot->cleanups; at != NULL; at = at->next)
        at->fn(at->arg);

    struct arena arena = snapshot->arena;

    arena_clear(&arena);
}

enum err snapshot_on_free(struct ctx *ctx, snapshot_free_fn fn, void *arg)
{
    struct cleanup *cleanup = ARENA_NEW(ctx->arena, struct cleanup);
    /* The arena of a load is the first member of its snapshot. */
    struct snapshot *snapshot = (struct snapshot *)(void *)ctx->arena;

    if (cleanup == NULL) {
        fn(arg);
        return fail_internal(ctx, ERR_MEMORY, "no memory for a snapshot");
    }
    *cleanup = (struct cleanup){.next = snapshot->cleanups, .fn = fn, .arg = arg};
    snapshot->cleanups = cleanup;
    return ERR_OK;
}

void cache_release_holds(struct ctx *ctx)
{
    struct app_hold *hold = ctx->holds;

    ctx->holds = NULL;
    for (; hold != NULL; hold = hold->next)
        snapshot_unref(hold->snapshot);
}

/* Passes the caller's reference to the ctx. */
static enum err hold(struct ctx *ctx, struct snapshot *snapshot, const void **ret_data)
{
    struct app_hold *mine = ctx->holds;

    while (mine != NULL && mine->snapshot != snapshot)
        mine = mine->next;
    if (mine != NULL) {
        snapshot_unref(snapshot);
    } else {
        mine = ARENA_NEW(ctx->arena, struct app_hold);
        if (mine == NULL) {
            snapshot_unref(snapshot);
            return fail_internal(ctx, ERR_MEMORY, "no memory to hold a snapshot");
        }
        *mine = (struct app_hold){.next = ctx->holds, .snapshot = snapshot};
        ctx->holds = mine;
    }
    *ret_data = snapshot->data;
    return ERR_OK;
}

/* ---- the table; the caller holds the lock ---- */

static void order_remove(struct order *order, struct entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        order->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        order->oldest = entry->newer;
    order->count--;
}

static void order_add(struct order *order, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = order->newest;
    if (order->newest != NULL)
        order->newest->newer = entry;
    else
        order->oldest = entry;
    order->newest = entry;
    order->count++;
}

static struct order *order_of(struct cache *cache, const struct entry *entry)
{
    return entry->snapshot != NULL ? &cache->found : &cache->absent;
}

static struct entry *find(const struct cache *cache, uint64_t hash, const void *key, size_t size)
{
    struct entry *entry = cache->buckets[hash & cache->bucket_mask];

    while (entry != NULL &&
           (entry->hash != hash || entry->key_size != size || memcmp(entry->key, key, size) != 0))
        entry = entry->chain;
    return entry;
}

/* Takes the entry out; its reference is the caller's. */
static struct snapshot *detach(struct cache *cache, struct entry *entry)
{
    struct entry **link = &cache->buckets[entry->hash & cache->bucket_mask];
    struct snapshot *snapshot = entry->snapshot;

    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    order_remove(order_of(cache, entry), entry);
    entry->snapshot = NULL;
    entry->chain = cache->spare;
    cache->spare = entry;
    atomic_fetch_sub(&cache->size, 1);
    return snapshot;
}

static struct entry *unused_entry(struct cache *cache)
{
    struct entry *entry = cache->spare;

    if (entry != NULL)
        cache->spare = entry->chain;
    else if (cache->entries_touched < cache->entry_count)
        entry = &cache->entries[cache->entries_touched++];
    return entry;
}

struct fill {
    uint64_t hash;
    const void *key;
    size_t key_size;
    int64_t started;
    uint64_t epoch;
    struct snapshot *snapshot; /* NULL: absent */
};

/* Of its own, so that optimising compilers see that entry is there. */
__attribute__((noinline)) static void fill_entry(struct cache *cache, struct order *order,
                                                 struct entry *entry, const struct fill *fill)
{
    entry->hash = fill->hash;
    entry->loaded_at = fill->started;
    entry->snapshot = fill->snapshot;
    entry->key_size = fill->key_size;
    memcpy(entry->key, fill->key, fill->key_size);
    entry->chain = cache->buckets[fill->hash & cache->bucket_mask];
    cache->buckets[fill->hash & cache->bucket_mask] = entry;
    order_add(order, entry);
    if (fill->snapshot != NULL)
        atomic_fetch_add(&fill->snapshot->refs, 1);
    atomic_fetch_add(&cache->size, 1);
}

/* Puts what was loaded into the table. Returns the chain of snapshots that it takes the place of.
 */
static struct snapshot *insert(struct cache *cache, const struct fill *fill)
{
    struct order *order = fill->snapshot != NULL ? &cache->found : &cache->absent;
    struct entry *entry = find(cache, fill->hash, fill->key, fill->key_size);
    struct snapshot *old = entry != NULL ? detach(cache, entry) : NULL;

    if (order->count >= order->maximum && order->oldest != NULL) {
        struct snapshot *oldest = detach(cache, order->oldest);

        if (oldest != NULL) {
            oldest->next = old;
            old = oldest;
        }
    }
    entry = unused_entry(cache);
    if (entry != NULL)
        fill_entry(cache, order, entry, fill);
    return old;
}

static uint64_t epoch_of(const struct cache *cache, uint64_t hash)
{
    return cache->epochs[hash % EPOCH_STRIPES] + cache->flushes;
}

static bool is_young(const struct cache *cache, const struct entry *entry, int64_t now)
{
    const int64_t age = now - entry->loaded_at;

    return age < (entry->snapshot != NULL ? cache->max_age_ms : NEGATIVE_AGE_MS);
}

/* ---- for callers ---- */

struct cache *cache_new(const char *name, size_t max_entries, int64_t max_age_ms,
                        cache_load_fn load)
{
    struct cache *cache = calloc(1, sizeof *cache);
    const size_t absent = max_entries / NEGATIVE_SHARE + 1;
    size_t buckets = 16;

    if (cache == NULL)
        return NULL;
    while (buckets < 2 * (max_entries + absent))
        buckets *= 2;
    pthread_mutex_init(&cache->lock, NULL);
    cache->name = name;
    cache->load = load;
    cache->max_age_ms = max_age_ms;
    cache->snapshot_limit = SNAPSHOT_LIMIT;
    cache->found.maximum = max_entries > 0 ? max_entries : 1;
    cache->absent.maximum = absent;
    cache->entry_count = cache->found.maximum + absent;
    cache->bucket_mask = buckets - 1;
    cache->entries = calloc(cache->entry_count, sizeof *cache->entries);
    cache->buckets = calloc(buckets, sizeof(struct entry *));
    if (cache->entries == NULL || cache->buckets == NULL) {
        cache_free(cache);
        return NULL;
    }
    return cache;
}

void cache_allow(struct cache *cache, size_t bytes)
{
    cache->snapshot_limit = bytes;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    if (cache->entries != NULL && cache->buckets != NULL)
        cache_flush(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache->entries);
    free(cache->buckets);
    free(cache);
}

/* What the failed load said, in memory that outlives its snapshot. */
static void copy_failure(struct ctx *ctx, const struct ctx *load)
{
    struct failure failure = load->failure;

    failure.required = NULL;
    failure.required_count = 0;
    if (failure.field != NULL)
        failure.field = arena_strdup(ctx->arena, failure.field);
    if (failure.detail != NULL)
        failure.detail = arena_strdup(ctx->arena, failure.detail);
    if (failure.internal != NULL)
        failure.internal = arena_strdup(ctx->arena, failure.internal);
    ctx->failure = failure;
}

static enum err load(const struct cache *cache, struct ctx *ctx, struct fill *fill)
{
    struct snapshot *snapshot = snapshot_new(cache->snapshot_limit);

    if (snapshot == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a snapshot");

    struct ctx inner = *ctx;

    inner.arena = &snapshot->arena;
    inner.transaction = NULL;
    inner.holds = NULL;
    fail_clear(&inner);

    const enum err code = cache->load(&inner, fill->key, fill->key_size, &snapshot->data);

    ctx->db_calls = inner.db_calls;
    cache_release_holds(&inner);
    if (code == ERR_OK) {
        fill->snapshot = snapshot;
        return ERR_OK;
    }
    copy_failure(ctx, &inner);
    snapshot_unref(snapshot);
    return code;
}

/* Looks the key up; true when that answers it. */
static bool look_up(struct cache *cache, struct fill *fill)
{
    bool answered = false;

    pthread_mutex_lock(&cache->lock);

    struct entry *entry = find(cache, fill->hash, fill->key, fill->key_size);

    if (entry != NULL && is_young(cache, entry, fill->started)) {
        struct order *order = order_of(cache, entry);

        answered = true;
        fill->snapshot = entry->snapshot;
        if (fill->snapshot != NULL)
            atomic_fetch_add(&fill->snapshot->refs, 1);
        order_remove(order, entry);
        order_add(order, entry);
    }
    fill->epoch = epoch_of(cache, fill->hash);
    pthread_mutex_unlock(&cache->lock);
    return answered;
}

static void store(struct cache *cache, const struct fill *fill)
{
    struct snapshot *old = NULL;

    pthread_mutex_lock(&cache->lock);
    if (epoch_of(cache, fill->hash) == fill->epoch)
        old = insert(cache, fill);
    pthread_mutex_unlock(&cache->lock);
    while (old != NULL) {
        struct snapshot *next = old->next;

        snapshot_unref(old);
        old = next;
    }
}

enum err cache_get(struct cache *cache, struct ctx *ctx, const void *key, size_t key_size,
                   const void **ret_data)
{
    struct fill fill = {.key = key, .key_size = key_size, .started = clock_monotonic_ms()};

    if (key_size > CACHE_KEY_MAX)
        return ERR_NOT_FOUND;
    fill.hash = secret_table_hash(key, key_size);
    if (look_up(cache, &fill)) {
        atomic_fetch_add_explicit(&cache->hits, 1, memory_order_relaxed);
        return fill.snapshot != NULL ? hold(ctx, fill.snapshot, ret_data) : ERR_NOT_FOUND;
    }
    atomic_fetch_add_explicit(&cache->misses, 1, memory_order_relaxed);
    if (ctx->may_load != NULL)
        TRY(ctx->may_load(ctx));

    const enum err code = load(cache, ctx, &fill);

    if (code == ERR_OK || code == ERR_NOT_FOUND)
        store(cache, &fill);
    return code == ERR_OK ? hold(ctx, fill.snapshot, ret_data) : code;
}

void cache_drop(struct cache *cache, const void *key, size_t key_size)
{
    struct snapshot *snapshot = NULL;

    if (key_size > CACHE_KEY_MAX)
        return;

    const uint64_t hash = secret_table_hash(key, key_size);

    pthread_mutex_lock(&cache->lock);

    struct entry *entry = find(cache, hash, key, key_size);

    cache->epochs[hash % EPOCH_STRIPES]++;
    if (entry != NULL)
        snapshot = detach(cache, entry);
    pthread_mutex_unlock(&cache->lock);
    atomic_fetch_add_explicit(&cache->drops, 1, memory_order_relaxed);
    snapshot_unref(snapshot);
}

void cache_flush(struct cache *cache)
{
    struct snapshot *all = NULL;

    pthread_mutex_lock(&cache->lock);
    cache->flushes++;
    while (cache->absent.oldest != NULL)
        detach(cache, cache->absent.oldest);
    while (cache->found.oldest != NULL) {
        struct snapshot *snapshot = detach(cache, cache->found.oldest);

        snapshot->next = all;
        all = snapshot;
    }
    pthread_mutex_unlock(&cache->lock);
    atomic_fetch_add_explicit(&cache->drops, 1, memory_order_relaxed);
    while (all != NULL) {
        struct snapshot *next = all->next;

        snapshot_unref(all);
        all = next;
    }
}

void cache_stats(const struct cache *cache, struct cache_stats *ret_stats)
{
    *ret_stats = (struct cache_stats){
        .name = cache->name,
        .hits = atomic_load_explicit(&cache->hits, memory_order_relaxed),
        .misses = atomic_load_explicit(&cache->misses, memory_order_relaxed),
        .drops = atomic_load_explicit(&cache->drops, memory_order_relaxed),
        .entries = atomic_load_explicit(&cache->size, memory_order_relaxed),
    };
}
