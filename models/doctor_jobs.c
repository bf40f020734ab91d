/* Background jobs that nobody goes on with: no instance serves, or none that knows the kind. */
#include "models/doctor_internal.h"

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/job_workers.h"
#include "models/job.h"
#include "models/tenant.h"

#define LEASES  3 /* so long after its lease somebody else should have it */
#define WAIT_MS INT64_C(3600000)

static const struct job_kind *kind_of(const char *name)
{
    for (const struct job_kind *const *kind = job_kinds; *kind != NULL; kind++) {
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    }
    return NULL;
}

/* Whatever of the tenant is due: a publication in this process as in any other. */
static enum err carry_out(struct ctx *ctx, const struct job *jobs, size_t count)
{
    struct job_workers *workers = NULL;
    enum err err = ERR_OK;

    TRY(job_workers_start(ctx->app, job_kinds, &ctx->tenant_id, &workers));
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        const struct job_kind *kind = kind_of(jobs[i].kind);
        struct job job = jobs[i];

        if (kind != NULL)
            err = job_await(ctx, kind, WAIT_MS, &job);
    }
    job_workers_stop(workers);
    return err;
}

static enum err report(struct ctx *ctx, struct round *round, const struct job *job)
{
    const struct job_kind *kind = kind_of(job->kind);
    struct finding finding = {.check = "background jobs", .tenant = ctx->tenant->slug};
    struct job now = *job;

    if (kind != NULL && round->doctor->fix) {
        const enum err found = job_find(ctx, kind, &job->id, &now);

        if (found != ERR_NOT_FOUND)
            TRY(found);
        finding.mended = found == ERR_NOT_FOUND || job_is_over(&now);
    }
    finding.problem = arena_printf(
        ctx->arena, "A background job (%s) is due, and no instance goes on with it.", job->kind);
    finding.remedy = kind == NULL
                         ? "start an instance of the version that put it there"
                         : "tenantd doctor --fix carries it out, as does an instance that serves";
    if (finding.problem == NULL)
        return ERR_MEMORY;
    doctor_found(round, &finding);
    return ERR_OK;
}

enum err doctor_check_jobs(struct ctx *ctx, struct round *round)
{
    const int64_t long_ago = clock_now_ms() - LEASES * app_config(ctx->app)->jobs.lease_ms;
    struct list stuck = {0};

    TRY(job_list_stuck(ctx, long_ago, &stuck));

    const struct job *jobs = stuck.items;

    if (stuck.count > 0 && round->doctor->fix)
        TRY(carry_out(ctx, jobs, stuck.count));
    for (size_t i = 0; i < stuck.count; i++)
        TRY(report(ctx, round, &jobs[i]));
    return ERR_OK;
}
