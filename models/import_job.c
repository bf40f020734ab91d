/* The job: chunk by chunk, batch by batch, to the end; and what is told about it. */
#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "models/access_key.h"
#include "models/audit.h"
#include "models/import_internal.h"

#define BATCH_LINES     500
#define BATCH_BYTES     ((size_t)512 * 1024)
#define BATCH_PASSWORDS 16 /* that are to be hashed */
#define BATCH_MS        60000
#define SCRATCH_BYTES   ((size_t)4 * 1024 * 1024)
#define FORGET_ROUNDS   8

const char *const import_mode_names[] = {NULL, "insert", "upsert", "skip", NULL};

/* clang-format off */
static const struct field input_fields[] = {
    FIELD_ENUM(struct import_input, mode, "mode", F_READONLY | F_REQUIRED, import_mode_names),
    FIELD_BOOL(struct import_input, dry_run, "dry_run", F_READONLY),
    FIELD_BOOL(struct import_input, with_hashes, "with_hashes", F_READONLY),
    FIELD_INT(struct import_input, bytes, "bytes", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct import_input, lines, "lines", F_READONLY, 0, INT64_MAX),
};
const struct schema import_input_schema = {
    .name = "import_input", .size = sizeof(struct import_input), SCHEMA_FIELDS(input_fields),
};
static const struct field place_fields[] = {
    FIELD_INT(struct import_place, line, "line", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct import_place, offset, "offset", F_READONLY, 0, INT64_MAX),
    FIELD_BOOL(struct import_place, ended, "ended", F_READONLY),
};
const struct schema import_place_schema = {
    .name = "import_place", .size = sizeof(struct import_place), SCHEMA_FIELDS(place_fields),
};
static const struct field error_fields[] = {
    FIELD_INT(struct import_error, line, "line", F_READONLY | F_REQUIRED, 1, INT64_MAX),
    FIELD_STR(struct import_error, error, "error", F_READONLY | F_REQUIRED, 1, 64, .doc = "As the same mistake is called elsewhere."),
    FIELD_STR(struct import_error, pointer, "pointer", F_READONLY | F_ALWAYS, 1, 2048, .doc = "JSON pointer into the line; null when the whole line is meant."),
    FIELD_STR(struct import_error, message, "message", F_READONLY, 1, 4096),
};
static const struct schema import_error_schema = {
    .name = "import_error", .size = sizeof(struct import_error), SCHEMA_FIELDS(error_fields),
};
static const struct field result_fields[] = {
    FIELD_INT(struct import_result, created, "created", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct import_result, updated, "updated", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct import_result, skipped, "skipped", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct import_result, failed, "failed", F_READONLY, 0, INT64_MAX),
    FIELD_LIST(struct import_result, errors, "errors", F_READONLY, &import_error_schema, IMPORT_ERRORS_MAX),
};
const struct schema import_result_schema = {
    .name = "import_result", .size = sizeof(struct import_result), SCHEMA_FIELDS(result_fields),
};
static const struct field import_fields[] = {
    FIELD_UUID(struct import, id, "id", F_READONLY | F_REQUIRED),
    FIELD_ENUM(struct import, state, "state", F_READONLY | F_REQUIRED, job_state_names),
    FIELD_ENUM(struct import, mode, "mode", F_READONLY | F_REQUIRED, import_mode_names),
    FIELD_BOOL(struct import, dry_run, "dry_run", F_READONLY | F_REQUIRED),
    FIELD_INT(struct import, processed, "processed", F_READONLY | F_REQUIRED, 0, INT64_MAX, .doc = "Lines that are done."),
    FIELD_INT(struct import, total, "total", F_READONLY | F_REQUIRED, 0, INT64_MAX, .doc = "Lines there are."),
    FIELD_INT(struct import, created, "created", F_READONLY | F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct import, updated, "updated", F_READONLY | F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct import, skipped, "skipped", F_READONLY | F_REQUIRED, 0, INT64_MAX),
    FIELD_INT(struct import, failed, "failed", F_READONLY | F_REQUIRED, 0, INT64_MAX, .doc = "Lines with an error."),
    FIELD_LIST(struct import, errors, "errors", F_READONLY | F_REQUIRED | F_ALWAYS, &import_error_schema, IMPORT_ERRORS_MAX, .doc = "The first 1,000."),
    FIELD_STR(struct import, error, "error", F_READONLY, 1, 64, .doc = "Why the whole failed."),
    FIELD_STR(struct import, message, "message", F_READONLY, 1, 4096),
    FIELD_TIME(struct import, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct import, started_at, "started_at", F_READONLY),
    FIELD_TIME(struct import, ended_at, "ended_at", F_READONLY),
};
const struct schema import_schema = {
    .name = "import", .size = sizeof(struct import), SCHEMA_FIELDS(import_fields),
};
/* clang-format on */

