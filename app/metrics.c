/* Counters and histograms, and their text for Prometheus. */
#include "app/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/gather.h"
#include "app/log.h"
#include "app/routes.h"
#include "app/watch.h"

#define CLASSES 6 /* status / 100; 0 counts what is no status */
#define BUCKETS 12

/* Upper bounds in microseconds; the last bucket has none. */
static const int64_t bounds[BUCKETS - 1] = {100,   250,    1000,   2500,    5000,   10000,
                                            25000, 100000, 250000, 1000000, 5000000};

struct route_metrics {
    _Atomic uint64_t classes[CLASSES];
    _Atomic uint64_t buckets[BUCKETS];
    _Atomic uint64_t micros;
};

struct metrics {
    size_t routes;
    _Atomic int64_t counters[METRIC_COUNT];
    struct route_metrics by_route[]; /* routes + 1: the last is for what matched none */
};

struct description {
    const char *name;
    const char *type;
    const char *help;
};

static const struct description descriptions[METRIC_COUNT] = {
    [METRIC_CONNECTIONS] = {"tenantd_connections", "gauge", "Open client connections."},
    [METRIC_CONNECTIONS_REFUSED] = {"tenantd_requests_refused_total", "counter",
                                    "Requests whose head or framing was refused."},
    [METRIC_LOGINS_OK] = {"tenantd_logins_total", "counter", "Successful sign-ins."},
    [METRIC_LOGINS_FAILED] = {"tenantd_login_failures_total", "counter", "Failed sign-ins."},
    [METRIC_LOCKOUTS] = {"tenantd_lockouts_total", "counter", "Accounts locked."},
    [METRIC_RATE_LIMITED] = {"tenantd_rate_limited_total", "counter",
                             "Requests refused by a rate limit."},
    [METRIC_TOKENS_ISSUED] = {"tenantd_tokens_issued_total", "counter", "Access tokens issued."},
    [METRIC_REFRESH_REUSE] = {"tenantd_refresh_reuse_total", "counter",
                              "Refresh tokens used a second time."},
    [METRIC_OUTBOX_DELIVERED] = {"tenantd_outbox_delivered_total", "counter",
                                 "Messages that applications took."},
    [METRIC_OUTBOX_FAILED] = {"tenantd_outbox_failures_total", "counter",
                              "Attempts that are made again later."},
    [METRIC_OUTBOX_GIVEN_UP] = {"tenantd_outbox_given_up_total", "counter",
                                "Messages that no application got."},
    [METRIC_DB_CALLS] = {"tenantd_db_calls_total", "counter", "Database round trips."},
    [METRIC_DB_ERRORS] = {"tenantd_db_errors_total", "counter", "Database calls that failed."},
    [METRIC_AUDIT_ROWS] = {"tenantd_audit_rows_total", "counter", "Audit rows written."},
    [METRIC_AUDIT_BATCHES] = {"tenantd_audit_batches_total", "counter", "Audit batches written."},
    [METRIC_TOKEN_CACHE_HITS] = {"tenantd_token_cache_hits_total", "counter",
                                 "Access tokens found verified."},
    [METRIC_TOKEN_CACHE_MISSES] = {"tenantd_token_cache_misses_total", "counter",
                                   "Access tokens verified anew."},
    [METRIC_WATCH_RESTARTS] = {"tenantd_watch_restarts_total", "counter",
                               "Change streams opened again."},
    [METRIC_COLLECTIONS] = {"tenantd_collections", "gauge", "Tenants that have a collection."},
    [METRIC_COLLECTIONS_BOUND] = {"tenantd_collections_bound", "gauge",
                                  "Most tenants (tenants.max_collections)."},
};

struct metrics *metrics_new(size_t routes_in_table)
{
    struct metrics *metrics =
        calloc(1, sizeof *metrics + (routes_in_table + 1) * sizeof metrics->by_route[0]);

