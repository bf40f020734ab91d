/* Makes and ends a running service; the one place that knows all its parts. */
#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app_retired.h"
#include "app/app_start.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/gather.h"
#include "app/housekeeping.h"
#include "app/job_workers.h"
#include "app/keys.h"
#include "app/limit.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/outbox_workers.h"
#include "app/password.h"
#include "app/revocation.h"
#include "app/routes.h"
#include "app/rsa_pool.h"
#include "app/token_cache.h"
#include "app/watch.h"
#include "handlers/discovery.h"
#include "models/access_key.h"
#include "models/audit.h"
#include "models/audit_refusals.h"
#include "models/client_origins.h"
#include "models/custom_schema.h"
#include "models/grant_memory.h"
#include "models/job.h"
#include "models/oauth_client.h"
#include "models/platform_key.h"
#include "models/sign_up_party.h"
#include "models/tenant.h"
#include "models/tenant_origin.h"
#include "models/user_name.h"

/* Upper bounds, not sizes: what is not used costs no memory. */
#define CACHED_TENANTS     4096
#define CACHED_DOMAINS     1024
#define CACHED_ORIGINS     1024
#define CACHED_KEY_SETS    4096
#define CACHED_ACCESS_KEYS 4096
#define CACHED_CLIENTS     4096
#define CACHED_SHAPES      1024
#define CACHED_USER_NAMES  4096
#define CACHE_AGE_MS       60000
#define CACHED_TOKENS      8192
#define LIMITED_KEYS       32768
#define REVOCATIONS_MAX    200000
#define PLATFORM_ARENA     ((size_t)1024 * 1024)

enum log_level app_log_level(const struct config *config)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(config->log_level, names[i]) == 0)
            return (enum log_level)(LOG_DEBUG + i);
    }
    return LOG_INFO;
}

static enum err fail_start(enum err err, const char *what, char **ret_message)
{
    if (*ret_message == NULL)
        *ret_message = strdup(what);
    return err;
}

static enum err open_caches(struct app *app, char **ret_message)
{
    app->tenants = cache_new("tenants", CACHED_TENANTS, CACHE_AGE_MS, tenant_load_by_id);
    app->slugs = cache_new("slugs", CACHED_TENANTS, CACHE_AGE_MS, tenant_load_by_slug);
    app->domains = cache_new("domains", CACHED_DOMAINS, CACHE_AGE_MS, tenant_load_by_domain);
    app->origins = cache_new("origins", CACHED_ORIGINS, CACHE_AGE_MS, tenant_load_by_origin);
    app->keys = cache_new("keys", CACHED_KEY_SETS, CACHE_AGE_MS, keys_load);
    app->access_keys = cache_new("access_keys", CACHED_ACCESS_KEYS, CACHE_AGE_MS, access_key_load);
    app->clients = cache_new("clients", CACHED_CLIENTS, CACHE_AGE_MS, oauth_client_load);
    app->client_origins =
        cache_new("client_origins", CACHED_TENANTS, CACHE_AGE_MS, client_origins_load);
    app->discovery = cache_new("discovery", CACHED_TENANTS, CACHE_AGE_MS, discovery_load);
    app->shapes = cache_new("shapes", CACHED_SHAPES, CACHE_AGE_MS, custom_schema_load);
    app->user_names = cache_new("user_names", CACHED_USER_NAMES, USER_NAME_AGE_MS, user_name_load);
    app->tokens = token_cache_new(CACHED_TOKENS);
    app->limiter = limiter_new(LIMITED_KEYS);
    app->revocations = revocations_new(REVOCATIONS_MAX);
    app->metrics = metrics_new(route_count);
    if (app->tenants == NULL || app->slugs == NULL || app->domains == NULL ||
        app->origins == NULL || app->keys == NULL || app->access_keys == NULL ||
        app->clients == NULL || app->client_origins == NULL || app->discovery == NULL ||
        app->user_names == NULL || app->shapes == NULL || app->tokens == NULL ||
        app->limiter == NULL || app->revocations == NULL || app->metrics == NULL)
        return fail_start(ERR_MEMORY, "out of memory", ret_message);
    cache_allow(app->shapes, CUSTOM_SCHEMA_MEMORY + CUSTOM_SCHEMA_BYTES);
    return ERR_OK;
}

static enum err open_database(struct app *app, bool serve, char **ret_message)
{
    const char *reason = NULL;
    enum err err = db_open(app_config(app), serve, &app->db, &reason);

    if (err != ERR_OK)
        return fail_start(err, reason != NULL ? reason : "the database client cannot start",
                          ret_message);
    return app_connect(app, ret_message);
}

/* Audit rows are written by commands too. */
static enum err start_writers(struct app *app, bool serve, char **ret_message)
{
    const struct config *config = app_config(app);
    const int64_t server_threads = serve ? config->server.threads : 0;
    enum err err = hash_pool_new(&config->password, server_threads, &app->hashes);

