/*
 * The stream itself: opening it, following it, coming back after errors, and what its events prove
 * about freshness. The stream's own resume survives one error; an election gives several, so the
 * loop here opens it again with the last token until it holds.
 *
 * Freshness: events carry the server's time. The smallest difference seen lately between this
 * process's monotonic clock and that time is taken for "no delay", so an event tells how old it is
 * without any clocks having to agree; a stream that replays the past does not count as fresh.
 */
#include "app/watch.h"

#include <pthread.h>
#include <stdlib.h>

#include <mongoc/mongoc.h>

#include "app/app.h"
#include "app/bson_auto.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/db.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/revocation.h"
#include "app/watch_event.h"

#define AWAIT_MS         200
#define CONNECT_MS       500
#define SOCKET_MS        2000
#define RETRY_MS         200
#define OFFSET_WINDOW_MS 60000
#define NEVER            (INT64_MIN / 2)

#define CODE_INVALID_RESUME_TOKEN       260
#define CODE_CHANGE_STREAM_FATAL        280
#define CODE_CHANGE_STREAM_HISTORY_LOST 286

struct watch {
    struct app *app;
    mongoc_client_t *client;
    mongoc_change_stream_t *stream;
    bson_t *token;   /* where to go on; NULL = from now, after flushing everything */
    bool in_trouble; /* said so, and not yet that it is over */
    /* The smallest offset of this window and of the one before; the thread's alone. */
    int64_t offset, offset_before, window_started;
    _Atomic int64_t fresh_at; /* monotonic: up to here everything was seen */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping; /* under lock */
    bool started;
};

DEFINE_AUTO(mongoc_uri_t, mongoc_uri_destroy)
DEFINE_AUTO(mongoc_database_t, mongoc_database_destroy)
DEFINE_AUTO(mongoc_collection_t, mongoc_collection_destroy)
DEFINE_AUTO(mongoc_cursor_t, mongoc_cursor_destroy)
DEFINE_AUTO(mongoc_read_prefs_t, mongoc_read_prefs_destroy)

/* ---- freshness ---- */

static void note_time(struct watch *watch, int64_t server_ms)
{
    const int64_t now = clock_monotonic_ms();
    const int64_t offset = now - server_ms;

    if (now - watch->window_started > OFFSET_WINDOW_MS) {
        watch->offset_before = watch->offset;
        watch->offset = offset;
        watch->window_started = now;
    }
    if (offset < watch->offset)
        watch->offset = offset;

    const int64_t least =
        watch->offset < watch->offset_before ? watch->offset : watch->offset_before;
    const int64_t seen = server_ms + least;

    if (seen > atomic_load(&watch->fresh_at))
        atomic_store(&watch->fresh_at, seen);
}

int64_t watch_lag_ms(const struct watch *watch)
{
    const int64_t lag = clock_monotonic_ms() - atomic_load(&watch->fresh_at);

    return lag > 0 ? lag : 0;
}

bool watch_is_fresh(const struct watch *watch)
{
    return watch_lag_ms(watch) <= WATCH_STALE_MS;
}

/* ---- opening ---- */

/* Once for each interruption, however many tries it takes to end it. */
static void log_trouble(struct watch *watch, const char *event, const bson_error_t *error)
{
    log_message(watch->in_trouble ? LOG_DEBUG : LOG_WARN, event, "%s (code %u)", error->message,
                error->code);
    watch->in_trouble = true;
}

static mongoc_client_t *client_new(const struct app *app)
{
    AUTO(mongoc_uri_destroy) mongoc_uri_t *uri = mongoc_uri_new(db_uri(app->db));

    if (uri == NULL)
        return NULL;
    mongoc_uri_set_appname(uri, "tenantd-watch");
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, CONNECT_MS);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS);

    mongoc_client_t *client = mongoc_client_new_from_uri(uri);
    AUTO(mongoc_read_prefs_destroy)
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);

    if (client != NULL) {
        mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
        mongoc_client_set_read_prefs(client, primary);
    }
    return client;
}

