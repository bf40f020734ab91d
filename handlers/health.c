/* Health, readiness, figures and the two small answers of document 004. */
#include "handlers/health.h"

#include <pthread.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/metrics.h"
#include "app/migrate.h"

#define READY_CACHE_MS  1000
#define READY_BUDGET_MS 1000

/* --- /health --- */

struct health {
    const char *status;
    const char *service;
};

static const struct field health_fields[] = {
    FIELD_STR(struct health, status, "status", F_REQUIRED, 1, 20, .example = "healthy"),
    FIELD_STR(struct health, service, "service", F_REQUIRED, 1, 20, .example = "tenantd"),
};
const struct schema health_schema = {
    .name = "health", .size = sizeof(struct health), SCHEMA_FIELDS(health_fields)};

enum err handle_health(struct request *req, struct response *res)
{
    const struct health health = {.status = "healthy", .service = "tenantd"};

    return respond(req, res, 200, &health);
}

/* --- /ready --- */

struct ready {
    const char *status;
    const char *database;
    const char *migrations;
};

static const struct field ready_fields[] = {
    FIELD_STR(struct ready, status, "status", F_REQUIRED, 1, 20,
              .doc = "ready, starting, stopping or unavailable", .example = "ready"),
    FIELD_STR(struct ready, database, "database", F_REQUIRED, 1, 20, .doc = "up or down",
              .example = "up"),
    FIELD_STR(struct ready, migrations, "migrations", F_REQUIRED, 1, 20,
              .doc = "applied, pending or unknown", .example = "applied"),
};
const struct schema ready_schema = {
    .name = "ready", .size = sizeof(struct ready), SCHEMA_FIELDS(ready_fields)};

/* What was found less than a second ago, so that probes cannot load the database. */
static struct {
    pthread_mutex_t lock;
    const struct app *app;
    int64_t checked_ms;
    const char *database;
    const char *migrations;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *migrations_of(struct ctx *ctx)
{
    struct list applied;
    size_t pending;

    if (migrate_status(ctx, &applied, &pending) != ERR_OK)
        return "unknown";
    return pending == 0 ? "applied" : "pending";
}

static bool remembered(const struct app *app, struct ready *ready)
{
    pthread_mutex_lock(&seen.lock);
    bool is_fresh = seen.app == app && clock_monotonic_ms() - seen.checked_ms < READY_CACHE_MS;
    if (is_fresh) {
        ready->database = seen.database;
        ready->migrations = seen.migrations;
    }
    pthread_mutex_unlock(&seen.lock);
    return is_fresh;
}

static void look(struct ctx *ctx, struct ready *ready)
{
    if (remembered(ctx->app, ready))
        return;
    ctx->deadline = clock_monotonic_ms() + READY_BUDGET_MS;
    bool is_up = ctx->app->db != NULL && db_ping(ctx) == ERR_OK;
    ready->database = is_up ? "up" : "down";
    ready->migrations = is_up ? migrations_of(ctx) : "unknown";
    fail_clear(ctx);

    pthread_mutex_lock(&seen.lock);
    seen.app = ctx->app;
    seen.checked_ms = clock_monotonic_ms();
    seen.database = ready->database;
    seen.migrations = ready->migrations;
    pthread_mutex_unlock(&seen.lock);
}

enum err handle_ready(struct request *req, struct response *res)
{
    struct ready ready = {.status = "ready"};

    look(&req->ctx, &ready);
    if (atomic_load(&req->ctx.app->stopping))
        ready.status = "stopping";
    else if (strcmp(ready.database, "up") != 0 || strcmp(ready.migrations, "applied") != 0)
        ready.status = "unavailable";
    else if (!atomic_load(&req->ctx.app->ready))
        ready.status = "starting";
    response_no_store(res);
    return respond(req, res, strcmp(ready.status, "ready") == 0 ? 200 : 503, &ready);
}

/* --- /metrics --- */

enum err handle_metrics(struct request *req, struct response *res)
{
    struct buf text;

    buf_init(&text, req->ctx.arena, HTTP_MAX_RESPONSE);
    metrics_write(req->ctx.app, &text);
    if (!buf_ok(&text))
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for the figures");
    response_no_store(res);
    return respond_text(res, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.size);
}

/* --- /api/ping, /api/status --- */

struct ping {
    const char *message;
};

static const struct field ping_fields[] = {
    FIELD_STR(struct ping, message, "message", F_REQUIRED, 1, 20, .example = "pong"),
};
const struct schema ping_schema = {
    .name = "ping", .size = sizeof(struct ping), SCHEMA_FIELDS(ping_fields)};

enum err handle_ping(struct request *req, struct response *res)
{
    const struct ping ping = {.message = "pong"};

    return respond(req, res, 200, &ping);
}

struct status {
    const char *status;
    const char *api_version;
    const char *auth_type;
};

static const struct field status_fields[] = {
    FIELD_STR(struct status, status, "status", F_REQUIRED, 1, 20, .example = "operational"),
    FIELD_STR(struct status, api_version, "api_version", F_REQUIRED, 1, 20, .example = "v1"),
    FIELD_STR(struct status, auth_type, "auth_type", F_REQUIRED, 1, 20, .example = "OAuth 2.0"),
};
const struct schema status_schema = {
    .name = "status", .size = sizeof(struct status), SCHEMA_FIELDS(status_fields)};

enum err handle_status(struct request *req, struct response *res)
{
    const struct status status = {
        .status = "operational", .api_version = "v1", .auth_type = "OAuth 2.0"};

    return respond(req, res, 200, &status);
}
