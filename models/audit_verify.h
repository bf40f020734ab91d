/*
 * Whether the audit log is as it was written. All rows of all writers are walked in the order
 * (writer, n) with constant memory: each must carry the HMAC of its content, and the numbers of a
 * writer must have no gap. What retention may have removed is told apart from what is missing. What
 * this cannot see without sealed blocks: the newest rows of a writer, or all of a writer's
 * (docs/AUDIT.md). One thread at a time.
 */
#pragma once

#include "app/ctx.h"

enum audit_flaw {
    AUDIT_FLAW_UNSET = 0,
    AUDIT_ALTERED,  /* a row whose content is not what was written */
    AUDIT_INSERTED, /* a row that was not written: another one has its number, or none its writer */
    AUDIT_MISSING,  /* numbers without a row */
};

struct audit_finding {
    enum audit_flaw flaw;
    struct uuid writer;
    int64_t first, last;  /* numbers; alike for a row */
    struct uuid audit_id; /* of the row; zero for missing ones */
    int64_t before;       /* missing: ms since 1970, when the next row was written */
};

typedef void (*audit_finding_fn)(const struct audit_finding *finding, void *arg);
typedef void (*audit_progress_fn)(int64_t rows, void *arg);

struct audit_verify {
    int64_t retention_ms; /* rows older than this may be gone by right */
    audit_finding_fn found;
    audit_progress_fn progress; /* now and then; may be NULL */
    void *arg;
};

struct audit_verdict {
    int64_t rows, writers;
    int64_t altered, inserted, missing;
    int64_t expired; /* numbers that retention explains */
    int64_t pending; /* numbers so new that their rows may still be on their way */
};

/* The shortest time for which a plan of the configuration keeps rows; INT64_MAX = all for ever. */
int64_t audit_retention_ms(const struct ctx *ctx);
CHECKED enum err audit_verify(struct ctx *ctx, const struct audit_verify *how,
                              struct audit_verdict *ret_verdict);
