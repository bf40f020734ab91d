/*
 * Rate limits of this instance: GCRA per key in a bounded sharded table. Keys are (class, subject)
 * bytes, never joined text. Any thread; no allocation per call.
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
    LIMIT_TENANT, /* requests of a tenant, by plan */
    LIMIT_KEY,    /* requests of an access key, by plan */
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

struct limiter *limiter_new(size_t max_keys);
void limiter_free(struct limiter *limiter);
void limit_take(struct limiter *limiter, enum limit_class class, const void *subject,
                size_t subject_size, const struct limit_rule *rule,
                struct limit_result *ret_result);
/* Gives back what one limit_take charged: the request turned out not to count here. */
void limit_refund(struct limiter *limiter, enum limit_class class, const void *subject,
                  size_t subject_size, const struct limit_rule *rule);
