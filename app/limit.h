/*
 * Rate limits: GCRA per key in a bounded sharded table. Keys are (class, subject) bytes, never
 * joined text. limit_take counts on this instance alone; limit_take_shared counts with all
 * instances: the first quarter of a budget is each instance's own, what goes beyond is leased in
 * chunks from one place (docs/adr/0016-shared-limits.md has the bounds). Any thread; no allocation
 * per call, no lock held while leasing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_SUBJECT_MAX 32

struct limiter;

enum limit_class {
    LIMIT_UNSET = 0,
    LIMIT_ADDRESS,       /* every request, per address (/64 for IPv6) */
    LIMIT_SIGN_IN,       /* per address */
    LIMIT_REGISTER,      /* per address */
    LIMIT_TENANT_CREATE, /* per address and day */
    LIMIT_PLATFORM_CREATE,
    LIMIT_TENANT,  /* requests of a tenant, by plan */
    LIMIT_KEY,     /* requests of an access key, by plan */
    LIMIT_CLIENT,  /* requests of an OAuth client for itself: a share of its tenant's */
    LIMIT_UNKNOWN, /* look-ups of tenants that do not exist, per address; this instance alone */
};

struct limit_rule {
    int64_t count;   /* requests … */
    int64_t seconds; /* … in this time; burst = count. count 0 = unlimited */
};

struct limit_result {
    bool allowed;
    int64_t limit;
    int64_t remaining;
    int64_t reset_seconds; /* until the budget is whole again */
    int64_t retry_after;   /* seconds until one request fits, when refused */
};

/* The subject of an address: IPv4 whole, IPv6 by its /64, since one customer has a whole one.
 * Returns the number of bytes. */
size_t limit_address(const char *ip, uint8_t ret_bytes[LIMIT_SUBJECT_MAX]);

struct limiter *limiter_new(size_t max_keys);
void limiter_free(struct limiter *limiter);
void limit_take(struct limiter *limiter, enum limit_class class, const void *subject,
                size_t subject_size, const struct limit_rule *rule,
                struct limit_result *ret_result);
/* Gives back what one limit_take charged: the request turned out not to count here. */
void limit_refund(struct limiter *limiter, enum limit_class class, const void *subject,
                  size_t subject_size, const struct limit_rule *rule);

/* --- shared with the other instances --- */

struct limit_key {
    enum limit_class class;
    const void *subject;
    size_t size;
};

/* What an instance tells and asks. */
struct limit_ask {
    int64_t told;   /* used since it last asked … */
    int64_t age_us; /* … the first of it so long ago */
    int64_t more;   /* wanted on top */
};

struct limit_lease {
    int64_t given;    /* of both together, the told part first */
    int64_t ahead_us; /* how far ahead the moment lies at which the shared budget is whole */
};

/* Takes from the shared budget by one atomic operation. False: the store did not answer, and
 * nothing counts as given. Called without a lock, once at a time for a key. */
typedef bool (*limit_lease_fn)(void *arg, const struct limit_key *key,
                               const struct limit_rule *rule, const struct limit_ask *ask,
                               struct limit_lease *ret_lease);

struct limit_source {
    limit_lease_fn lease;
    void *arg;
};

/* What an instance may use without asking, and what it takes when it asks. */
int64_t limit_quarter(const struct limit_rule *rule);
int64_t limit_chunk(const struct limit_rule *rule);

/* Blocks only in the source's lease, or up to 250 ms for one that another request has begun. */
void limit_take_shared(struct limiter *limiter, const struct limit_key *key,
                       const struct limit_rule *rule, const struct limit_source *source,
                       struct limit_result *ret_result);
/* What is given back stays with this instance, as a credit. */
void limit_refund_shared(struct limiter *limiter, const struct limit_key *key,
                         const struct limit_rule *rule);
