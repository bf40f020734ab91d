#include "support/database.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/db_internal.h"
#include "app/metrics.h"
#include "app/secret.h"
#include "app/watch.h"

static void on_command(const mongoc_apm_command_started_t *event)
{
    struct database *database = mongoc_apm_command_started_get_context(event);

    pthread_mutex_lock(&database->seen_lock);
    size_t at = database->seen_count++;
    if (at < SEEN_MAX) {
        snprintf(database->seen[at].name, sizeof database->seen[at].name, "%s",
                 mongoc_apm_command_started_get_command_name(event));
        database->seen[at].command = bson_copy(mongoc_apm_command_started_get_command(event));
    }
    pthread_mutex_unlock(&database->seen_lock);
}

static void watch_commands(struct database *database)
{
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();

    mongoc_apm_set_command_started_cb(callbacks, on_command);
    if (!mongoc_client_pool_set_apm_callbacks(database->app.db->pool, callbacks, database))
        abort();
    mongoc_apm_callbacks_destroy(callbacks);
}

static void set_uri(struct database *database, const char *uri, bool proxied)
{
    if (!proxied) {
        snprintf(database->uri, sizeof database->uri, "%s", uri);
        return;
    }
    mongoc_uri_t *parsed = mongoc_uri_new(uri);
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(parsed);

    database->wire = wire_start(host->host, host->port);
    snprintf(database->uri, sizeof database->uri, "mongodb://127.0.0.1:%d/?directConnection=true",
             (int)wire_port(database->wire));
    mongoc_uri_destroy(parsed);
}

bool database_begin(struct database *database, const struct database_options *options)
{
    const char *uri = getenv("TEST_MONGODB_URI"), *reason = NULL;
    const bool unmonitored = options != NULL && options->unmonitored;
    const struct uuid unique = uuid_new(); /* process numbers come again */
    static int count;

    memset(database, 0, sizeof *database);
    if (uri == NULL || uri[0] == '\0')
        return false;
    if (!secret_init())
        abort();
    pthread_mutex_init(&database->seen_lock, NULL);
    db_driver_init();
    set_uri(database, uri, options != NULL && options->proxied);
    snprintf(database->name, sizeof database->name, "test_%ld_%d_%02x%02x%02x%02x", (long)getpid(),
             ++count, unique.bytes[12], unique.bytes[13], unique.bytes[14], unique.bytes[15]);
    database->config.environment = ENV_DEVELOPMENT;
    database->config.database.uri = database->uri;
    database->config.database.name = database->name;
    database->config.database.pool_size =
        options != NULL && options->pool_size > 0 ? options->pool_size : 8;
    /* Behind a proxy that freezes, the limits are the subject; elsewhere only a hang ends by them.
     */
    database->config.database.call_timeout_ms = options != NULL && options->call_ms > 0
                                                    ? options->call_ms
                                                : database->wire != NULL ? DATABASE_CALL_MS
                                                                         : PATIENT_CALL_MS;
    database->config.plans.free.audit_days = 30;
    memset(database->config.master_key_bytes, 7, sizeof database->config.master_key_bytes);
    atomic_init(&database->app.config, &database->config);
    database->app.instance_id = uuid_new();
    database->app.metrics = metrics_new(1);
    database->seen = calloc(SEEN_MAX, sizeof *database->seen);
    if (database->seen == NULL ||
        db_open(&database->config, !unmonitored, &database->app.db, &reason) != ERR_OK)
        abort();
    if (!unmonitored)
        watch_commands(database);
    arena_init(&database->arena, (size_t)64 * 1024 * 1024);
    database_ctx(database, &database->arena, &database->ctx);
    return true;
}

void database_ctx(struct database *database, struct arena *arena, struct ctx *ret_ctx)
{
    ctx_init(ret_ctx, &database->app, arena);
}

bson_t *database_command(const struct database *database, const char *db, const bson_t *command)
{
    (void)database;
    mongoc_client_t *client = mongoc_client_new(getenv("TEST_MONGODB_URI"));
    bson_t *reply = bson_new();
    bson_t answer;
    bson_error_t error;

    if (!mongoc_client_command_simple(client, db, command, NULL, &answer, &error)) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    bson_concat(reply, &answer);
    bson_destroy(&answer);
    mongoc_client_destroy(client);
    return reply;
}

void database_watch(struct app *app)
{
    const char *reason = NULL;

    WAIT(watch_start(app, &app->watch, &reason) == ERR_OK, 2000);
}

void database_forget(struct database *database)
{
    pthread_mutex_lock(&database->seen_lock);
    for (size_t i = 0; i < database->seen_count && i < SEEN_MAX; i++)
        bson_destroy(database->seen[i].command);
    memset(database->seen, 0, SEEN_MAX * sizeof *database->seen);
    database->seen_count = 0;
    pthread_mutex_unlock(&database->seen_lock);
}

static bool is_command(const struct seen *seen, const void *arg)
{
    return strcmp(seen->name, arg) == 0;
}

static bool is_find(const struct seen *seen, const void *arg)
{
    bson_iter_t find;

    return strcmp(seen->name, "find") == 0 && bson_iter_init_find(&find, seen->command, "find") &&
           strcmp(bson_iter_utf8(&find, NULL), arg) == 0;
}

/* Other threads send meanwhile. Who counts must have looked before it was too much. */
static size_t count_seen(struct database *database,
                         bool (*matches)(const struct seen *seen, const void *arg), const void *arg)
{
    size_t count = 0;

    pthread_mutex_lock(&database->seen_lock);
    if (database->seen_count > SEEN_MAX)
        abort();
    for (size_t i = 0; i < database->seen_count; i++)
        count += matches(&database->seen[i], arg);
    pthread_mutex_unlock(&database->seen_lock);
    return count;
}

size_t database_sent(struct database *database, const char *name)
{
    return count_seen(database, is_command, name);
}

size_t database_asked(struct database *database, const char *collection)
{
    return count_seen(database, is_find, collection);
}

void database_end(struct database *database)
{
    if (database->app.db == NULL)
        return;

    bson_t *drop = BCON_NEW("dropDatabase", BCON_INT32(1));

    bson_destroy(database_command(database, database->name, drop));
    bson_destroy(drop);
    ctx_clear(&database->ctx);
    arena_clear(&database->arena);
    db_close(database->app.db);
    metrics_free(database->app.metrics);
    database_forget(database);
    free(database->seen);
    wire_stop(database->wire);
    pthread_mutex_destroy(&database->seen_lock);
    memset(database, 0, sizeof *database);
}
