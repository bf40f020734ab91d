/* What is told of a publication. */
#include "models/publication.h"

#include <string.h>

#include "models/tenant.h"

/* clang-format off */
static const struct field publication_status_fields[] = {
    FIELD_STR(struct publication_status, state, "state", F_NONE, 1, 16, .doc = "queued, the step that it is at, cancelling, cancelled or failed; of a dry run also done."),
    FIELD_BOOL_OPT(struct publication_status, dry_run, given, "dry_run", F_NONE),
    FIELD_INT_OPT(struct publication_status, version, given, "version", F_NONE, 1, INT64_MAX, .doc = "That it makes, or would make."),
    FIELD_INT_OPT(struct publication_status, checked, given, "checked", F_NONE, 0, INT64_MAX, .doc = "Users that were held against the schema so far."),
    FIELD_INT_OPT(struct publication_status, total, given, "total", F_NONE, 0, INT64_MAX, .doc = "Users of the tenant when it began."),
    FIELD_INT_OPT(struct publication_status, failing, given, "failing", F_NONE, 0, INT64_MAX),
    FIELD_LIST(struct publication_status, sample, "sample", F_NONE, &custom_failure_schema, CUSTOM_SCHEMA_SAMPLE, .doc = "The first users whom it does not fit."),
    FIELD_STR(struct publication_status, error, "error", F_NONE, 1, 64),
    FIELD_STR(struct publication_status, message, "message", F_NONE, 1, 4096),
    FIELD_STR(struct publication_status, pointer, "pointer", F_NONE, 1, 2048),
};
const struct schema publication_status_schema = {
    .name = "custom_schema_publication", .size = sizeof(struct publication_status), SCHEMA_FIELDS(publication_status_fields),
};
/* clang-format on */

static enum err find_youngest(struct ctx *ctx, struct job *ret_job, bool *ret_dry_run)
{
    struct job trial = {0};
    const enum err found = job_find_last(ctx, &publication_job, ret_job);
    const enum err tried = job_find_last(ctx, &publication_trial_job, &trial);

    if (found != ERR_NOT_FOUND)
        TRY(found);
    if (tried != ERR_NOT_FOUND)
        TRY(tried);
    *ret_dry_run =
        tried == ERR_OK && (found == ERR_NOT_FOUND || trial.created_at > ret_job->created_at);
    if (*ret_dry_run)
        *ret_job = trial;
    return found == ERR_OK || tried == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
}

/* Whoever asked for it waited for the end. */
static bool was_told(const struct job *job)
{
    return job->ended_at - job->created_at < PUBLICATION_WAIT_MS;
}

/* Also of one that was to end early (cancelled, the tenant suspended) behind its activation: it
 * went on to its end. */
static bool is_in_force(const struct ctx *ctx, int64_t version)
{
    return ctx->tenant != NULL && version <= ctx->tenant->schema_version;
}

static const char *state_of(const struct job *job, int phase)
{
    if (job->state != JOB_RUNNING)
        return job_state_names[job->state];
    return job->cancel_at != 0 && phase <= PUBLICATION_ACTIVATING ? "cancelling"
                                                                  : publication_phase_names[phase];
}

enum err publication_status_of(struct ctx *ctx, const struct job *job,
                               struct publication_status *ret_status)
{
    struct publication_report report = {0};

    TRY(publication_read_report(ctx, job, &report));
    *ret_status = (struct publication_status){
        .is_over = job_is_over(job),
        .dry_run = strcmp(job->kind, publication_trial_job.name) == 0,
        .given = true,
        .state = state_of(job, report.phase),
        .version = report.version,
        .checked = report.checked,
        .total = report.total,
        .failing = report.failing,
        .sample = report.sample,
        .error = job->error,
        .message = job->message,
        .pointer = job->pointer,
    };
    return ERR_OK;
}

enum err publication_status(struct ctx *ctx, struct publication_status *ret_status)
{
    struct publication_status status;
    struct job job = {0};
    bool dry_run = false;

    TRY(find_youngest(ctx, &job, &dry_run));
    if (job_is_over(&job) && (dry_run ? was_told(&job) : job.state == JOB_DONE))
        return ERR_NOT_FOUND;
    TRY(publication_status_of(ctx, &job, &status));
    if (status.is_over && !dry_run && is_in_force(ctx, status.version))
        return ERR_NOT_FOUND;
    *ret_status = status;
    return ERR_OK;
}
