/*
 * A ctx on a database of the test's own, in the server that TEST_MONGODB_URI names, dropped at the
 * end; optionally behind a proxy that can be frozen or cut (support/wire.h). Every command that the
 * driver sends may be watched. One struct at a time in each test.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include <bson/bson.h>

#include "app/app.h"
#include "app/ctx.h"
#include "support/patience.h"
#include "support/wire.h"

struct seen {
    char name[32];
    bson_t *command;
};

#define SEEN_MAX 4096

struct database {
    struct app app;
    struct config config;
    struct arena arena;
    struct ctx ctx;
    char name[64];
    char uri[256];
    struct wire *wire;
    struct seen *seen; /* commands since the last database_forget, oldest first */
    size_t seen_count; /* also those beyond SEEN_MAX, which are not kept */
    pthread_mutex_t seen_lock;
};

/* A call ends within twice of that whatever the proxy does. */
#define DATABASE_CALL_MS 1500
/* … and where answers are lost on purpose, but not late, nothing ends by it. */
#define PATIENT_CALL_MS  60000

struct database_options {
    bool proxied;
    bool unmonitored;  /* as commands have it; what it sends is not watched */
    int64_t pool_size; /* 0 = 8 */
    int64_t call_ms;   /* database.call_timeout_ms; 0 = behind a proxy DATABASE_CALL_MS, else
                          PATIENT_CALL_MS */
};

/* False when TEST_MONGODB_URI is not set: the test is to be skipped. */
bool database_begin(struct database *database, const struct database_options *options);
/* Nothing when it was not begun, or has ended. */
void database_end(struct database *database);
void database_forget(struct database *database);
/* How many commands of that name were sent since database_forget, of which so many are kept. */
size_t database_sent(struct database *database, const char *name);
/* How many finds went to a collection: housekeeping and watcher have theirs meanwhile. */
size_t database_asked(struct database *database, const char *collection);
/* Another ctx of the same app, for a thread of its own. */
void database_ctx(struct database *database, struct arena *arena, struct ctx *ret_ctx);
/* Starts the app's watcher; with patience, since its own time to connect is short. */
void database_watch(struct app *app);
/* Runs one command as an outsider would, past the data layer; dies when it fails. Caller destroys.
 */
bson_t *database_command(const struct database *database, const char *db, const bson_t *command);

/* The first line of a test on the file's `database`. */
#define NEEDS_DATABASE()             \
    do {                             \
        (void)state;                 \
        if (database.app.db == NULL) \
            skip();                  \
    } while (0)
