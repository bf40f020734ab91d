/* Cancelling what is under way. */
#include "models/publication.h"

#include "app/db.h"
#include "models/audit.h"

/* A publication rather than a dry run, which a tenant may have at the same time. */
static enum err find_running(struct ctx *ctx, const struct job_kind **ret_kind, struct job *ret_job)
{
    const enum err found = publication_find(ctx, ret_job);

    *ret_kind = &publication_job;
    if (found != ERR_NOT_FOUND)
        return found;
    *ret_kind = &publication_trial_job;
    TRY(job_find_last(ctx, &publication_trial_job, ret_job));
    return job_is_over(ret_job) ? ERR_NOT_FOUND : ERR_OK;
}

static enum err refuse_if_active(struct ctx *ctx, const struct job *job)
{
    struct publication_report report = {0};

    TRY(publication_read_report(ctx, job, &report));
    if (report.phase <= PUBLICATION_ACTIVATING)
        return ERR_OK;
    return fail(ctx, ERR_CONFLICT, NULL,
                "Version %lld is in force already, and what is left to do is being finished. "
                "Publish the version before it to go back.",
                (long long)report.version);
}

struct cancellation {
    const struct job_kind *kind;
    struct job job;
};

static enum err cancel(struct ctx *ctx, void *arg)
{
    struct cancellation *cancellation = arg;
    const struct uuid id = cancellation->job.id;

    TRY(job_cancel(ctx, cancellation->kind, &id, &cancellation->job));
    return cancellation->kind == &publication_job
               ? audit_insert(ctx, "schema.cancelled", "success", NULL, NULL)
               : ERR_OK;
}

/* One that is activated between the look and the cancellation goes on to its end. */
enum err publication_cancel(struct ctx *ctx, struct publication_status *ret_status)
{
    struct cancellation cancellation = {.kind = NULL};

    TRY(find_running(ctx, &cancellation.kind, &cancellation.job));
    TRY(refuse_if_active(ctx, &cancellation.job));
    TRY(db_transaction(ctx, cancel, &cancellation));
    return publication_status_of(ctx, &cancellation.job, ret_status);
}
