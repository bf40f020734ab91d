/*
 * What one event of the change stream means for this process: which snapshots to drop, which
 * revocation to apply. Knows nothing of the stream itself. Any thread.
 */
#pragma once

#include <bson/bson.h>

#include "app/app.h"

enum watch_effect {
    WATCH_APPLIED = 1,
    WATCH_LOST, /* a collection or the database went: nothing in memory can be trusted any more */
};

/* Collections whose changes matter, NULL-terminated. */
extern const char *const watch_collections[];

enum watch_effect watch_event_apply(struct app *app, const bson_t *event);
/* The server's time of the event; 0 when it has none. */
int64_t watch_event_time(const bson_t *event);
/* One document of "revocations". */
void watch_apply_revocation(struct app *app, bson_iter_t *document);
/* Everything in memory that comes from the database, but not the revocations. */
void watch_flush(struct app *app);
