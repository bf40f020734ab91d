/*
 * The table of budgets, which limit.c (this instance alone) and limit_shared.c (with the others)
 * share and nobody else may use.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "app/limit.h"

#define LIMIT_NS     ((int64_t)1000000000)
#define LIMIT_SHARDS 64u

struct limit_entry {
    int64_t whole_at; /* monotonic ns; 0 = free */
    /* Of shared budgets, see limit_shared.c: */
    int64_t free_at;   /* when the part that needs no lease is whole */
    int64_t shared_at; /* when the shared budget is whole, as last heard; 0 = not heard */
    int64_t ask_at;    /* not before: there was nothing left */
    int64_t credit;    /* leased, not used */
    int64_t debt;      /* used, not yet told … */
    int64_t owed_at;   /* … since */
    bool leasing;      /* a request is asking */
    uint8_t size;
    uint8_t class;
    uint8_t subject[LIMIT_SUBJECT_MAX];
};

struct limit_shard {
    pthread_mutex_t lock;
    pthread_cond_t leased;
    struct limit_entry *entries; /* sets * ways */
};

struct limiter {
    struct limit_shard shards[LIMIT_SHARDS];
    struct limit_entry *entries; /* of all shards: one block, of which only used pages count */
    size_t sets;                 /* per shard */
    uint64_t seed[2];
    _Atomic int64_t alone_until; /* monotonic ns: the store did not answer */
};

struct limit_entry limit_make_key(enum limit_class class, const void *subject, size_t size);
struct limit_shard *limit_shard_of(struct limiter *limiter, const struct limit_entry *key);
/* The key's place in its set, under the shard's lock; NULL when it has none. *ret_stalest is the
 * one to give up for it. */
struct limit_entry *limit_find(const struct limiter *limiter, const struct limit_shard *shard,
                               const struct limit_entry *key, struct limit_entry **ret_stalest);
int64_t limit_now(void);
int64_t limit_seconds_up(int64_t ns);
/* The rule's period; seconds are bounded so that it fits. */
int64_t limit_period(const struct limit_rule *rule);
