/* The job of a publication: from phase to phase, resumed at the one it was in. */
#include "models/publication.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/document.h"
#include "models/audit.h"
#include "models/custom_fields.h"
#include "models/custom_hidden.h"
#include "models/publication_internal.h"
#include "models/tenant.h"
#include "models/user.h"

const char *const publication_phase_names[] = {
    NULL,       "checking",   "fencing",    "rechecking", "indexing", "opening", "activating",
    "dropping", "converting", "tightening", "sweeping",   "over",     NULL};

struct order {
    struct bytes schema;
    int64_t version;
};

struct place {
    int phase;
    struct uuid after;
};

/* clang-format off */
static const struct field order_fields[] = {
    FIELD_DOC(struct order, schema, "schema", F_REQUIRED),
    FIELD_INT(struct order, version, "version", F_REQUIRED, 1, INT64_MAX),
};
static const struct schema order_schema = {
    .name = "publication_order", .global = true, .size = sizeof(struct order), SCHEMA_FIELDS(order_fields),
};
static const struct field place_fields[] = {
    FIELD_ENUM(struct place, phase, "phase", F_REQUIRED, publication_phase_names),
    FIELD_UUID(struct place, after, "after", F_NONE),
};
static const struct schema place_schema = {
    .name = "publication_place", .global = true, .size = sizeof(struct place), SCHEMA_FIELDS(place_fields),
};
static const struct field custom_failure_fields[] = {
    FIELD_UUID(struct custom_failure, user_id, "user_id", F_REQUIRED),
    FIELD_STR(struct custom_failure, pointer, "pointer", F_REQUIRED, 1, 2000),
    FIELD_STR(struct custom_failure, keyword, "keyword", F_REQUIRED, 1, 64),
    FIELD_STR(struct custom_failure, message, "message", F_REQUIRED, 1, 2000),
};
const struct schema custom_failure_schema = {
    .name = "custom_schema_failure", .size = sizeof(struct custom_failure), SCHEMA_FIELDS(custom_failure_fields),
};
static const struct field publication_report_fields[] = {
    FIELD_INT(struct publication_report, version, "version", F_REQUIRED, 1, INT64_MAX),
    FIELD_ENUM(struct publication_report, phase, "phase", F_REQUIRED, publication_phase_names),
    FIELD_INT(struct publication_report, checked, "checked", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct publication_report, total, "total", F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct publication_report, failing, "failing", F_REQUIRED, 0, INT64_MAX),
    FIELD_LIST(struct publication_report, sample, "sample", F_REQUIRED, &custom_failure_schema, CUSTOM_SCHEMA_SAMPLE),
};
const struct schema publication_report_schema = {
    .name = "publication_report", .global = true, .size = sizeof(struct publication_report), SCHEMA_FIELDS(publication_report_fields),
};
/* clang-format on */

/* ---- the order ---- */

struct beginning {
    const struct job_kind *kind;
    const bson_t *input;
    struct job *job;
};

static enum err begin(struct ctx *ctx, void *arg)
{
    const struct beginning *beginning = arg;

    TRY(job_put(ctx, beginning->kind, beginning->input, beginning->job));
    return beginning->kind == &publication_job
               ? audit_insert(ctx, "schema.submitted", "success", NULL, NULL)
               : ERR_OK;
}

enum err publication_begin(struct ctx *ctx, const struct publication_order *order,
                           struct job *ret_job)
{
    const struct job_kind *kind = order->dry_run ? &publication_trial_job : &publication_job;
    const struct order input = {.schema = *order->schema, .version = order->version};
    AUTO(bson_destroy) bson_t *document = bson_new();
    struct beginning beginning = {.kind = kind, .input = document, .job = ret_job};
    enum err put;

    if (!schema_to_bson(&order_schema, &input, document))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a publication");
    put = db_transaction(ctx, begin, &beginning);
    if (put != ERR_CONFLICT)
        return put;
    return fail(ctx, ERR_CONFLICT, NULL, "Another %s; GET /tenants/schema shows how far it is.",
                order->dry_run ? "dry run is under way" : "schema is being published");
}

