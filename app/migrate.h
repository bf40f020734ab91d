/*
 * Numbered changes of stored structure, recorded with a checksum in schema_migrations, run under a
 * lease with fencing, resumable and idempotent. models/migrations/ holds one file per step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/ctx.h"
#include "app/schema.h"

struct migration {
    int number;
    const char *name;     /* "central_collections" */
    const char *revision; /* changed when a released step is changed: part of the checksum */
    bool structure; /* needs the central collections as this version wants them: made before up */
    enum err (*up)(struct ctx *ctx); /* NULL: that is all */
    enum err (*down)(struct ctx *ctx);
};

extern const struct migration *const migrations[]; /* models/migrations/list.c, by number */
extern const size_t migration_count;

struct migration_state {
    int64_t number;
    const char *name;
    const char *checksum;
    int64_t applied_at;
};

extern const struct schema migration_schema;

/* Applies all pending steps; report (may be NULL) is called before and after each. */
typedef void (*migrate_report_fn)(const struct migration *step, bool done, void *arg);
CHECKED enum err migrate_up(struct ctx *ctx, migrate_report_fn report, void *arg);
CHECKED enum err migrate_down(struct ctx *ctx, int to_number, migrate_report_fn report, void *arg);
/* Applied steps in order; pending = migration_count - applied. A changed checksum is ERR_CONFLICT.
 */
CHECKED enum err migrate_status(struct ctx *ctx, struct list *ret_applied, size_t *ret_pending);
/* Makes or completes all central collections with their validators and indexes, as this version
 * wants them. Defined with the steps, as migrations_verify is. */
CHECKED enum err migrations_ensure(struct ctx *ctx);
/* ERR_NOT_FOUND with the missing index or collection in ctx->failure.internal. For start-up.
 * Defined with the steps (models/migrations/0001_central_collections.c). */
CHECKED enum err migrations_verify(struct ctx *ctx);
