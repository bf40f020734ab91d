/*
 * One change stream on the database keeps this process's caches and revocation table current. Own
 * client, own thread. Opened before the first load; re-opened with the last resume token in a loop;
 * when it cannot resume, all caches are flushed and revocations loaded again. Freshness is proven
 * by the heartbeat document that one instance of all writes every 250 ms and the stream delivers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"

#define WATCH_STALE_MS 750

struct watch;

/* Returns when the stream is open and revocations are loaded, or with a sentence in ret_reason. */
CHECKED enum err watch_start(struct app *app, struct watch **ret_watch, const char **ret_reason);
void watch_stop(struct watch *watch);
/* True while a heartbeat was seen within WATCH_STALE_MS. */
bool watch_is_fresh(const struct watch *watch);
int64_t watch_lag_ms(const struct watch *watch);
