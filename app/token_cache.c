/*
 * Sets of a few places each, chosen by the digest, in shards with a lock each. A full set gives up
 * the entry that ends first. Nothing is allocated after the start.
 */
#include "app/token_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/secret.h"

#define SHARDS 16
#define WAYS   4

struct place {
    uint8_t digest[SHA256_SIZE];
    struct token_claims claims; /* expires_at 0 = empty */
};

struct token_cache {
    pthread_mutex_t locks[SHARDS];
    size_t set_mask;
    struct place *places;
    _Atomic uint64_t age;
    _Atomic bool
        used; /* since the start: looking through untouched places would make them resident */
};

struct token_cache *token_cache_new(size_t entries)
{
    struct token_cache *cache = calloc(1, sizeof *cache);
    size_t sets = SHARDS;

    if (cache == NULL)
        return NULL;
    while (sets * WAYS < entries)
        sets *= 2;
    cache->set_mask = sets - 1;
    cache->places = calloc(sets * WAYS, sizeof *cache->places);
    if (cache->places == NULL) {
        free(cache);
        return NULL;
    }
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    free(cache->places);
    free(cache);
}

static size_t set_of(const struct token_cache *cache, const uint8_t digest[SHA256_SIZE])
{
    size_t number;

    memcpy(&number, digest, sizeof number);
    return number & cache->set_mask;
}

static bool is_alive(const struct place *place, int64_t now)
{
    return place->claims.expires_at > now;
}

bool token_cache_find(struct token_cache *cache, const uint8_t digest[SHA256_SIZE],
                      struct token_claims *ret_claims)
{
    const int64_t now = clock_now_ms() / 1000;
    const size_t set = set_of(cache, digest);
    const struct place *places = &cache->places[set * WAYS];
    pthread_mutex_t *lock = &cache->locks[set % SHARDS];
    bool found = false;

    pthread_mutex_lock(lock);
    for (size_t i = 0; i < WAYS && !found; i++) {
        found = is_alive(&places[i], now) && secret_equal(places[i].digest, digest, SHA256_SIZE);
        if (found)
            *ret_claims = places[i].claims;
    }
    pthread_mutex_unlock(lock);
    return found;
}

/* The same token again, else the place that is dead longest or dies first. */
static struct place *place_for(struct place *places, const uint8_t digest[SHA256_SIZE])
{
    struct place *best = &places[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (secret_equal(places[i].digest, digest, SHA256_SIZE))
            return &places[i];
        if (places[i].claims.expires_at < best->claims.expires_at)
            best = &places[i];
    }
    return best;
}

uint64_t token_cache_age(const struct token_cache *cache)
{
    return atomic_load(&cache->age);
}

void token_cache_add(struct token_cache *cache, const uint8_t digest[SHA256_SIZE],
                     const struct token_claims *claims, uint64_t age)
{
    const size_t set = set_of(cache, digest);
    pthread_mutex_t *lock = &cache->locks[set % SHARDS];

    atomic_store(&cache->used, true);
    pthread_mutex_lock(lock);
    /* A flush counts first and then takes every lock: either it is seen here, or it comes after. */
    if (atomic_load(&cache->age) == age) {
        struct place *place = place_for(&cache->places[set * WAYS], digest);

        memcpy(place->digest, digest, SHA256_SIZE);
        place->claims = *claims;
    }
    pthread_mutex_unlock(lock);
}

void token_cache_flush(struct token_cache *cache)
{
    atomic_fetch_add(&cache->age, 1);
    if (!atomic_load(&cache->used))
        return;
    for (size_t shard = 0; shard < SHARDS; shard++) {
        pthread_mutex_lock(&cache->locks[shard]);
        for (size_t set = shard; set <= cache->set_mask; set += SHARDS)
            for (size_t way = 0; way < WAYS; way++) {
                struct place *place = &cache->places[set * WAYS + way];

                if (place->claims.expires_at != 0)
                    place->claims.expires_at = 0;
            }
        pthread_mutex_unlock(&cache->locks[shard]);
    }
}
