/*
 * Removing what has expired, now instead of when MongoDB's own thread comes by: whatever the
 * central collections have a TTL index for, by that index and in bounded batches, and what
 * housekeeping removes when it is due. Instances may serve meanwhile. Any thread.
 */
#pragma once

#include "app/ctx.h"

struct cleanup {
    bool dry_run; /* only count */
    /* Called after each batch with what there is of this kind so far, and with done at its end. */
    void (*report)(const char *kind, int64_t count, bool done, void *arg);
    void *arg;
};

CHECKED enum err cleanup_run(struct ctx *ctx, const struct cleanup *how);
