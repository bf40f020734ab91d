/*
 * Bounded caches of immutable, reference-counted snapshots (tenants by id, slug and domain, keys,
 * access keys). Filled on demand, at most max_age old, dropped by the watcher. A drop bumps the
 * key's epoch and a fill inserts only if that is unchanged since before its read, so a slow reader
 * cannot resurrect an old snapshot. Unknown keys are remembered too (negative entries, 1 s). Any
 * thread; no lock is held while loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"

struct cache;

/* Loads the object of a key; everything of it lives in ctx->arena, which is the snapshot's own and
 * goes with the last reference. The ctx is a copy of the caller's without its transaction and
 * holds, so the object must not point into other snapshots. ERR_NOT_FOUND is cached briefly. */
typedef enum err (*cache_load_fn)(struct ctx *ctx, const void *key, size_t key_size,
                                  const void **ret_data);

/* Inside a load function only: fn(arg) runs when the snapshot goes, also when the load fails later.
 * For handles that no arena frees. When it returns ERR_MEMORY, fn has run already. */
typedef void (*snapshot_free_fn)(void *arg);
CHECKED enum err snapshot_on_free(struct ctx *ctx, snapshot_free_fn fn, void *arg);

/* Keys are at most CACHE_KEY_MAX bytes; longer ones are ERR_NOT_FOUND. */
#define CACHE_KEY_MAX 256

struct cache *cache_new(const char *name, size_t max_entries, int64_t max_age_ms,
                        cache_load_fn load);
/* How much memory one snapshot may take, 128 KiB else. Before the first cache_get. */
void cache_allow(struct cache *cache, size_t bytes);
void cache_free(struct cache *cache);

/* *ret_data is borrowed: the ctx holds the snapshot until ctx_clear, which must come before its
 * arena is reset. Errors of load pass through. */
CHECKED enum err cache_get(struct cache *cache, struct ctx *ctx, const void *key, size_t key_size,
                           const void **ret_data);
void cache_drop(struct cache *cache, const void *key, size_t key_size);
void cache_flush(struct cache *cache);

struct cache_stats {
    const char *name;
    uint64_t hits, misses, drops;
    size_t entries;
};
void cache_stats(const struct cache *cache, struct cache_stats *ret_stats);

/* Releases all snapshots of a ctx; called by ctx_clear. */
void cache_release_holds(struct ctx *ctx);
