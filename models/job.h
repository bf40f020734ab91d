/*
 * Background work of a tenant: a row of the collection jobs, carried out by any instance
 * (app/job_workers.h). A row is claimed by one update of the database's clock for jobs.lease_ms,
 * which the claiming process renews while it works; when that process dies, another one claims the
 * row and goes on from its checkpoint (docs/adr/0020-publishing-schemas.md). Any thread.
 *
 * What is promised, and what a kind has to do for it:
 *  - At least once. Whatever was done behind the last checkpoint is done again after a crash, so
 *    each step must be harmless the second time, or be one transaction with job_save.
 *  - A worker whose lease was lost must not commit: job_save is conditional on the claim, also as a
 *    part of the transaction that writes the step; it then fails with ERR_CONFLICT, and run only
 *    has to return that. What is no part of a transaction (collMod, createIndexes) is asked for
 *    right behind a job_go_on.
 *  - run returns soon when job_go_on says so: the process is stopping (ERR_STOPPING: another one
 *    goes on), the job was cancelled (ERR_GONE), the lease is lost (ERR_CONFLICT).
 *  - Errors that may pass (the database away, no memory, a schema that is being published, internal
 * ones) are tried again a few times, at growing distances; others fail the job with ctx->failure as
 * its error. Before a job ends as failed or cancelled, undo is called, again and again until it
 * succeeds.
 *
 * A new kind: a struct job_kind, named in models/job_kinds.c.
 */
#pragma once

#include <stdatomic.h>

#include <bson/bson.h>

#include "app/ctx.h"
#include "app/schema.h"

enum job_state {
    JOB_STATE_UNSET = 0,
    JOB_QUEUED,  /* nobody began */
    JOB_RUNNING, /* somebody began; with an error: it is being undone */
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED,
};

extern const char *const job_state_names[]; /* {NULL, "queued", …} */

struct job {
    struct uuid id;
    struct uuid tenant_id;
    const char *kind;
    const char *alone;   /* the kind while a job that must be the tenant's only one is not over */
    int state;           /* enum job_state */
    int64_t done, total; /* how far it is, in pieces that the kind counts; total 0: not known */
    struct bytes input;
    struct bytes checkpoint; /* where to go on; the kind's business alone */
    struct bytes result;     /* what came of it so far, for whoever asks */
    const char *error;       /* machine code of error.def */
    const char *message, *pointer;
    /* Who asked for it, and acts in its audit rows. */
    struct uuid user_id, key_id;
    const char *client_id, *ip, *user_agent, *request_id;
    int64_t credential, role; /* enum credential, enum role */
    int64_t claim;            /* how often it was claimed: the last one alone may write */
    int64_t tries;            /* claims since the last checkpoint */
    int64_t due_at;           /* when it may be claimed: once queued, else the end of the lease */
    int64_t cancel_at;        /* when somebody asked to cancel it */
    int64_t created_at, started_at, ended_at;
    int64_t expires_at; /* TTL, once it is over */
};

extern const struct schema job_schema;

struct job_run;

struct job_kind {
    const char *name;
    bool alone; /* a tenant has at most one that is not over */
    /* With the tenant in the ctx, and as the identity that asked; no deadline. */
    enum err (*run)(struct ctx *ctx, struct job_run *run);
    enum err (*undo)(struct ctx *ctx, struct job_run *run); /* or NULL: nothing to take back */
};

extern const struct job_kind *const job_kinds[]; /* NULL at the end */

/* --- for whoever wants work done --- */

/* Also within a transaction. ERR_CONFLICT when the tenant has one already and there may be only
 * one; a transaction is over then. input may be NULL. */
CHECKED enum err job_put(struct ctx *ctx, const struct job_kind *kind, const bson_t *input,
                         struct job *ret_job);
/* Of the ctx's tenant. ERR_NOT_FOUND. */
CHECKED enum err job_find(struct ctx *ctx, const struct job_kind *kind, const struct uuid *id,
                          struct job *ret_job);
/* The youngest of a kind. ERR_NOT_FOUND. */
CHECKED enum err job_find_last(struct ctx *ctx, const struct job_kind *kind, struct job *ret_job);
/* Queued: it is over at once. Running: its worker hears of it soon. ERR_NOT_FOUND when there is no
 * such job or it was over before. */
CHECKED enum err job_cancel(struct ctx *ctx, const struct job_kind *kind, const struct uuid *id,
                            struct job *ret_job);
/* Waits up to that long for the end of a job; *job is as it is then. ERR_BUSY when too many
 * requests wait already. Holds neither a client of the database nor a lock meanwhile. */
CHECKED enum err job_await(struct ctx *ctx, const struct job_kind *kind, int64_t wait_ms,
                           struct job *job);
static inline bool job_is_over(const struct job *job)
{
    return job->state != JOB_QUEUED && job->state != JOB_RUNNING;
}

/* --- for kinds: one run of a claimed job --- */

struct job_run {
    const struct job_kind *kind;
    struct job job; /* as claimed; only whoever carries it out looks at it */
    /* What names the claim; never changes, so that another thread may renew the lease. */
    struct uuid id, tenant_id;
    int64_t claim;
    struct arena *arena; /* of the whole run */
    _Atomic bool lost, cancelled;
};

static inline struct job_run job_run_of(const struct job_kind *kind, const struct job *job,
                                        struct arena *arena)
{
    return (struct job_run){.kind = kind,
                            .job = *job,
                            .id = job->id,
                            .tenant_id = job->tenant_id,
                            .claim = job->claim,
                            .arena = arena,
                            .cancelled = job->cancel_at != 0};
}
/* Whether to go on; cheap. ERR_STOPPING, ERR_GONE, ERR_CONFLICT. */
CHECKED enum err job_go_on(struct ctx *ctx, struct job_run *run);

/* One piece of the work: with memory of its own that is given back afterwards, the tenant as it is
 * in the database now, and so much time. Asks job_go_on before. ERR_TENANT_NOT_FOUND when the
 * tenant is no longer active. */
struct job_step {
    enum err (*work)(struct ctx *ctx, struct job_run *run, void *arg);
    void *arg;
    int64_t budget_ms;
};
CHECKED enum err job_step(struct ctx *ctx, struct job_run *run, const struct job_step *step);

struct job_progress {
    int64_t done, total;
    const bson_t *checkpoint, *result; /* NULL: as before */
};

/* In the ctx's transaction when there is one. */
CHECKED enum err job_save(struct ctx *ctx, struct job_run *run,
                          const struct job_progress *progress);

/* --- for app/job_workers.c and doctor --- */

/* What is due longest, of these kinds and none of these tenants. ERR_NOT_FOUND. */
struct job_wanted {
    const struct job_kind *const *kinds;
    const struct uuid *busy;
    size_t busy_count;
    const struct uuid *only; /* this tenant alone, or NULL */
};
CHECKED enum err job_claim(struct ctx *ctx, const struct job_wanted *wanted, struct job *ret_job);
/* The lease begins anew. ERR_CONFLICT when somebody else has it. */
CHECKED enum err job_renew(struct ctx *ctx, struct job_run *run);
/* Carries out a claimed job and settles it: over, or due again. The ctx has no tenant, before and
 * after; its arena is the run's. */
void job_carry_out(struct ctx *ctx, struct job_run *run);
/* Jobs of the ctx's tenant that were due before then and that nobody took: list of struct job. */
CHECKED enum err job_list_stuck(struct ctx *ctx, int64_t before, struct list *ret_jobs);
