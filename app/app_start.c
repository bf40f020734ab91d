/* Waiting for the database at start, and the check of its structure. */
#include "app/app_start.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/db_version.h"
#include "app/log.h"
#include "app/migrate.h"

#define RETRY_MS    500
#define SLICE_MS    50
#define PING_MS     1000
#define ARENA_LIMIT ((size_t)8 * 1024 * 1024)

__attribute__((format(printf, 2, 3))) static void say(char **ret_message, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (vasprintf(ret_message, format, args) < 0)
        *ret_message = NULL;
    va_end(args);
}

static bool asked_to_stop(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* False when a signal asked to end meanwhile. */
static bool pause_before_retry(void)
{
    for (int waited = 0; waited < RETRY_MS; waited += SLICE_MS) {
        const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        if (asked_to_stop())
            return false;
        nanosleep(&slice, NULL);
    }
    return true;
}

/* The hosts of the URI: what may be shown of it. */
static void database_hosts(const struct config *config, const char **ret_hosts, int *ret_length)
{
    const char *uri = strstr(config->database.uri, "://");
    const char *hosts = uri != NULL ? uri + 3 : config->database.uri;
    size_t length = strcspn(hosts, "/?");
    const char *at = memrchr(hosts, '@', length);

    if (at != NULL) {
        length -= (size_t)(at + 1 - hosts);
        hosts = at + 1;
    }
    *ret_hosts = hosts;
    *ret_length = length < 200 ? (int)length : 200;
}

static enum err ping(struct app *app, struct arena *arena, char **ret_message)
{
    struct ctx ctx;

    ctx_init(&ctx, app, arena);
    ctx.deadline = clock_monotonic_ms() + PING_MS;
    enum err err = db_ping(&ctx);
    if (err != ERR_OK && err != ERR_DB_UNAVAILABLE)
        say(ret_message, "%s",
            ctx.failure.internal != NULL ? ctx.failure.internal : error_info(err)->sentence);
    ctx_clear(&ctx);
    return err;
}

static enum err wait_for_database(struct app *app, struct arena *arena, char **ret_message)
{
    const struct config *config = app_config(app);
    const int64_t timeout = config->database.start_timeout_ms;
    const int64_t until = clock_monotonic_ms() + timeout;
    bool told = false;
    const char *hosts;
    int length;

    database_hosts(config, &hosts, &length);
    for (;;) {
        enum err err = ping(app, arena, ret_message);
        arena_reset(arena);
        if (err != ERR_DB_UNAVAILABLE)
            return err;
        if (clock_monotonic_ms() >= until)
            break;
        if (!told)
            fprintf(stderr,
                    "tenantd: MongoDB at %.*s does not answer yet; trying for up to %lld s\n",
                    length, hosts, (long long)(timeout + 999) / 1000);
        told = true;
        if (!pause_before_retry()) {
            say(ret_message, "stopped while waiting for MongoDB at %.*s", length, hosts);
            return ERR_STOPPING;
        }
    }
    say(ret_message,
        "MongoDB at %.*s did not answer within %lld s; start it, or set database.uri "
        "(MONGODB_URI) to where it runs",
        length, hosts, (long long)(timeout + 999) / 1000);
    return ERR_DB_UNAVAILABLE;
}

enum err app_connect(struct app *app, char **ret_message)
{
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);
    enum err err = wait_for_database(app, &arena, ret_message);
    arena_clear(&arena);
    return err;
}

static void report_step(const struct migration *step, bool done, void *arg)
{
    (void)arg;
    if (done)
        log_event(LOG_INFO, "migration.applied", "name", step->name, NULL);
}

static enum err check_structure(struct ctx *ctx, bool migrate, char **ret_message)
{
    struct list applied = {0};
    size_t pending = 0;
    enum err err = migrate_status(ctx, &applied, &pending);

    if (err == ERR_OK && pending > 0 && !migrate) {
        say(ret_message,
            "the database lacks %zu migration%s: run \"tenantd migrate up\", or set "
            "database.migrate_on_start: true",
            pending, pending == 1 ? "" : "s");
        return ERR_CONFLICT;
    }
    if (err == ERR_OK && pending > 0)
        err = migrate_up(ctx, report_step, NULL);
    return err == ERR_OK ? migrations_verify(ctx) : err;
}

void app_explain(const struct ctx *ctx, enum err err, const char *what, char **ret_message)
{
    const struct failure *failure = &ctx->failure;
    const char *why = failure->internal != NULL ? failure->internal : failure->detail;

    say(ret_message, "%s: %s", what, why != NULL ? why : error_info(err)->sentence);
}

static enum err check_once(struct app *app, struct arena *arena, char **ret_message)
{
    struct ctx ctx;

    ctx_init(&ctx, app, arena);
    enum err err = check_structure(&ctx, app_config(app)->database.migrate_on_start, ret_message);
    if (err != ERR_OK && *ret_message == NULL)
        app_explain(&ctx, err, "the database's structure cannot be used", ret_message);
    if (err == ERR_OK)
        db_warn_of_known_bug(&ctx);
    ctx_clear(&ctx);
    return err;
}

/* A database that answered a moment ago and is slow or electing now is waited for like one that
 * does not answer at all; steps that were begun are gone on with. */
enum err app_check_structure(struct app *app, char **ret_message)
{
    const int64_t until = clock_monotonic_ms() + app_config(app)->database.start_timeout_ms;
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);
    enum err err = check_once(app, &arena, ret_message);
    while (err == ERR_DB_UNAVAILABLE && clock_monotonic_ms() < until && pause_before_retry()) {
        free(*ret_message);
        *ret_message = NULL;
        arena_reset(&arena);
        err = check_once(app, &arena, ret_message);
    }
    arena_clear(&arena);
    return err;
}
