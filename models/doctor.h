/*
 * Compares what the database holds with what this version wants to find, and mends what can be
 * mended without losing anything. Reads tenant by tenant with memory that does not grow; instances
 * may serve meanwhile. For commands.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"

struct finding {
    const char *check;   /* "clock", "migrations", "central collections", "user collection", … */
    const char *tenant;  /* slug, or NULL */
    const char *problem; /* one sentence */
    const char *remedy;  /* what mends it */
    bool is_warning;     /* worth knowing, but nothing that must be done */
    bool mended;
};

struct doctor {
    bool fix;
    const char *tenant; /* only this slug, or NULL for all */
    void (*report)(const struct finding *finding, void *arg);
    void (*progress)(int64_t looked_at, const char *what, void *arg); /* after each tenant */
    void *arg;
};

/* *ret_open: findings that are still there, without warnings. ERR_TENANT_NOT_FOUND when
 * doctor->tenant is none. */
CHECKED enum err doctor_run(struct ctx *ctx, const struct doctor *doctor, int64_t *ret_open);