/* An invalidation names no collection, and must not be filtered out. */
static bson_t *pipeline_new(void)
{
    bson_t *collections = bson_new();
    char index[16];
    const char *key;

    for (uint32_t i = 0; watch_collections[i] != NULL; i++) {
        bson_uint32_to_string(i, &key, index, sizeof index);
        BSON_APPEND_UTF8(collections, key, watch_collections[i]);
    }

    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$match", "{", "$or", "[", "{", "ns.coll",
                                "{", "$in", BCON_ARRAY(collections), "}", "}", "{", "operationType",
                                "{", "$in", "[", BCON_UTF8("invalidate"), BCON_UTF8("dropDatabase"),
                                "]", "}", "}", "]", "}", "}", "]");

    bson_destroy(collections);
    return pipeline;
}

static void close_stream(struct watch *watch, bool keep_token)
{
    const bson_t *token =
        watch->stream != NULL ? mongoc_change_stream_get_resume_token(watch->stream) : NULL;

    if (!keep_token || token != NULL) {
        bson_destroy(watch->token);
        watch->token = keep_token ? bson_copy(token) : NULL;
    }
    mongoc_change_stream_destroy(watch->stream);
    watch->stream = NULL;
}

/* True when going on where it stopped is not possible. */
static bool history_is_lost(const bson_error_t *error, const bson_t *reply)
{
    return mongoc_error_has_label(reply, "NonResumableChangeStreamError") ||
           error->code == CODE_INVALID_RESUME_TOKEN || error->code == CODE_CHANGE_STREAM_FATAL ||
           error->code == CODE_CHANGE_STREAM_HISTORY_LOST;
}

/* The stream's trouble, if it has any: it is closed then. */
static bool stream_failed(struct watch *watch)
{
    const bson_t *reply = NULL;
    bson_error_t error;

    if (!mongoc_change_stream_error_document(watch->stream, &error, &reply))
        return false;

    const bool lost = history_is_lost(&error, reply);

    log_trouble(watch, lost ? "watch.history_lost" : "watch.interrupted", &error);
    close_stream(watch, !lost);
    db_note_trouble(watch->app->db);
    return true;
}

static bool open_stream(struct watch *watch)
{
    AUTO(mongoc_database_destroy)
    mongoc_database_t *database =
        mongoc_client_get_database(watch->client, db_name(watch->app->db));
    AUTO(bson_destroy) bson_t *pipeline = pipeline_new();
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("fullDocument", BCON_UTF8("updateLookup"), "maxAwaitTimeMS", BCON_INT32(AWAIT_MS));

    if (watch->token != NULL)
        BSON_APPEND_DOCUMENT(options, "resumeAfter", watch->token);
    watch->stream = mongoc_database_watch(database, pipeline, options);
    return watch->stream != NULL && !stream_failed(watch);
}

/* With the default read concern the primary shows everything up to the moment the stream began. */
static bool load_revocations(struct watch *watch)
{
    AUTO(mongoc_collection_destroy)
    mongoc_collection_t *collection = mongoc_client_get_collection(
        watch->client, db_name(watch->app->db), revocation_schema.collection);
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("expires_at", "{", "$gt", BCON_DATE_TIME(clock_now_ms()), "}");
    AUTO(mongoc_cursor_destroy)
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, NULL, NULL);
    const bson_t *document;
    bson_error_t error;
    bson_iter_t members;

    while (mongoc_cursor_next(cursor, &document))
        if (bson_iter_init(&members, document))
            watch_apply_revocation(watch->app, &members);
    if (!mongoc_cursor_error(cursor, &error))
        return true;
    log_trouble(watch, "watch.load_failed", &error);
    return false;
}

/* From now on, not from a token: what is in memory may be old. Not fresh until an event came after.
 */
static bool begin_anew(struct watch *watch)
{
    atomic_store(&watch->fresh_at, NEVER);
    if (!open_stream(watch))
        return false;
    watch_flush(watch->app);
    revocations_clear(watch->app->revocations);
    if (load_revocations(watch))
        return true;
    close_stream(watch, false);
    return false;
}

/* With a new client: the old one would look at a server that failed only every five seconds. */
static bool open_again(struct watch *watch)
{
    mongoc_client_t *client = client_new(watch->app);

    if (client == NULL)
        return false;
    mongoc_client_destroy(watch->client);
    watch->client = client;
    metric_add(watch->app->metrics, METRIC_WATCH_RESTARTS, 1);
    if (!(watch->token != NULL ? open_stream(watch) : begin_anew(watch)))
        return false;
    watch->in_trouble = false;
    log_event(LOG_INFO, "watch.resumed", NULL);
    return true;
}

/* ---- following ---- */

/* Waits for one event, at most AWAIT_MS. */
static void follow(struct watch *watch)
{
    const bson_t *event = NULL;

    if (!mongoc_change_stream_next(watch->stream, &event)) {
        (void)stream_failed(watch);
        return;
    }
    if (watch_event_apply(watch->app, event) == WATCH_LOST) {
        log_event(LOG_WARN, "watch.history_lost", "message",
                  "a watched collection was dropped or renamed", NULL);
        close_stream(watch, false);
        return;
    }

    const int64_t server_ms = watch_event_time(event);

    if (server_ms > 0)
        note_time(watch, server_ms);
}

/* True when the watch shall stop; waits so long for it. */
static bool stopping(struct watch *watch, int64_t wait_ms)
{
    const int64_t until = clock_monotonic_ms() + wait_ms;
    bool in_time = wait_ms > 0;

    pthread_mutex_lock(&watch->lock);
    while (in_time && !watch->stopping)
        in_time = condition_wait(&watch->stop, &watch->lock, until);

    const bool stop = watch->stopping;

    pthread_mutex_unlock(&watch->lock);
    return stop;
}

static void *watch_thread(void *arg)
{
    struct watch *watch = arg;

    while (!stopping(watch, 0)) {
        if (watch->stream != NULL)
            follow(watch);
        else if (!open_again(watch))
            (void)stopping(watch, RETRY_MS);
    }
    return NULL;
}

/* ---- life ---- */

static struct watch *watch_new(struct app *app)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    pthread_mutex_init(&watch->lock, NULL);
    condition_init(&watch->stop);
    watch->app = app;
    watch->offset = INT64_MAX;
    watch->offset_before = INT64_MAX;
    watch->window_started = clock_monotonic_ms();
    atomic_store(&watch->fresh_at, NEVER);
    watch->client = client_new(app);
    return watch;
}