    if (err != ERR_OK)
        return fail_start(err, "the threads that hash passwords cannot start", ret_message);
    err = audit_writer_start(app, &app->audit);
    if (err != ERR_OK)
        return fail_start(err, "the audit writer cannot start", ret_message);
    err = gather_new(sign_up_may_meet, &app->sign_ups);
    if (err != ERR_OK)
        return fail_start(err, "out of memory", ret_message);
    return ERR_OK;
}

/* Sees that the installation has the platform key that the configuration asks for. */
static enum err begin_platform(struct app *app, char **ret_message)
{
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, PLATFORM_ARENA);
    ctx_init(&ctx, app, &arena);
    enum err err = platform_key_begin(&ctx);
    if (err != ERR_OK)
        app_explain(&ctx, err, "the first platform key", ret_message);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return err;
}

static enum err start_server_threads(struct app *app, char **ret_message)
{
    const char *reason = NULL;
    enum err err = app_check_structure(app, ret_message);

    if (err != ERR_OK)
        return err;
    err = rsa_pool_new(&app->rsa);
    if (err != ERR_OK)
        return fail_start(err, "the thread that makes RSA keys cannot start", ret_message);
    err = begin_platform(app, ret_message);
    if (err != ERR_OK)
        return err;
    err = watch_start(app, &app->watch, &reason);
    if (err != ERR_OK)
        return fail_start(err, reason != NULL ? reason : "the change stream cannot be opened",
                          ret_message);
    err = audit_refusals_start(app, &app->refusals);
    if (err != ERR_OK)
        return fail_start(err, "the audit of refusals cannot start", ret_message);
    err = housekeeping_start(app, &app->housekeeping);
    if (err != ERR_OK)
        return fail_start(err, "housekeeping cannot start", ret_message);
    err = outbox_workers_start(app, &app->outbox);
    if (err != ERR_OK)
        return fail_start(err, "the delivery of messages to applications cannot start",
                          ret_message);
    err = job_workers_start(app, job_kinds, NULL, &app->jobs);
    if (err != ERR_OK)
        return fail_start(err, "the threads of background jobs cannot start", ret_message);
    err = grant_memory_start(app, &app->grant_memory);
    if (err != ERR_OK)
        return fail_start(err, "the memory of rotations cannot start", ret_message);
    return ERR_OK;
}

static enum err open_parts(struct app *app, bool serve, char **ret_message)
{
    const enum log_level level = app_log_level(app_config(app));

    /* A command says itself what it does. */
    log_set_level(serve || level > LOG_WARN ? level : LOG_WARN);
    if (serve) {
        log_start(level);
        app->logging = true;
    }
    TRY(open_caches(app, ret_message));
    TRY(open_database(app, serve, ret_message));
    TRY(start_writers(app, serve, ret_message));
    return serve ? start_server_threads(app, ret_message) : ERR_OK;
}

enum err app_new(struct config *take_config, bool serve, struct app **ret_app, char **ret_message)
{
    struct app *app = calloc(1, sizeof *app);

    *ret_message = NULL;
    if (app == NULL) {
        config_unref(take_config);
        return fail_start(ERR_MEMORY, "out of memory", ret_message);
    }
    app->config = take_config;
    app->instance_id = uuid_new();
    app->started_ms = clock_now_ms();
    enum err err = open_parts(app, serve, ret_message);
    if (err != ERR_OK) {
        app_free(app);
        return fail_start(err, "the service cannot start", ret_message);
    }
    *ret_app = app;
    return ERR_OK;
}

void app_free(struct app *app)
{
    if (app == NULL)
        return;
    job_workers_stop(app->jobs);
    outbox_workers_stop(app->outbox);
    grant_memory_stop(app->grant_memory);
    housekeeping_stop(app->housekeeping);
    watch_stop(app->watch);
    audit_refusals_stop(app->refusals);
    audit_writer_stop(app->audit);
    gather_free(app->sign_ups);
    hash_pool_free(app->hashes);
    rsa_pool_free(app->rsa);
    cache_free(app->tenants);
    cache_free(app->slugs);
    cache_free(app->domains);
    cache_free(app->origins);
    cache_free(app->keys);
    cache_free(app->access_keys);
    cache_free(app->clients);
    cache_free(app->client_origins);
    cache_free(app->shapes);
    cache_free(app->user_names);
    cache_free(app->discovery);
    token_cache_free(app->tokens);
    limiter_free(app->limiter);
    revocations_free(app->revocations);
    db_close(app->db);
    metrics_free(app->metrics);
    if (app->logging)
        log_stop();
    app_free_retired(app);
    config_unref(app->config);
    free(app->config_path);
    free(app);
}