/* ---- what is told ---- */

static enum err decode(struct ctx *ctx, const struct schema *schema, const struct bytes *stored,
                       void *ret)
{
    bson_t doc;

    if (stored->size == 0)
        return ERR_OK;
    if (!bson_init_static(&doc, stored->data, stored->size))
        return fail_internal(ctx, ERR_INTERNAL, "the job of an import is unreadable");
    return schema_from_bson(ctx, schema, &doc, ret);
}

enum err import_of_job(struct ctx *ctx, const struct job *job, struct import *ret_import)
{
    struct import_result result = {0};
    struct import_input input = {0};

    TRY(decode(ctx, &import_input_schema, &job->input, &input));
    TRY(decode(ctx, &import_result_schema, &job->result, &result));
    *ret_import = (struct import){
        .id = job->id,
        .state = job->state,
        .mode = input.mode,
        .dry_run = input.dry_run,
        .processed = job->done,
        .total = input.lines,
        .created = result.created,
        .updated = result.updated,
        .skipped = result.skipped,
        .failed = result.failed,
        .errors = result.errors,
        .error = job->error,
        .message = job->message,
        .created_at = job->created_at,
        .started_at = job->started_at,
        .ended_at = job->ended_at,
    };
    return ERR_OK;
}

enum err import_find(struct ctx *ctx, const struct uuid *id, struct import *ret_import)
{
    struct job job;

    TRY(job_find(ctx, &import_job_kind, id, &job));
    return import_of_job(ctx, &job, ret_import);
}

struct cancellation {
    const struct uuid *id;
    struct job job;
};

static enum err cancel(struct ctx *ctx, void *arg)
{
    struct cancellation *cancellation = arg;

    TRY(job_cancel(ctx, &import_job_kind, cancellation->id, &cancellation->job));
    return audit_insert(ctx, "import.cancelled", "success", NULL, NULL);
}

enum err import_cancel(struct ctx *ctx, const struct uuid *id, struct import *ret_import)
{
    struct cancellation cancellation = {.id = id};
    struct import_input input = {0};

    TRY(db_transaction(ctx, cancel, &cancellation));
    /* Nobody had begun: nobody else clears up. */
    if (cancellation.job.state == JOB_CANCELLED) {
        TRY(decode(ctx, &import_input_schema, &cancellation.job.input, &input));
        TRY(import_chunks_delete(ctx, id, input.bytes));
    }
    return import_of_job(ctx, &cancellation.job, ret_import);
}

/* ---- a batch ---- */

struct importing {
    struct import_input input;
    struct import_place place;
    struct import_result result;
    bool at_end;
};

/* The text from the place on, a chunk at a time. */
struct source {
    struct lines lines;
    struct arena scratch;
    int64_t bytes, next; /* of the text; where the next piece begins */
};

static enum err feed(struct ctx *ctx, const struct job_run *run, struct source *source)
{
    const int64_t size = (int64_t)IMPORT_CHUNK, within = source->next % size;
    struct ctx own = *ctx;
    struct bytes text = {0};

    arena_reset(&source->scratch);
    own.arena = &source->scratch;
    own.holds = NULL;

    const enum err got = import_chunk_get(&own, &run->job.id, source->next / size, &text);

    ctx_clear(&own);
    if (got != ERR_OK || (int64_t)text.size < within)
        return fail_internal(ctx, got == ERR_OK || got == ERR_NOT_FOUND ? ERR_INTERNAL : got,
                             "a chunk of an import: %s",
                             own.failure.internal != NULL ? own.failure.internal : "missing");
    source->next += (int64_t)text.size - within;
    lines_feed(&source->lines, (const char *)text.data + within, text.size - (size_t)within,
               source->next >= source->bytes);
    return ERR_OK;
}

/* *ret_found is false at the end of the text. */
static enum err next_line(struct ctx *ctx, struct job_run *run, struct source *source,
                          struct line *ret_line, bool *ret_found)
{
    *ret_found = true;
    while (!lines_next(&source->lines, ret_line)) {
        if (source->next >= source->bytes) {
            *ret_found = false;
            return ERR_OK;
        }
        TRY(job_go_on(ctx, run));
        TRY(feed(ctx, run, source));
    }
    return ERR_OK;
}