static enum err read_document(struct ctx *ctx, const struct schema *schema,
                              const struct bytes *document, void *ret)
{
    bson_t view;

    if (!document_view(document, &view))
        return fail_internal(ctx, ERR_INTERNAL, "a job's document is no valid BSON");
    return schema_from_bson(ctx, schema, &view, ret);
}

enum err publication_read_report(struct ctx *ctx, const struct job *job,
                                 struct publication_report *ret_report)
{
    struct order order = {0};

    TRY(read_document(ctx, &order_schema, &job->input, &order));
    *ret_report =
        (struct publication_report){.version = order.version, .phase = PUBLICATION_CHECKING};
    return job->result.size > 0
               ? read_document(ctx, &publication_report_schema, &job->result, ret_report)
               : ERR_OK;
}

enum err publication_find(struct ctx *ctx, struct job *ret_job)
{
    TRY(job_find_last(ctx, &publication_job, ret_job));
    return job_is_over(ret_job) ? ERR_NOT_FOUND : ERR_OK;
}

enum err publication_try(struct ctx *ctx, const struct uuid *user_id, const struct bytes *stored,
                         struct shape_failures *ret_failures)
{
    struct custom_conversion conversion = {.user_id = *user_id};
    const enum shape_party party = custom_party(ctx);
    struct order order = {0};
    struct job job = {0};
    const enum err found = publication_find(ctx, &job);

    *ret_failures = (struct shape_failures){0};
    if (found == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(found);
    TRY(read_document(ctx, &order_schema, &job.input, &order));
    TRY(custom_schema_compile(ctx, &order.schema, &conversion.to));
    if (ctx->tenant->schema_version > 0)
        TRY(custom_schema_shape(ctx, &conversion.from));
    TRY(custom_fields_try(ctx, &conversion, stored, ret_failures));
    for (int i = 0; i < 2; i++) {
        const struct custom_veil veil = {.shape = i == 0 ? conversion.from : conversion.to,
                                         .party = party};

        if (veil.shape != NULL)
            custom_hidden_untold(&veil, strlen("/custom_fields"), ret_failures);
    }
    return ERR_OK;
}

/* ---- where it is ---- */

enum err publication_save(struct ctx *ctx, struct publication *publication)
{
    const struct place place = {.phase = publication->report.phase, .after = publication->after};
    AUTO(bson_destroy) bson_t *checkpoint = bson_new();
    AUTO(bson_destroy) bson_t *result = bson_new();

    publication->report.sample.items = publication->sample;
    if (!schema_to_bson(&place_schema, &place, checkpoint) ||
        !schema_to_bson(&publication_report_schema, &publication->report, result))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a publication");
    TRY(job_save(ctx, publication->run,
                 &(struct job_progress){.done = publication->report.checked,
                                        .total = publication->report.total,
                                        .checkpoint = checkpoint,
                                        .result = result}));
    publication->saved_at = clock_monotonic_ms();
    return ERR_OK;
}

/* The version that was in force when it began, also when its own is by now. */
static enum err load_old(struct ctx *ctx, struct publication *publication)
{
    struct custom_schema old = {0};

    if (publication->report.version <= 1)
        return ERR_OK;
    TRY(custom_schema_version(ctx, publication->report.version - 1, &old));
    return custom_schema_compile(ctx, &old.schema, &publication->from);
}

static enum err load(struct ctx *ctx, struct job_run *run, struct publication *publication)
{
    struct place place = {.phase = PUBLICATION_CHECKING};
    struct order order = {0};

