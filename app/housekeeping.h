/*
 * Work that one instance of all does, by a lease: the heartbeat for the watchers (every 250 ms),
 * removal of tenants whose creation expired and of accounts whose grace has ended; tenant by tenant
 * recounts of tenant_usage and new signing keys where they are due. Own thread.
 */
#pragma once

#include "app/ctx.h"

struct housekeeping;

CHECKED enum err housekeeping_start(struct app *app, struct housekeeping **ret_housekeeping);
void housekeeping_stop(struct housekeeping *housekeeping);
