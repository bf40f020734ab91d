/*
 * Elections by the database's clock: one holder at a time, with a fencing number that only grows.
 * Used by housekeeping (heartbeat, recounts, expired tenants) and by migrations. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/schema.h"

struct lease {
    const char *name; /* _id */
    struct uuid holder;
    int64_t fence;
    int64_t expires_at; /* ms, server time */
};

extern const struct schema lease_schema;

/* Takes or extends the lease for this holder. ERR_CONFLICT when someone else holds it. */
CHECKED enum err lease_take(struct ctx *ctx, const char *name, const struct uuid *holder,
                            int64_t duration_ms, int64_t *ret_fence);
CHECKED enum err lease_release(struct ctx *ctx, const char *name, const struct uuid *holder);
