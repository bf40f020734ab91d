/*
 * Places for tenants. Each active, suspended or half-made tenant has a collection of its own, and a
 * mongod that runs out of files ends and takes all of them with it. So tenants.max_collections
 * bounds them, by one counter in the database: a place is taken by one conditional update before
 * the tenant's document is written, and given back when that document goes or never came. Any
 * thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

/* One counter of the platform. _id is its name. */
struct platform_counter {
    const char *id;
    int64_t value;
    int64_t changed_at;
};

extern const struct schema platform_counter_schema;

struct tenant_places {
    int64_t used;
    int64_t bound;
};

/* ERR_CAPACITY at the bound. From 70 % on each one is a warning in the log. */
CHECKED enum err tenant_place_reserve(struct ctx *ctx);
CHECKED enum err tenant_place_release(struct ctx *ctx);
/* One point read; also sets the gauges of /metrics. */
CHECKED enum err tenant_places_read(struct ctx *ctx, struct tenant_places *ret_places);
/* Housekeeping and migration: makes the counter when it is missing, corrects it when a process died
 * between its two writes; never while one may be between them. */
CHECKED enum err tenant_places_repair(struct ctx *ctx);
