/*
 * GCRA (a leaky bucket kept as one time): each key holds the moment at which its budget is whole
 * again. A request moves that moment on by one interval and is refused when it would then lie more
 * than the whole period ahead. The table is a fixed array of small sets in shards with a lock each;
 * a key that finds its set full takes the place of the one whose budget is nearest to whole, so
 * that whoever sends most is forgotten last.
 */
#include "app/limit.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/clock.h"
#include "app/condition.h"
#include "app/limit_internal.h"

#define WAYS       8u
#define MAX_PERIOD (((int64_t)1 << 62) / LIMIT_NS)

static void shard_init(struct limit_shard *shard, struct limit_entry *entries)
{
    pthread_mutex_init(&shard->lock, NULL);
    condition_init(&shard->leased);
    shard->entries = entries;
}

struct limiter *limiter_new(size_t max_keys)
{
    struct limiter *limiter = calloc(1, sizeof *limiter);

    if (limiter == NULL)
        return NULL;
    limiter->sets = max_keys / (LIMIT_SHARDS * WAYS) + 1;
    /* Keyed, so that nobody can choose addresses that push others out of their set. */
    if (getrandom(limiter->seed, sizeof limiter->seed, 0) != (ssize_t)sizeof limiter->seed) {
        free(limiter);
        return NULL;
    }
    limiter->entries = calloc(LIMIT_SHARDS * limiter->sets * WAYS, sizeof(struct limit_entry));
    if (limiter->entries == NULL) {
        free(limiter);
        return NULL;
    }
    for (size_t i = 0; i < LIMIT_SHARDS; i++)
        shard_init(&limiter->shards[i], limiter->entries + i * limiter->sets * WAYS);
    return limiter;
}

void limiter_free(struct limiter *limiter)
{
    if (limiter == NULL)
        return;
    for (size_t i = 0; i < LIMIT_SHARDS; i++) {
        pthread_cond_destroy(&limiter->shards[i].leased);
        pthread_mutex_destroy(&limiter->shards[i].lock);
    }
    free(limiter->entries);
    free(limiter);
}

/* --- keys --- */

size_t limit_address(const char *ip, uint8_t ret_bytes[LIMIT_SUBJECT_MAX])
{
    if (inet_pton(AF_INET, ip, ret_bytes) == 1)
        return 4;
    if (inet_pton(AF_INET6, ip, ret_bytes) == 1)
        return 8;
    return 0;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_key(const struct limiter *limiter, const struct limit_entry *key)
{
    uint64_t hash = limiter->seed[0] ^ ((uint64_t)key->class << 8 | key->size);
    uint64_t word;

    for (size_t at = 0; at < key->size; at += sizeof word) {
        memcpy(&word, key->subject + at, sizeof word);
        hash = mix(hash ^ word, limiter->seed[1] | 1);
        hash ^= hash >> 29;
    }
    return mix(hash ^ limiter->seed[1], limiter->seed[0] | 1);
}

struct limit_entry limit_make_key(enum limit_class class, const void *subject, size_t size)
{
    struct limit_entry key = {.class = (uint8_t) class, .size = (uint8_t)size};

    assert(size <= LIMIT_SUBJECT_MAX);
    if (size > 0)
        memcpy(key.subject, subject, size);
    return key;
}

static bool is_same(const struct limit_entry *a, const struct limit_entry *b)
{
    return a->class == b->class && a->size == b->size &&
           memcmp(a->subject, b->subject, a->size) == 0;
}

struct limit_entry *limit_find(const struct limiter *limiter, const struct limit_shard *shard,
                               const struct limit_entry *key, struct limit_entry **ret_stalest)
{
    size_t set = (size_t)((hash_key(limiter, key) >> 8) % limiter->sets);
    struct limit_entry *ways = &shard->entries[set * WAYS];

    *ret_stalest = &ways[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (ways[i].whole_at != 0 && is_same(&ways[i], key))
            return &ways[i];
        if (ways[i].whole_at < (*ret_stalest)->whole_at)
            *ret_stalest = &ways[i];
    }
    return NULL;
}

struct limit_shard *limit_shard_of(struct limiter *limiter, const struct limit_entry *key)
{
    return &limiter->shards[hash_key(limiter, key) % LIMIT_SHARDS];
}

/* --- taking --- */

int64_t limit_seconds_up(int64_t ns)
{
    return ns > 0 ? (ns + LIMIT_NS - 1) / LIMIT_NS : 0;
}

int64_t limit_period(const struct limit_rule *rule)
{
    return (rule->seconds < MAX_PERIOD ? rule->seconds : MAX_PERIOD) * LIMIT_NS;
}

int64_t limit_now(void)
{
    return clock_monotonic_us() * 1000;
}

void limit_take(struct limiter *limiter, enum limit_class class, const void *subject,
                size_t subject_size, const struct limit_rule *rule, struct limit_result *ret_result)
{
    struct limit_entry key = limit_make_key(class, subject, subject_size);
    struct limit_entry *stalest;

    *ret_result = (struct limit_result){.allowed = true, .limit = rule->count};
    if (rule->count <= 0 || rule->seconds <= 0)
        return;

    int64_t interval = limit_period(rule) / rule->count;
    /* More than one a nanosecond: no limit that anybody could reach. */
    if (interval == 0)
        return;
    int64_t period = interval * rule->count;
    struct limit_shard *shard = limit_shard_of(limiter, &key);
    pthread_mutex_lock(&shard->lock);
    int64_t now = limit_now();
    struct limit_entry *entry = limit_find(limiter, shard, &key, &stalest);
    int64_t start = entry != NULL && entry->whole_at > now ? entry->whole_at : now;
    /* A rule that became smaller must not lock a key out for the old, longer time. */
    if (start > now + period)
        start = now + period;
    int64_t whole_at = start + interval;
    ret_result->allowed = whole_at - now <= period;
    if (ret_result->allowed) {
        if (entry == NULL) {
            entry = stalest;
            *entry = key;
        }
        entry->whole_at = whole_at;
    } else {
        ret_result->retry_after = limit_seconds_up(whole_at - now - period);
        whole_at = start;
    }
    pthread_mutex_unlock(&shard->lock);
    ret_result->remaining = (period - (whole_at - now)) / interval;
    ret_result->reset_seconds = limit_seconds_up(whole_at - now);
}

void limit_refund(struct limiter *limiter, enum limit_class class, const void *subject,
                  size_t subject_size, const struct limit_rule *rule)
{
    struct limit_entry key = limit_make_key(class, subject, subject_size);
    struct limit_shard *shard = limit_shard_of(limiter, &key);
    struct limit_entry *stalest;

    if (rule->count <= 0 || rule->seconds <= 0)
        return;
    pthread_mutex_lock(&shard->lock);
    struct limit_entry *entry = limit_find(limiter, shard, &key, &stalest);
    if (entry != NULL)
        entry->whole_at -= limit_period(rule) / rule->count;
    pthread_mutex_unlock(&shard->lock);
}
