/* From the file to the lines. */
#include "commands/import_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "app/json.h"
#include "app/json_items.h"
#include "commands/interrupt.h"
#include "commands/progress.h"

#define PART         ((size_t)64 * 1024)
#define RECORD_ARENA ((size_t)32 * 1024 * 1024)
#define LINE_BYTES   ((size_t)1024 * 1024)

/* ---- files ---- */

static enum err cannot(struct ctx *ctx, const char *what, const char *path)
{
    return fail_internal(ctx, ERR_INTERNAL, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool is_same_file(FILE *file, const char *path)
{
    struct stat one, other;

    return fstat(fileno(file), &one) == 0 && stat(path, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino && S_ISREG(one.st_mode);
}

enum err import_file_open(struct ctx *ctx, const char *path, const char *errors_path,
                          struct import_file *file)
{
    file->path = path;
    file->in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (file->in == NULL && errno == EINTR)
        return fail(ctx, ERR_STOPPING, NULL, "Interrupted: nothing was imported.");
    if (file->in == NULL)
        return cannot(ctx, "read", path);
    if (errors_path != NULL && is_same_file(file->in, errors_path))
        return fail(ctx, ERR_VALIDATION, "--errors",
                    "--errors: %s is the file that is to be imported", errors_path);
    return import_file_open_errors(ctx, errors_path, file);
}

enum err import_file_open_errors(struct ctx *ctx, const char *errors_path, struct import_file *file)
{
    if (errors_path == NULL)
        return ERR_OK;
    file->errors_path = errors_path;
    file->errors = fopen(errors_path, "we");
    return file->errors != NULL ? ERR_OK : cannot(ctx, "write", errors_path);
}

void import_file_close(struct import_file *file)
{
    if (file->in != NULL && file->in != stdin)
        (void)fclose(file->in);
    file->in = NULL;
}

static void write_error(FILE *out, struct buf *text, const struct import_error *error)
{
    buf_puts(text, "{");
    command_json_int(text, "line", error->line);
    command_json_text(text, "error", error->error);
    command_json_text(text, "pointer", error->pointer);
    command_json_text(text, "message", error->message);
    buf_puts(text, "}\n");
    if (buf_ok(text))
        (void)fwrite(text->data, 1, text->size, out);
}

enum err import_file_tell(struct ctx *ctx, struct import_file *file, const struct import *import)
{
    const struct import_error *errors = import->errors.items;

    for (size_t i = 0; i < import->errors.count; i++) {
        struct buf text;

        buf_init(&text, ctx->arena, 16384);
        write_error(file->errors, &text, &errors[i]);
    }

    const bool written = ferror(file->errors) == 0;

    if (fclose(file->errors) != 0)
        return cannot(ctx, "write", file->errors_path);
    return written ? ERR_OK
                   : fail_internal(ctx, ERR_INTERNAL, "cannot write all of %s", file->errors_path);
}

/* ---- records ---- */

/* Where the records come from: a list in JSON, or a table. */
struct records {
    struct json_items items;
    struct csv *csv; /* NULL: JSON */
    bool decided;
    struct arena arena; /* of one record */
    struct progress progress;
    int64_t bytes;
};

static enum err take_line(struct ctx *ctx, struct import_file *file, const struct value *record,
                          const char *problem, struct arena *arena)
{
    struct ctx own = *ctx;
    struct buf line;
    const char *notice = problem;

    own.arena = arena;
    buf_init(&line, arena, LINE_BYTES);
    if (problem == NULL) {
        TRY(from_line(&own, &file->options, &file->summary, record, &line));
        notice = file->summary.notice;
    } else {
        file->summary.records++;
        from_count_refused(&file->summary, problem);
        buf_putc(&line, '\n');
    }
    if (notice != NULL && file->errors != NULL) {
        struct buf text;

        buf_init(&text, arena, 16384);
        write_error(file->errors, &text,
                    &(struct import_error){.line = file->summary.records,
                                           .error = line.size == 1 ? "refused" : file->summary.code,
                                           .message = notice});
    }
    return import_add(ctx, file->upload, line.data, line.size);
}

static enum err take_item(struct ctx *ctx, struct import_file *file, struct records *records,
                          const struct json_item *item)
{
    struct ctx own = *ctx;
    struct value value;
    const char *problem = item->problem;

    own.arena = &records->arena;
    fail_clear(&own);
    if (problem == NULL && json_parse(&own, item->text, item->length, &value) != ERR_OK)
        problem = "is no valid JSON object";
    return take_line(ctx, file, &value, problem, &records->arena);
}

static enum err take_csv(struct ctx *ctx, struct import_file *file, struct records *records)
{
    struct ctx own = *ctx;
    const char *problem = NULL;
    struct value value;

    own.arena = &records->arena;
    while (csv_next(records->csv, &own, &value, &problem)) {
        TRY(take_line(ctx, file, &value, problem, &records->arena));
        arena_reset(&records->arena);
    }
    return ERR_OK;
}

static enum err take_items(struct ctx *ctx, struct import_file *file, struct records *records)
{
    struct json_item item;

    while (json_items_next(&records->items, &item)) {
        TRY(take_item(ctx, file, records, &item));
        arena_reset(&records->arena);
    }
    return ERR_OK;
}

/* A table begins neither with a list nor with an object. */
static enum err decide(struct ctx *ctx, const struct import_file *file, struct records *records,
                       const char *bytes, size_t size)
{
    const char *foreign = import_foreign_form(bytes, size);
    size_t at = 0;

    if (foreign != NULL)
        return fail(ctx, ERR_VALIDATION, NULL, "%s", foreign);
    while (at < size && strchr(" \t\r\n\xef\xbb\xbf", bytes[at]) != NULL)
        at++;
    records->decided = true;
    if (file->options.system->csv && at < size && bytes[at] != '[' && bytes[at] != '{')
        return csv_open(ctx, &records->csv);
    if (!json_items_init(&records->items, ctx->arena, file->options.system->list))
        return ERR_MEMORY;
    return ERR_OK;
}

static enum err convert_part(struct ctx *ctx, struct import_file *file, struct records *records,
                             const char *bytes, size_t size)
{
    const bool last = size == 0;

    if (!records->decided)
        TRY(decide(ctx, file, records, bytes, size));
    records->bytes += (int64_t)size;
    progress_show(&records->progress, "read %" PRId64 " MB, %" PRId64 " records",
                  records->bytes / 1000000, file->summary.records);
    if (records->csv != NULL) {
        csv_feed(records->csv, bytes, size, last);
        return take_csv(ctx, file, records);
    }
    json_items_feed(&records->items, bytes, size, last);
    TRY(take_items(ctx, file, records));
    if (!last || json_items_whole(&records->items) || records->bytes == 0)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, NULL, "%s ends in the middle: nothing was imported.",
                file->path);
}

/* ---- sending ---- */

static enum err send_part(struct ctx *ctx, struct import_file *file, struct records *records,
                          const char *bytes, size_t size)
{
    if (interrupt_came())
        return fail(ctx, ERR_STOPPING, NULL, "Interrupted: nothing was imported.");
    if (file->options.system != NULL)
        return convert_part(ctx, file, records, bytes, size);
    records->bytes += (int64_t)size;
    progress_show(&records->progress, "read %" PRId64 " MB", records->bytes / 1000000);
    return import_add(ctx, file->upload, bytes, size);
}

/* Before a gibibyte is sent in vain; what becomes of other systems' files is not known before. */
static enum err check_size(struct ctx *ctx, const struct import_file *file)
{
    struct stat stat;

    if (file->options.system != NULL || fstat(fileno(file->in), &stat) != 0 ||
        !S_ISREG(stat.st_mode) || stat.st_size <= IMPORT_MAX_BYTES)
        return ERR_OK;
    return fail(ctx, ERR_TOO_LARGE, NULL, IMPORT_TOO_LARGE);
}

static enum err check_converted(struct ctx *ctx, const struct import_file *file)
{
    if (file->options.system == NULL || file->summary.records > 0)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, NULL, "%s holds no users in the form that %s exports.",
                file->path, file->options.system->name);
}

enum err import_file_send(struct ctx *ctx, struct import_file *file)
{
    struct records *records = ARENA_NEW(ctx->arena, struct records);
    char *part = arena_alloc(ctx->arena, PART);
    enum err err = ERR_OK;
    size_t size = PART;

    TRY(check_size(ctx, file));
    if (records == NULL || part == NULL)
        return ERR_MEMORY;
    arena_init(&records->arena, RECORD_ARENA);
    while (err == ERR_OK && size > 0) {
        size = fread(part, 1, PART, file->in);
        err = ferror(file->in) != 0 ? cannot(ctx, "read", file->path)
                                    : send_part(ctx, file, records, part, size);
    }
    progress_end(&records->progress);
    arena_clear(&records->arena);
    TRY(err);
    return check_converted(ctx, file);
}
