/* Asking for a schema to be published: whatever can be told at once is told at once, the rest is a
 * background job (models/publication.h) that the caller waits a while for. */
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/value_bson.h"
#include "models/claims.h"
#include "models/custom_fields.h"
#include "models/custom_index.h"
#include "models/custom_registration.h"
#include "models/custom_schema.h"
#include "models/custom_validator.h"
#include "models/publication.h"
#include "models/tenant.h"

#define CALLS_MS 3000

/* A version that does not fit into the cache could be published and never be obeyed. */
static enum err check_fits(struct ctx *ctx, const struct bytes *schema)
{
    const struct shape *shape = NULL;
    struct ctx own = *ctx;
    struct arena arena;

    arena_init(&arena, 4 * CUSTOM_SCHEMA_MEMORY);
    own.arena = &arena;
    own.holds = NULL;
    fail_clear(&own);

    const enum err compiled = custom_schema_compile(&own, schema, &shape);
    const size_t used = arena.used;

    cache_release_holds(&own);
    arena_clear(&arena);
    if (compiled != ERR_OK)
        return fail_internal(ctx, compiled, "a schema cannot be compiled again");
    if (used > CUSTOM_SCHEMA_MEMORY)
        return fail(ctx, ERR_SCHEMA, "",
                    "The schema is too large: compiled it takes %zu KiB, at most %zu are allowed. "
                    "Shorten lists of enum, or use fewer properties.",
                    used / 1024, CUSTOM_SCHEMA_MEMORY / 1024);
    return ERR_OK;
}

/* ---- asking ---- */

/* What stands in the way of this schema whatever the users have. */
static enum err check_schema(struct ctx *ctx, const struct shape *shape, const struct bytes *stored)
{
    const struct shape *in_force = NULL;
    const enum err found = custom_schema_shape(ctx, &in_force);
    const char *gap = NULL;
    struct list indexes = {0};

    if (found != ERR_NOT_FOUND)
        TRY(found);
    fail_clear(ctx);
    TRY(shape_check_sense(ctx, shape, ""));
    TRY(claims_check_shape(ctx, &ctx->tenant->settings.claims, shape));
    TRY(custom_fields_check_values(ctx, shape, ""));
    TRY(custom_registration_check(ctx, shape));
    TRY(check_fits(ctx, stored));
    TRY(custom_index_list(ctx, shape, &indexes));
    TRY(custom_index_check(ctx, &indexes));
    TRY(custom_validator_gap(ctx, in_force, shape, &gap));
    if (gap == NULL)
        return ERR_OK;
    return fail(ctx, ERR_SCHEMA, gap,
                "%s is stored as a date or encrypted by the version in force: publish it first "
                "with its type alone, then with the keywords beside it.",
                gap);
}

/* ---- what came of it ---- */

static enum err error_of(const char *code)
{
    for (int i = ERR_OK + 1; i < ERR_COUNT; i++) {
        if (strcmp(error_info((enum err)i)->code, code) == 0)
            return (enum err)i;
    }
    return ERR_INTERNAL;
}

static void take_report(const struct publication_report *report, struct custom_trial *trial)
{
    const struct custom_failure *sample = report->sample.items;

    trial->new_version = report->version;
    trial->checked = report->checked;
    trial->failing = report->failing;
    trial->phase = publication_phase_names[report->phase];
    for (size_t i = 0; i < report->sample.count && i < CUSTOM_SCHEMA_SAMPLE; i++)
        trial->sample[trial->sample_count++] = sample[i];
}

static enum err judge(struct ctx *ctx, const struct job *job, struct custom_trial *trial)
{
    struct publication_report report = {0};

    TRY(publication_read_report(ctx, job, &report));
    take_report(&report, trial);
    trial->is_over = job_is_over(job);
    if (job->state == JOB_CANCELLED && report.phase <= PUBLICATION_ACTIVATING)
        return fail(ctx, ERR_CONFLICT, NULL, "The %s was cancelled.",
                    trial->dry_run ? "dry run" : "publication");
    if (job->state != JOB_FAILED)
        return ERR_OK;

    const enum err err = error_of(job->error != NULL ? job->error : "");

    return error_info(err)->status >= 500
               ? fail_internal(ctx, err, "the publication failed: %s", job->message)
               : fail(ctx, err, job->pointer, "%s", job->message);
}

enum err custom_schema_put(struct ctx *ctx, struct custom_trial *trial)
{
    struct publication_order order = {.dry_run = trial->dry_run};
    const struct shape *shape = NULL;
    struct bytes stored = {0};
    struct job job = {0};

    /* The budget of a request is for its own calls. */
    ctx->deadline = clock_monotonic_ms() + PUBLICATION_WAIT_MS + CALLS_MS;
    TRY(shape_compile(ctx, trial->schema, &shape));
    TRY(value_to_bson(ctx, trial->schema, &stored));
    TRY(tenant_refresh(ctx));
    if (trial->version >= 0 && ctx->tenant->schema_version != trial->version)
        return ERR_PRECONDITION;
    TRY(check_schema(ctx, shape, &stored));
    order.schema = &stored;
    order.version = ctx->tenant->schema_version + 1;
    TRY(publication_begin(ctx, &order, &job));

    const enum err waited = job_await(
        ctx, order.dry_run ? &publication_trial_job : &publication_job, PUBLICATION_WAIT_MS, &job);

    /* Too many wait already, or the database does not answer: it goes on all the same. */
    if (waited != ERR_OK)
        fail_clear(ctx);
    if (job_is_over(&job) && job.state != JOB_FAILED && !trial->dry_run) {
        tenant_forget(ctx, ctx->tenant);
        TRY(tenant_refresh(ctx));
    }
    return judge(ctx, &job, trial);
}
