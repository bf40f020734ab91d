/*
 * Counters and histograms for /metrics (Prometheus text). Labels come from closed sets (route,
 * status class), never from users. Any thread; atomic adds only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "app/buf.h"

struct app;
struct metrics;

enum metric {
    METRIC_UNSET = 0,
    METRIC_CONNECTIONS,         /* gauge */
    METRIC_CONNECTIONS_REFUSED, /* framing gate */
    METRIC_LOGINS_OK,
    METRIC_LOGINS_FAILED,
    METRIC_LOCKOUTS,
    METRIC_RATE_LIMITED,
    METRIC_TOKENS_ISSUED,
    METRIC_REFRESH_REUSE,
    METRIC_OUTBOX_DELIVERED,
    METRIC_OUTBOX_FAILED,
    METRIC_OUTBOX_GIVEN_UP,
    METRIC_DB_CALLS,
    METRIC_DB_ERRORS,
    METRIC_AUDIT_ROWS,
    METRIC_AUDIT_BATCHES,
    METRIC_TOKEN_CACHE_HITS,
    METRIC_TOKEN_CACHE_MISSES,
    METRIC_WATCH_RESTARTS,
    METRIC_COLLECTIONS,       /* gauge: tenants that hold a place */
    METRIC_COLLECTIONS_BOUND, /* gauge */
    METRIC_COUNT
};

struct metrics *metrics_new(size_t route_count);
void metrics_free(struct metrics *metrics);
void metric_add(struct metrics *metrics, enum metric metric, int64_t delta);
int64_t metric_get(const struct metrics *metrics, enum metric metric);
void metric_set(struct metrics *metrics, enum metric metric, int64_t value);
/* One finished request; route_index = SIZE_MAX when none matched. */
void metric_request(struct metrics *metrics, size_t route_index, int status, int64_t micros);
void metrics_write(const struct app *app, struct buf *out);
