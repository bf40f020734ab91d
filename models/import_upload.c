/* Taking in the lines, chunk by chunk, before there is a job. */
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/import_internal.h"

#define SCRATCH_BYTES ((size_t)4 * 1024 * 1024)

/* One at a time: the job says so, too, but before anything is sent it is said sooner. Whoever lost
 * the id of the other one, by a crash, finds it here. */
static enum err refuse_second(struct ctx *ctx)
{
    char id[UUID_TEXT_SIZE];
    struct job last;
    const enum err found = job_find_last(ctx, &import_job_kind, &last);

    if (found == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(found);
    if (job_is_over(&last))
        return ERR_OK;
    uuid_text(&last.id, id);
    return fail(ctx, ERR_CONFLICT, NULL, "Another import of this tenant is not over yet: %s.", id);
}

enum err import_begin(struct ctx *ctx, struct import_upload *upload)
{
    TRY(refuse_second(ctx));
    *upload =
        (struct import_upload){.id = uuid_new(), .held = arena_alloc(ctx->arena, IMPORT_CHUNK)};
    if (upload->held == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an import");
    arena_init(&upload->scratch, SCRATCH_BYTES);
    return ERR_OK;
}

/* The client may have taken longer than a request may: what follows has its own time. */
static void renew_deadline(struct ctx *ctx)
{
    if (ctx->deadline != 0)
        ctx->deadline = clock_monotonic_ms() + app_config(ctx->app)->server.request_timeout_ms;
}

/* Sealed and stored with memory that is given back, and a time budget of its own. */
static enum err flush(struct ctx *ctx, struct import_upload *upload)
{
    const struct bytes text = {.data = (const uint8_t *)upload->held, .size = upload->held_size};
    struct ctx own = *ctx;

    own.arena = &upload->scratch;
    own.holds = NULL;
    renew_deadline(&own);
    fail_clear(&own);

    const enum err put = import_chunk_put(&own, &upload->id, upload->chunks, &text);

    if (put != ERR_OK)
        (void)fail_internal(ctx, put, "%s",
                            own.failure.internal != NULL ? own.failure.internal : "");
    ctx_clear(&own);
    arena_reset(&upload->scratch);
    upload->chunks++;
    upload->held_size = 0;
    return put;
}

/* What is no text at all is told at once, and not line by line. */
const char *import_foreign_form(const char *bytes, size_t size)
{
    static const struct {
        const char *begins;
        size_t length;
        const char *problem;
    } forms[] = {
        {"\x1f\x8b", 2, "This is packed with gzip: send it unpacked."},
        {"\x28\xb5\x2f\xfd", 4, "This is packed with zstd: send it unpacked."},
        {"PK\x03\x04", 4, "This is a zip archive: send the file within."},
        {"BZh", 3, "This is packed with bzip2: send it unpacked."},
        {"\xfd"
         "7zXZ",
         5, "This is packed with xz: send it unpacked."},
        {"\xff\xfe", 2, "This is UTF-16: send UTF-8."},
        {"\xfe\xff", 2, "This is UTF-16: send UTF-8."},
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (size >= forms[i].length && memcmp(bytes, forms[i].begins, forms[i].length) == 0)
            return forms[i].problem;
    }
    return NULL;
}

static void count_lines(struct import_upload *upload, const char *bytes, size_t size)
{
    const char *end = bytes + size;

    for (const char *at = bytes; at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL)
            break;
        upload->lines++;
    }
    if (size > 0)
        upload->ends_in_line = bytes[size - 1] != '\n';
}

enum err import_add(struct ctx *ctx, struct import_upload *upload, const char *bytes, size_t size)
{
    const char *foreign = upload->bytes == 0 ? import_foreign_form(bytes, size) : NULL;

    if (foreign != NULL)
        return fail(ctx, ERR_VALIDATION, NULL, "%s", foreign);
    upload->bytes += (int64_t)size;
    if (upload->bytes > IMPORT_MAX_BYTES)
        return fail(ctx, ERR_TOO_LARGE, NULL, IMPORT_TOO_LARGE);
    count_lines(upload, bytes, size);
    while (size > 0) {
        const size_t room = IMPORT_CHUNK - upload->held_size, part = size < room ? size : room;

        memcpy(upload->held + upload->held_size, bytes, part);
        upload->held_size += part;
        bytes += part;
        size -= part;
        if (upload->held_size == IMPORT_CHUNK)
            TRY(flush(ctx, upload));
    }
    return ERR_OK;
}

static void end(struct import_upload *upload)
{
    secret_wipe(upload->held, IMPORT_CHUNK);
    arena_clear(&upload->scratch);
}

void import_abandon(struct ctx *ctx, struct import_upload *upload)
{
    const struct failure failure = ctx->failure;

    renew_deadline(ctx);
    /* What cannot be deleted now goes by its time to live. */
    if (upload->chunks > 0 && import_chunks_delete(ctx, &upload->id, upload->bytes) != ERR_OK)
        fail_clear(ctx);
    ctx->failure = failure;
    end(upload);
}

/* ---- the job ---- */

struct submission {
    const struct import_upload *upload;
    const bson_t *input;
    struct job *job;
};

static enum err put_job(struct ctx *ctx, void *arg)
{
    struct submission *submission = arg;
    const struct uuid *outer = ctx->object_id;

    ctx->object_id = &submission->upload->id;

    const enum err put = job_put(ctx, &import_job_kind, submission->input, submission->job);

    ctx->object_id = outer;
    TRY(put);
    return audit_insert(ctx, "import.started", "success", NULL, NULL);
}

static enum err submit(struct ctx *ctx, struct import_upload *upload,
                       const struct import_input *input, struct import *ret_import)
{
    AUTO(bson_destroy) bson_t *words = bson_new();
    struct job job = {0};
    struct submission submission = {.upload = upload, .input = words, .job = &job};
    struct import_input whole = *input;

    if (upload->bytes == 0)
        return fail(ctx, ERR_VALIDATION, NULL, "There is no line to import.");
    if (upload->held_size > 0)
        TRY(flush(ctx, upload));
    whole.bytes = upload->bytes;
    whole.lines = upload->lines + (upload->ends_in_line ? 1 : 0);
    (void)schema_to_bson(&import_input_schema, &whole, words);
    renew_deadline(ctx);

    const enum err put = db_transaction(ctx, put_job, &submission);

    if (put == ERR_CONFLICT)
        TRY(refuse_second(ctx));
    if (put == ERR_CONFLICT)
        return fail(ctx, ERR_CONFLICT, NULL, "Another import of this tenant is not over yet.");
    TRY(put);
    return import_of_job(ctx, &job, ret_import);
}

enum err import_submit(struct ctx *ctx, struct import_upload *upload,
                       const struct import_input *input, struct import *ret_import)
{
    const enum err submitted = submit(ctx, upload, input, ret_import);

    /* When the outcome is unknown the job may be there, and needs them. */
    if (submitted != ERR_OK && !db_outcome_unknown(ctx)) {
        import_abandon(ctx, upload);
        return submitted;
    }
    end(upload);
    return submitted;
}