static enum err take_line(struct ctx *ctx, const struct import_work *work,
                          const struct source *source, const struct line *line,
                          struct import_entry *entry)
{
    *entry = (struct import_entry){
        .number = line->number,
        .offset = source->lines.offset,
        .text = arena_strndup(ctx->arena, line->text, line->length),
        .length = line->length,
    };
    if (entry->text == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a line");
    if (line->problem == NULL)
        return import_entry_read(ctx, work, entry);
    entry->refused = true;
    entry->error = "invalid_line";
    entry->message = arena_printf(ctx->arena, "The line %s", line->problem);
    return ERR_OK;
}

/* What needs memory that there was not gets less to do the next time. */
static size_t most_lines(const struct job_run *run)
{
    return run->job.tries > 1 ? (size_t)BATCH_LINES >> (run->job.tries < 7 ? run->job.tries : 7)
                              : BATCH_LINES;
}

static enum err read_batch(struct ctx *ctx, struct import_batch *batch, struct source *source,
                           size_t *ret_count, bool *ret_end)
{
    const size_t most = most_lines(batch->work.run);
    size_t count = 0, bytes = 0, passwords = 0;
    bool found = true;

    batch->entries = arena_array(ctx->arena, most, sizeof *batch->entries);
    if (batch->entries == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for lines");
    while (count < most && bytes < BATCH_BYTES && passwords < BATCH_PASSWORDS) {
        struct line line;

        TRY(next_line(ctx, batch->work.run, source, &line, &found));
        if (!found)
            break;
        TRY(take_line(ctx, &batch->work, source, &line, &batch->entries[count]));
        bytes += line.length;
        passwords += batch->entries[count].in.password != NULL && !batch->work.input->dry_run;
        count++;
    }
    *ret_count = count;
    *ret_end = !found;
    return ERR_OK;
}

/* Only for those whose password will be stored. */
static enum err hash_passwords(struct ctx *ctx, struct import_batch *batch, size_t count)
{
    const bool upsert = batch->work.input->mode == IMPORT_UPSERT;
    bool any = false;

    for (size_t i = 0; i < count; i++)
        any = any || batch->entries[i].in.password != NULL;
    if (!any || batch->work.input->dry_run)
        return ERR_OK;
    TRY(import_match(ctx, batch->entries, count));
    for (size_t i = 0; i < count; i++) {
        struct import_entry *entry = &batch->entries[i];

        if (entry->in.password != NULL && !entry->refused && (upsert || !entry->exists))
            TRY(import_entry_hash(ctx, &batch->work, entry));
    }
    return ERR_OK;
}

/* What a key began ends with it. */
static enum err check_key(struct ctx *ctx)
{
    if (ctx->who.credential != CREDENTIAL_KEY)
        return ERR_OK;

    const enum err checked = access_key_check(ctx, &ctx->who.key_id);

    if (checked != ERR_BAD_KEY)
        return checked;
    return fail(ctx, ERR_BAD_KEY, NULL,
                "The access key that began this import has ended. What was taken stays; import the "
                "same lines with another key and mode=skip for the rest.");
}

static enum err take_batch(struct ctx *ctx, struct job_run *run, struct importing *importing,
                           struct source *source)
{
    struct import_batch batch = {.work = {.run = run, .input = &importing->input},
                                 .result = &importing->result,
                                 .place = &importing->place};
    size_t count = 0;

    TRY(check_key(ctx));
    TRY(user_authority(ctx, &batch.work.authority));
    TRY(read_batch(ctx, &batch, source, &count, &importing->at_end));
    TRY(hash_passwords(ctx, &batch, count));
    return import_batch_take(ctx, &batch, count);
}

/* The step's memory goes: what is told of lines is kept with the run. */
static enum err keep_errors(const struct job_run *run, struct import_result *result, size_t kept,
                            struct import_error *errors)
{
    const struct import_error *made = result->errors.items;

    for (size_t i = kept; i < result->errors.count; i++) {
        errors[i] = (struct import_error){
            .line = made[i].line,
            .error = arena_strdup(run->arena, made[i].error),
            .pointer = made[i].pointer != NULL ? arena_strdup(run->arena, made[i].pointer) : NULL,
            .message = made[i].message != NULL ? arena_strdup(run->arena, made[i].message) : NULL,
        };
        if (errors[i].error == NULL)
            return ERR_MEMORY;
    }
    result->errors.items = errors;
    return ERR_OK;
}

static enum err batch_step(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct importing *importing = arg;
    struct import_error *errors = importing->result.errors.items;
    const size_t kept = importing->result.errors.count;
    struct source source = {.bytes = importing->input.bytes, .next = importing->place.offset};

    if (!lines_init(&source.lines, ctx->arena, importing->place.line, importing->place.offset))
        return fail_internal(ctx, ERR_MEMORY, "no memory for lines");
    arena_init(&source.scratch, SCRATCH_BYTES);

    const enum err taken = take_batch(ctx, run, importing, &source);
    const enum err told = keep_errors(run, &importing->result, kept, errors);

    arena_clear(&source.scratch);
    TRY(taken);
    return told;
}

/* ---- the whole ---- */

static enum err tell_end(struct ctx *ctx, void *arg)
{
    struct job_run *run = arg;
    const struct import_place end = {.ended = true};
    AUTO(bson_destroy) bson_t *checkpoint = bson_new();

    (void)schema_to_bson(&import_place_schema, &end, checkpoint);
    TRY(audit_insert(ctx, "import.ended", "success", NULL, NULL));
    return job_save(ctx, run,
                    &(struct job_progress){
                        .done = run->job.total, .total = run->job.total, .checkpoint = checkpoint});
}

static enum err end_step(struct ctx *ctx, struct job_run *run, void *arg)
{
    const struct importing *importing = arg;

    run->job.total = importing->input.lines;
    if (!importing->place.ended)
        TRY(db_transaction(ctx, tell_end, run));
    return import_chunks_delete(ctx, &run->job.id, importing->input.bytes);
}

struct forgetting {
    bool more;
};

static enum err forget_step(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct forgetting *forgetting = arg;

    forgetting->more = true;
    for (int i = 0; i < FORGET_ROUNDS && forgetting->more; i++)
        TRY(import_seen_forget(ctx, &run->job.id, &forgetting->more));
    return ERR_OK;
}

/* What a dry run of a million users remembers is removed in steps. */
static enum err forget(struct ctx *ctx, struct job_run *run, const struct import_input *input)
{
    struct forgetting forgetting = {.more = input->dry_run};

    while (forgetting.more)
        TRY(job_step(
            ctx, run,
            &(struct job_step){.work = forget_step, .arg = &forgetting, .budget_ms = BATCH_MS}));
    return ERR_OK;
}

static enum err begin(struct ctx *ctx, const struct job_run *run, struct importing *importing)
{
    struct import_error *errors = arena_array(run->arena, IMPORT_ERRORS_MAX, sizeof *errors);

    if (errors == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an import");
    TRY(decode(ctx, &import_input_schema, &run->job.input, &importing->input));
    TRY(decode(ctx, &import_place_schema, &run->job.checkpoint, &importing->place));
    TRY(decode(ctx, &import_result_schema, &run->job.result, &importing->result));
    if (importing->result.errors.count > 0)
        memcpy(errors, importing->result.errors.items,
               importing->result.errors.count * sizeof *errors);
    importing->result.errors.items = errors;
    importing->at_end = importing->place.ended;
    return ERR_OK;
}

static enum err run(struct ctx *ctx, struct job_run *job_run)
{
    struct importing importing = {.at_end = false};

    ctx->who.as_admin = true; /* as the route that took the lines demanded */
    TRY(begin(ctx, job_run, &importing));
    while (!importing.at_end)
        TRY(job_step(
            ctx, job_run,
            &(struct job_step){.work = batch_step, .arg = &importing, .budget_ms = BATCH_MS}));
    TRY(job_step(ctx, job_run,
                 &(struct job_step){.work = end_step, .arg = &importing, .budget_ms = BATCH_MS}));
    return forget(ctx, job_run, &importing.input);
}

/* Failed or cancelled: users that are there stay, the lines go. */
static enum err undo(struct ctx *ctx, struct job_run *job_run)
{
    struct import_input input = {0};

    TRY(decode(ctx, &import_input_schema, &job_run->job.input, &input));
    TRY(import_chunks_delete(ctx, &job_run->job.id, input.bytes));
    TRY(forget(ctx, job_run, &input));
    return audit_write(ctx, "import.ended", "failed", NULL, job_run->job.error);
}

const struct job_kind import_job_kind = {
    .name = "import",
    .alone = true,
    .run = run,
    .undo = undo,
};