enum err watch_start(struct app *app, struct watch **ret_watch, const char **ret_reason)
{
    struct watch *watch = watch_new(app);

    *ret_reason = "the watcher cannot start: out of memory, or database.uri is malformed";
    if (watch == NULL || watch->client == NULL) {
        watch_stop(watch);
        return ERR_MEMORY;
    }
    if (!begin_anew(watch)) {
        *ret_reason =
            "the change stream cannot be opened; MongoDB must be a reachable replica set, and "
            "its user must be allowed to read the whole database (the log has the details)";
        watch_stop(watch);
        return ERR_DB_UNAVAILABLE;
    }
    if (pthread_create(&watch->thread, NULL, watch_thread, watch) != 0) {
        *ret_reason = "the watcher's thread cannot start: too many threads or too little memory";
        watch_stop(watch);
        return ERR_MEMORY;
    }
    watch->started = true;
    *ret_watch = watch;
    return ERR_OK;
}

void watch_stop(struct watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_signal(&watch->stop);
    pthread_mutex_unlock(&watch->lock);
    if (watch->started)
        pthread_join(watch->thread, NULL);
    close_stream(watch, false);
    if (watch->client != NULL)
        mongoc_client_destroy(watch->client);
    pthread_cond_destroy(&watch->stop);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