    if (metrics != NULL)
        metrics->routes = routes_in_table;
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

void metric_add(struct metrics *metrics, enum metric metric, int64_t delta)
{
    if (metrics != NULL && (unsigned)metric < METRIC_COUNT)
        atomic_fetch_add_explicit(&metrics->counters[metric], delta, memory_order_relaxed);
}

int64_t metric_get(const struct metrics *metrics, enum metric metric)
{
    return metrics != NULL && (unsigned)metric < METRIC_COUNT
               ? atomic_load_explicit(&metrics->counters[metric], memory_order_relaxed)
               : 0;
}

void metric_set(struct metrics *metrics, enum metric metric, int64_t value)
{
    if (metrics != NULL && (unsigned)metric < METRIC_COUNT)
        atomic_store_explicit(&metrics->counters[metric], value, memory_order_relaxed);
}

void metric_request(struct metrics *metrics, size_t index, int status, int64_t micros)
{
    size_t bucket = 0;

    if (metrics == NULL)
        return;
    struct route_metrics *row =
        &metrics->by_route[index < metrics->routes ? index : metrics->routes];
    size_t class = status >= 100 && status < 600 ? (size_t)status / 100 : 0;
    while (bucket < BUCKETS - 1 && micros > bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&row->classes[class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&row->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&row->micros, (uint64_t)(micros > 0 ? micros : 0),
                              memory_order_relaxed);
}

/* --- text --- */

static void describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    describe(out, name, "gauge", help);
    buf_printf(out, "%s %.15g\n", name, value);
}

static void write_counters(const struct metrics *metrics, struct buf *out)
{
    for (size_t i = 1; i < METRIC_COUNT; i++) {
        describe(out, descriptions[i].name, descriptions[i].type, descriptions[i].help);
        buf_printf(out, "%s %" PRId64 "\n", descriptions[i].name,
                   atomic_load(&metrics->counters[i]));
    }
}

static const char *method_name(unsigned method)
{
    switch (method) {
    case GET:
        return "GET";
    case POST:
        return "POST";
    case PUT:
        return "PUT";
    case PATCH:
        return "PATCH";
    case DELETE:
        return "DELETE";
    case GET | POST:
        return "GET,POST";
    default:
        return "several";
    }
}

/* {route="/users/{id}",method="GET" : labels come from our own table. */
static void write_labels(struct buf *out, const struct metrics *metrics, size_t index)
{
    if (index == metrics->routes)
        buf_puts(out, "{route=\"none\",method=\"any\"");
    else
        buf_printf(out, "{route=\"%s\",method=\"%s\"", routes[index].path,
                   method_name((unsigned)routes[index].method));
}

static void write_classes(const struct metrics *metrics, struct buf *out)
{
    describe(out, "tenantd_requests_total", "counter", "Requests by route and class of status.");
    for (size_t i = 0; i <= metrics->routes; i++) {
        for (size_t class = 0; class < CLASSES; class ++) {
            uint64_t count = atomic_load(&metrics->by_route[i].classes[class]);
            if (count == 0)
                continue;
            buf_puts(out, "tenantd_requests_total");
            write_labels(out, metrics, i);
            buf_printf(out, ",status=\"%zuxx\"} %" PRIu64 "\n", class, count);
        }
    }
}

/* The histogram of one route, when anything was counted. */
static void write_histogram(const struct metrics *metrics, struct buf *out, size_t index)
{
    const struct route_metrics *row = &metrics->by_route[index];
    uint64_t counts[BUCKETS];
    uint64_t total = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        total += counts[i] = atomic_load(&row->buckets[i]);
    if (total == 0)
        return;
    uint64_t sum = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        sum += counts[i];
        buf_puts(out, "tenantd_request_seconds_bucket");
        write_labels(out, metrics, index);
        if (i < BUCKETS - 1)
            buf_printf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds[i] / 1e6, sum);
        else
            buf_printf(out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
    }
    buf_puts(out, "tenantd_request_seconds_sum");
    write_labels(out, metrics, index);
    buf_printf(out, "} %.6f\n", (double)atomic_load(&row->micros) / 1e6);
    buf_puts(out, "tenantd_request_seconds_count");
    write_labels(out, metrics, index);
    buf_printf(out, "} %" PRIu64 "\n", total);
}

static void write_histograms(const struct metrics *metrics, struct buf *out)
{
    describe(out, "tenantd_request_seconds", "histogram", "Time from head to answer by route.");
    for (size_t i = 0; i <= metrics->routes; i++)
        write_histogram(metrics, out, i);
}

static void write_caches(const struct app *app, struct buf *out)
{
    struct cache *const caches[] = {app->tenants,    app->slugs,          app->domains,
                                    app->origins,    app->keys,           app->access_keys,
                                    app->clients,    app->client_origins, app->discovery,
                                    app->user_names, app->shapes};
    static const char *const series[] = {"hits", "misses", "drops", "entries"};

    for (size_t s = 0; s < 4; s++) {
        bool is_total = s < 3;
        buf_printf(out, "# TYPE tenantd_cache_%s%s %s\n", series[s], is_total ? "_total" : "",
                   is_total ? "counter" : "gauge");
        for (size_t i = 0; i < sizeof caches / sizeof caches[0]; i++) {
            struct cache_stats stats;
            if (caches[i] == NULL)
                continue;
            cache_stats(caches[i], &stats);
            const uint64_t values[] = {stats.hits, stats.misses, stats.drops, stats.entries};
            buf_printf(out, "tenantd_cache_%s%s{cache=\"%s\"} %" PRIu64 "\n", series[s],
                       is_total ? "_total" : "", stats.name, values[s]);
        }
    }
}

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long size = 0;
    long long resident = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static void write_process(const struct app *app, struct buf *out)
{
    struct rusage usage;

    gauge(out, "tenantd_up_seconds", "Since the start of this instance.",
          (double)(clock_now_ms() - app->started_ms) / 1000.0);
    gauge(out, "tenantd_stopping", "1 while this instance drains.", atomic_load(&app->stopping));
    if (app->sign_ups != NULL)
        gauge(out, "tenantd_sign_ups_waiting", "Users that are made with the next transaction.",
              (double)gather_waiting(app->sign_ups));
    if (app->watch != NULL)
        gauge(out, "tenantd_watch_lag_seconds", "Age of the last heartbeat seen by the watcher.",
              (double)watch_lag_ms(app->watch) / 1000.0);
    gauge(out, "process_resident_memory_bytes", "Resident memory.", (double)resident_bytes());
    describe(out, "tenantd_log_lines_dropped_total", "counter", "Log lines nobody read in time.");
    buf_printf(out, "tenantd_log_lines_dropped_total %" PRIu64 "\n", log_dropped());
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    describe(out, "process_cpu_seconds_total", "counter", "CPU time of this process.");
    buf_printf(out, "process_cpu_seconds_total %.6f\n", cpu);
}

void metrics_write(const struct app *app, struct buf *out)
{
    write_process(app, out);
    write_caches(app, out);
    if (app->metrics == NULL)
        return;
    write_counters(app->metrics, out);
    write_classes(app->metrics, out);
    write_histograms(app->metrics, out);
}
