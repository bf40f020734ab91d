/*
 * A dry run and the unique custom fields. A run that writes is told by the database; one that does
 * not asks it who has such a value, and remembers what its own lines would have got, as
 * import_seen.c does of ids, names and addresses.
 */
#include <math.h>
#include <string.h>

#include "app/db.h"
#include "app/text.h"
#include "models/custom_index.h"
#include "models/custom_schema.h"
#include "models/import_internal.h"

#define KEY       3 /* behind those of import_seen.c */
/* 16 KiB, of which compatible characters make eleven times as much */
#define TEXT_MAX  ((size_t)256 * 1024)
#define INT64_END 9223372036854775808.0 /* 2^63 */

/* ---- one value ---- */

/* One text for values that the index takes for the same one. */
static enum err write_value(struct ctx *ctx, const struct custom_index *index,
                            struct user_value *value, struct buf *out)
{
    const char *text = value->text;
    const bool is_whole = value->type == USER_VALUE_REAL && value->real == floor(value->real) &&
                          value->real >= -INT64_END && value->real < INT64_END;

    if (value->type == USER_VALUE_TEXT && index->ignores_case)
        TRY(text_without_case(ctx, text, &text));
    if (is_whole)
        *value = (struct user_value){.type = USER_VALUE_INT, .integer = (int64_t)value->real};
    /* The length tells where a path ends that has blanks in it. */
    buf_printf(out, "%zu %s %d ", strlen(index->path), index->path, (int)value->type);
    switch (value->type) {
    case USER_VALUE_TEXT:
        buf_puts(out, text);
        break;
    case USER_VALUE_BOOL:
        buf_puts(out, value->boolean ? "t" : "f");
        break;
    case USER_VALUE_INT:
    case USER_VALUE_TIME:
        buf_printf(out, "%lld", (long long)value->integer);
        break;
    case USER_VALUE_REAL:
        buf_printf(out, "%a", value->real);
        break;
    case USER_VALUE_NULL:
    case USER_VALUE_ID: /* no custom field is one */
    case USER_VALUE_UNSET:
        break;
    }
    return ERR_OK;
}

/* *ret_mark without id: the fields have no such value. */
static enum err mark_of(struct ctx *ctx, const struct uuid *import_id,
                        const struct custom_index *index, const struct bytes *stored,
                        struct import_mark *ret_mark)
{
    struct user_value same;
    struct buf text;
    bson_t fields;

    *ret_mark = (struct import_mark){.index = index};
    if (stored->size == 0 || !bson_init_static(&fields, stored->data, stored->size))
        return ERR_OK;
    ret_mark->value = same = user_value_of(&fields, index->path);
    if (same.type == USER_VALUE_NULL) /* none: no unique field takes null */
        return ERR_OK;
    buf_init(&text, ctx->arena, TEXT_MAX);
    TRY(write_value(ctx, index, &same, &text));
    if (!buf_ok(&text))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a unique value");
    ret_mark->id = import_seen_id(ctx, import_id, KEY, buf_text(&text));
    return ret_mark->id != NULL ? ERR_OK
                                : fail_internal(ctx, ERR_MEMORY, "no memory for a unique value");
}

/* ---- of lines ---- */

static bool gives_values(const struct import_entry *entry)
{
    return entry->outcome == IMPORT_CREATE ||
           (entry->outcome == IMPORT_UPDATE &&
            (entry->mask & user_field_bit("stored_fields")) != 0);
}

static enum err mark_entry(struct ctx *ctx, const struct import_batch *batch,
                           struct import_entry *entry)
{
    const struct custom_index *index = batch->unique.items;

