/* Tables as RFC 4180 has them: fields between commas, in quotes where they hold commas, quotes or
 * ends of lines. The first record names the columns. */
#include <string.h>

#include "app/text.h"
#include "commands/import.h"

#define RECORD_MAX  ((size_t)256 * 1024)
#define COLUMNS_MAX 256

struct csv {
    char *held; /* the record, fields ended by NUL */
    size_t held_size;
    size_t ends[COLUMNS_MAX]; /* where each field ends */
    size_t field_count;
    bool quoted, was_quote, too_long, begun;
    const char *names[COLUMNS_MAX];
    size_t name_count;
    struct arena *arena; /* of the names */
    const char *bytes;
    size_t size, at;
    bool last;
};

enum err csv_open(struct ctx *ctx, struct csv **ret_csv)
{
    struct csv *csv = ARENA_NEW(ctx->arena, struct csv);

    if (csv == NULL || (csv->held = arena_alloc(ctx->arena, RECORD_MAX)) == NULL)
        return ERR_MEMORY;
    csv->arena = ctx->arena;
    *ret_csv = csv;
    return ERR_OK;
}

void csv_feed(struct csv *csv, const char *bytes, size_t size, bool last)
{
    csv->bytes = bytes;
    csv->size = size;
    csv->at = 0;
    csv->last = last;
}

static void hold(struct csv *csv, char c)
{
    if (csv->held_size >= RECORD_MAX - 1)
        csv->too_long = true;
    else
        csv->held[csv->held_size++] = c;
}

static void end_field(struct csv *csv)
{
    hold(csv, '\0');
    if (csv->field_count == COLUMNS_MAX)
        csv->too_long = true;
    else
        csv->ends[csv->field_count++] = csv->held_size;
}

/* True when the character ends a record. */
static bool take(struct csv *csv, char c)
{
    if (csv->quoted) {
        if (c == '"')
            csv->quoted = false, csv->was_quote = true;
        else
            hold(csv, c);
        return false;
    }
    if (c == '"') {
        if (csv->was_quote)
            hold(csv, c);
        csv->quoted = csv->begun = true;
        return false;
    }
    csv->was_quote = false;
    if (c == '\n')
        return csv->begun;
    if (c == '\r')
        return false;
    csv->begun = true;
    if (c == ',')
        end_field(csv);
    else
        hold(csv, c);
    return false;
}

static const char *field_of(const struct csv *csv, size_t i)
{
    return csv->held + (i > 0 ? csv->ends[i - 1] : 0);
}

static bool keep_names(struct csv *csv)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        const char *name = field_of(csv, i);

        if (i == 0 && strncmp(name, "\xef\xbb\xbf", 3) == 0)
            name += 3;
        csv->names[i] = arena_strdup(csv->arena, name);
        if (csv->names[i] == NULL)
            return false;
    }
    csv->name_count = csv->field_count;
    return true;
}

/* Fields that hold an object or a list are read as such later, by whoever knows the column. */
static const char *give(struct csv *csv, struct ctx *ctx, struct value *ret_record)
{
    struct member *members = arena_array(ctx->arena, csv->name_count + 1, sizeof *members);

    if (members == NULL)
        return "needs more memory than there is.";
    if (csv->too_long)
        return "is larger than 256 KiB.";
    if (csv->field_count != csv->name_count)
        return "has another number of columns than the first line.";
    for (size_t i = 0; i < csv->field_count; i++) {
        const char *field = field_of(csv, i);
        const size_t length = csv->ends[i] - (i > 0 ? csv->ends[i - 1] : 0) - 1;

        if (!text_is_utf8(field, length))
            return "is no valid UTF-8, or has a NUL character.";
        members[i].name = csv->names[i];
        members[i].value = (struct value){
            .type = length > 0 ? VALUE_STRING : VALUE_NULL,
            .string = {.text = arena_strndup(ctx->arena, field, length), .length = length}};
        if (members[i].value.string.text == NULL)
            return "needs more memory than there is.";
    }
    *ret_record = (struct value){.type = VALUE_OBJECT,
                                 .object = {.members = members, .count = csv->field_count}};
    return NULL;
}

static void begin_record(struct csv *csv)
{
    csv->held_size = csv->field_count = 0;
    csv->quoted = csv->was_quote = csv->too_long = csv->begun = false;
}

/* True when it was a record and no head line. */
static bool end_record(struct csv *csv, struct ctx *ctx, struct value *ret_record,
                       const char **ret_problem)
{
    const bool is_head = csv->name_count == 0;

    end_field(csv);
    *ret_problem = NULL;
    if (!is_head)
        *ret_problem = give(csv, ctx, ret_record);
    else if (csv->too_long || !keep_names(csv))
        *ret_problem = "has more columns than there may be.";
    begin_record(csv);
    return !is_head || *ret_problem != NULL;
}

bool csv_next(struct csv *csv, struct ctx *ctx, struct value *ret_record, const char **ret_problem)
{
    while (csv->at < csv->size) {
        if (take(csv, csv->bytes[csv->at++]) && end_record(csv, ctx, ret_record, ret_problem))
            return true;
    }
    if (!csv->last || !csv->begun)
        return false;
    return end_record(csv, ctx, ret_record, ret_problem);
}
