/*
 * Publishing a schema of custom fields: a background job that a tenant has one of at a time
 * (docs/adr/0020-publishing-schemas.md). Until it is activated, every step can be undone; from then
 * on, every step is finished. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/custom_schema.h"
#include "models/job.h"

extern const struct job_kind publication_job;       /* all of it */
extern const struct job_kind publication_trial_job; /* a dry run: the looks alone */

#define PUBLICATION_WAIT_MS 10000 /* so long a caller waits for its end */

/* In their order. */
enum publication_phase {
    PUBLICATION_UNSET = 0,
    PUBLICATION_CHECKING,   /* all users, before anything is touched */
    PUBLICATION_FENCING,    /* the database refuses what either version refuses */
    PUBLICATION_RECHECKING, /* all users behind the fence */
    PUBLICATION_INDEXING,
    PUBLICATION_OPENING,    /* the database asks for the new version alone, in either stored form */
    PUBLICATION_ACTIVATING, /* one transaction */
    PUBLICATION_DROPPING,   /* indexes that the new version does not ask for: what was unique
                             * refuses what may be equal by now */
    PUBLICATION_CONVERTING, /* the stored form of what is there */
    PUBLICATION_TIGHTENING, /* the database takes the new stored form alone */
    PUBLICATION_SWEEPING,   /* what was written in the old form meanwhile */
    PUBLICATION_OVER,
};

extern const char *const publication_phase_names[];

/* How far it is, and what it found; a job's result. */
struct publication_report {
    int64_t version; /* that it makes, or would make */
    int phase;       /* enum publication_phase */
    int64_t checked, total, failing;
    struct list sample; /* of struct custom_failure, at most CUSTOM_SCHEMA_SAMPLE */
};
extern const struct schema publication_report_schema;
extern const struct schema custom_failure_schema;

/* Begins one, or a dry run. ERR_CONFLICT when there is one already. */
struct publication_order {
    const struct bytes *schema;
    int64_t version; /* that it makes: one more than that in force */
    bool dry_run;
};
CHECKED enum err publication_begin(struct ctx *ctx, const struct publication_order *order,
                                   struct job *ret_job);
CHECKED enum err publication_read_report(struct ctx *ctx, const struct job *job,
                                         struct publication_report *ret_report);
/* What a member of the tenant is told: the youngest, unless it came to its end as wished and its
 * caller has heard of that. ERR_NOT_FOUND. */
struct publication_status {
    bool is_over, dry_run, given; /* given: always true, of the numbers */
    const char *state; /* queued, a phase, failed, cancelled; of a dry run that is over: done */
    int64_t version, checked, total, failing;
    struct list sample;
    const char *error, *message, *pointer;
};
extern const struct schema publication_status_schema;
CHECKED enum err publication_status(struct ctx *ctx, struct publication_status *ret_status);
/* The same of one of these jobs. */
CHECKED enum err publication_status_of(struct ctx *ctx, const struct job *job,
                                       struct publication_status *ret_status);
/* What is under way, a publication or else a dry run, is to end without a trace; its worker hears
 * of it within a third of jobs.lease_ms, behind an index that it is building. ERR_NOT_FOUND;
 * ERR_CONFLICT when the version is in force already. */
CHECKED enum err publication_cancel(struct ctx *ctx, struct publication_status *ret_status);
/* The one that is not over, or ERR_NOT_FOUND. */
CHECKED enum err publication_find(struct ctx *ctx, struct job *ret_job);
/* What is wrong with a user's fields (stored form of the version in force) by the schema that is
 * being published, as far as the ctx's party may know; count 0 also when none is. */
CHECKED enum err publication_try(struct ctx *ctx, const struct uuid *user_id,
                                 const struct bytes *stored, struct shape_failures *ret_failures);
