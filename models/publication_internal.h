/* Between publication.c, which goes from phase to phase, and publication_steps.c, which does them.
 */
#pragma once

#include "models/custom_index.h"
#include "models/publication.h"

struct publication {
    struct job_run *run;
    struct bytes schema;
    bool dry_run;
    const struct shape *from, *to;        /* from NULL: there was no schema */
    const struct shape *reader;           /* of documents in either stored form */
    struct list old_indexes, new_indexes; /* of struct custom_index */
    struct publication_report report;
    struct uuid after; /* the last user that was looked at in this phase */
    int64_t saved_at;  /* monotonic ms */
    struct custom_failure sample[CUSTOM_SCHEMA_SAMPLE]; /* report.sample */
};

/* Where it is, in the ctx's transaction when there is one. */
CHECKED enum err publication_save(struct ctx *ctx, struct publication *publication);

/* How to read documents that may have the stored form of either version (publication_reader.c). */
CHECKED enum err publication_reader(struct ctx *ctx, const struct shape *from,
                                    const struct shape *to, const struct shape **ret_reader);

/* Each can be done again. */
CHECKED enum err publication_check(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_fence(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_index(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_open(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_activate(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_convert(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_tighten(struct ctx *ctx, struct publication *publication);
CHECKED enum err publication_drop(struct ctx *ctx, struct publication *publication);
/* Back to the old version's place. */
CHECKED enum err publication_undo(struct ctx *ctx, struct publication *publication);