    entry->marks = arena_array(ctx->arena, batch->unique.count + 1, sizeof *entry->marks);
    if (entry->marks == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the unique values of a line");
    for (size_t k = 0; k < batch->unique.count; k++) {
        struct import_mark *mark = &entry->marks[entry->mark_count];

        TRY(mark_of(ctx, &batch->work.run->job.id, &index[k], &entry->user.stored_fields, mark));
        entry->mark_count += mark->id != NULL;
    }
    return ERR_OK;
}

static struct import_mark *mark_by(const struct import_entry *entry,
                                   const struct custom_index *index)
{
    for (size_t k = 0; k < entry->mark_count; k++) {
        if (entry->marks[k].index == index)
            return &entry->marks[k];
    }
    return NULL;
}

/* ---- who has them ---- */

/* Some lines of a batch. */
struct some {
    struct import_entry *items;
    size_t count;
};

/* {custom_fields.<path>: {$in: [what the lines give]}} */
static void put_values(const char *path, struct import_mark *const *marks, size_t count,
                       bson_t *filter)
{
    bson_t in, list;

    bson_append_document_begin(filter, path, -1, &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++)
        user_value_put(&list, "0", &marks[i]->value); /* the server does not read these names */
    bson_append_array_end(&in, &list);
    BSON_APPEND_BOOL(&in, "$exists", true);
    bson_append_document_end(filter, &in);
}

static void note_holder(const struct some *lines, const struct user *holder,
                        const struct import_mark *has)
{
    for (size_t i = 0; i < lines->count; i++) {
        const struct import_entry *entry = &lines->items[i];
        struct import_mark *mark = mark_by(entry, has->index);

        if (mark != NULL && strcmp(mark->id, has->id) == 0 &&
            !(entry->exists && uuid_equal(&entry->before.id, &holder->id)))
            mark->taken = true;
    }
}

static enum err ask(struct ctx *ctx, const struct import_batch *batch, const struct some *lines,
                    const struct custom_index *index)
{
    struct import_mark **marks =
        arena_array(ctx->arena, lines->count + 1, sizeof(struct import_mark *));
    const char *path = arena_printf(ctx->arena, "custom_fields.%s", index->path);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list users = {0};
    size_t count = 0;
    bool over = false;

    if (marks == NULL || path == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the unique values of a batch");
    for (size_t i = 0; i < lines->count; i++) {
        marks[count] = mark_by(&lines->items[i], index);
        count += marks[count] != NULL;
    }
    if (count == 0)
        return ERR_OK;
    TRY(import_seen_marks(ctx, marks, count));
    put_values(path, marks, count, filter);

    const struct db_search search = {
        .access = filter, .ignores_case = index->ignores_case, .limit = (int64_t)count};

    TRY(db_search(ctx, &user_schema, &search, &over, &users));

    const struct user *user = users.items;

    for (size_t i = 0; i < users.count; i++) {
        struct import_mark has;

        TRY(mark_of(ctx, &batch->work.run->job.id, index, &user[i].stored_fields, &has));
        if (has.id != NULL)
            note_holder(lines, &user[i], &has);
    }
    return ERR_OK;
}

static enum err ask_all(struct ctx *ctx, const struct import_batch *batch, const struct some *lines)
{
    const struct custom_index *index = batch->unique.items;

    for (size_t i = 0; i < lines->count; i++) {
        struct import_entry *entry = &lines->items[i];

        entry->mark_count = 0;
        entry->is_marked = gives_values(entry);
        if (entry->is_marked)
            TRY(mark_entry(ctx, batch, entry));
    }
    for (size_t k = 0; k < batch->unique.count; k++)
        TRY(ask(ctx, batch, lines, &index[k]));
    return ERR_OK;
}

enum err import_unique_load(struct ctx *ctx, struct import_batch *batch)
{
    const struct shape *shape = NULL;
    const enum err found = custom_schema_shape(ctx, &shape);
    struct custom_index *index;
    size_t count = 0;

    batch->unique = (struct list){0};
    if (found == ERR_NOT_FOUND) {
        fail_clear(ctx);
        return ERR_OK;
    }
    TRY(found);
    TRY(custom_index_list(ctx, shape, &batch->unique));
    index = batch->unique.items;
    for (size_t k = 0; k < batch->unique.count; k++) {
        if (index[k].unique)
            index[count++] = index[k];
    }
    batch->unique.count = count;
    return ask_all(ctx, batch,
                   &(struct some){&batch->entries[batch->from], batch->to - batch->from});
}

/* ---- the verdict ---- */

/* The line of this batch before this one that gets the value; 0 = none. */
static int64_t line_before(const struct import_batch *batch, size_t i,
                           const struct import_mark *mark)
{
    for (size_t j = batch->from; j < i; j++) {
        const struct import_entry *other = &batch->entries[j];
        const struct import_mark *has = gives_values(other) ? mark_by(other, mark->index) : NULL;

        if (has != NULL && strcmp(has->id, mark->id) == 0)
            return other->number;
    }
    return 0;
}

enum err import_unique_judge(struct ctx *ctx, const struct import_batch *batch, size_t i)
{
    struct import_entry *entry = &batch->entries[i];

    if (batch->unique.count == 0 || !gives_values(entry))
        return ERR_OK;
    if (!entry->is_marked)
        TRY(ask_all(ctx, batch, &(struct some){entry, 1}));
    for (size_t k = 0; k < entry->mark_count; k++) {
        const struct import_mark *mark = &entry->marks[k];
        const char *pointer = mark->index->pointer;
        const int64_t line = mark->line != 0 ? mark->line : line_before(batch, i, mark);

        if (mark->taken)
            return fail(ctx, ERR_VALUE_TAKEN, pointer,
                        "This value is taken: another user has it in %s.", pointer);
        if (line != 0)
            return fail(ctx, ERR_VALUE_TAKEN, pointer,
                        "This value is taken: line %lld has it in %s.", (long long)line, pointer);
    }
    return ERR_OK;
}