    *publication = (struct publication){.run = run, .dry_run = run->kind == &publication_trial_job};
    TRY(read_document(ctx, &order_schema, &run->job.input, &order));
    TRY(publication_read_report(ctx, &run->job, &publication->report));
    if (run->job.checkpoint.size > 0)
        TRY(read_document(ctx, &place_schema, &run->job.checkpoint, &place));
    publication->schema = order.schema;
    publication->report.phase = place.phase;
    publication->after = place.after;
    for (size_t i = 0; i < publication->report.sample.count && i < CUSTOM_SCHEMA_SAMPLE; i++)
        publication->sample[i] = ((struct custom_failure *)publication->report.sample.items)[i];
    TRY(load_old(ctx, publication));
    TRY(custom_schema_compile(ctx, &publication->schema, &publication->to));
    TRY(publication_reader(ctx, publication->from, publication->to, &publication->reader));
    TRY(custom_index_list(ctx, publication->from, &publication->old_indexes));
    return custom_index_list(ctx, publication->to, &publication->new_indexes);
}

/* ---- from phase to phase ---- */

/* For tests of what a killed process leaves behind: the file names the point. */
static void die_if_asked(const char *phase, const char *when)
{
#ifdef TENANTD_TEST_HOOKS
    const char *path = getenv("TENANTD_KILL_AT");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char asked[64] = "", point[64];

    if (file == NULL)
        return;
    (void)snprintf(point, sizeof point, "publication %s %s", phase, when);
    if (fgets(asked, sizeof asked, file) != NULL && strcmp(asked, point) == 0)
        (void)kill(getpid(), SIGKILL);
    (void)fclose(file);
#else
    (void)phase;
    (void)when;
#endif
}

typedef enum err (*phase_fn)(struct ctx *ctx, struct publication *publication);

static phase_fn work_of(int phase)
{
    static const phase_fn works[] = {
        [PUBLICATION_CHECKING] = publication_check,
        [PUBLICATION_FENCING] = publication_fence,
        [PUBLICATION_RECHECKING] = publication_check,
        [PUBLICATION_INDEXING] = publication_index,
        [PUBLICATION_OPENING] = publication_open,
        [PUBLICATION_ACTIVATING] = publication_activate,
        [PUBLICATION_DROPPING] = publication_drop,
        [PUBLICATION_CONVERTING] = publication_convert,
        [PUBLICATION_TIGHTENING] = publication_tighten,
        [PUBLICATION_SWEEPING] = publication_convert,
    };

    return works[phase];
}

static enum err run_phase(struct ctx *ctx, struct publication *publication)
{
    const int phase = publication->report.phase;
    const char *name = publication_phase_names[phase];

    TRY(job_go_on(ctx, publication->run));
    die_if_asked(name, "before");
    TRY(work_of(phase)(ctx, publication));
    die_if_asked(name, "behind");
    /* The activation has taken it on itself, within its transaction. */
    if (publication->report.phase == phase) {
        publication->report.phase = publication->dry_run ? PUBLICATION_OVER : phase + 1;
        publication->after = (struct uuid){0};
        TRY(publication_save(ctx, publication));
    }
    die_if_asked(name, "saved");
    return ERR_OK;
}

static enum err go(struct ctx *ctx, struct publication *publication)
{
    while (publication->report.phase != PUBLICATION_OVER) {
        TRY(run_phase(ctx, publication));
    }
    return ERR_OK;
}

static enum err run(struct ctx *ctx, struct job_run *run)
{
    struct publication *publication = ARENA_NEW(ctx->arena, struct publication);

    if (publication == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a publication");
    TRY(load(ctx, run, publication));
    return go(ctx, publication);
}

static enum err undo(struct ctx *ctx, struct job_run *run)
{
    struct publication *publication = ARENA_NEW(ctx->arena, struct publication);

    if (publication == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a publication");
    TRY(load(ctx, run, publication));
    if (publication->report.phase > PUBLICATION_ACTIVATING)
        return go(ctx, publication);
    if (publication->report.phase > PUBLICATION_CHECKING)
        TRY(publication_undo(ctx, publication));
    return audit_write(ctx, "schema.published", "failed", NULL, run->job.error);
}

const struct job_kind publication_job = {
    .name = "publication", .alone = true, .run = run, .undo = undo};
const struct job_kind publication_trial_job = {.name = "schema_trial", .alone = true, .run = run};
