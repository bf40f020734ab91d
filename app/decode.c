/* One value into one field, and the sentences of what was wrong with it. */
#include "app/decode.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "app/field.h"
#include "app/text.h"

#define PATH_MAX_SIZE  ((size_t)512)
#define NAME_SHOWN_MAX 64
#define LIST_MAX_SIZE  ((size_t)2048)

/* --- errors --- */

/* Names come from the table or, when unknown, from outside: those are shown as far as they are
 * short. */
static void put_name(struct buf *out, const char *name)
{
    size_t shown = strlen(name);

    if (shown > NAME_SHOWN_MAX) {
        for (shown = NAME_SHOWN_MAX; ((unsigned char)name[shown] & 0xc0) == 0x80; shown--)
            ;
    }
    buf_add(out, name, shown);
}

static void put_path(struct buf *out, const struct path *path)
{
    if (path->up != NULL) {
        put_path(out, path->up);
        buf_putc(out, '.');
    }
    if (path->name != NULL)
        put_name(out, path->name);
    else
        buf_printf(out, "%zu", path->index);
}

const char *decode_path_text(struct ctx *ctx, const struct path *path)
{
    struct buf out;

    if (path == NULL)
        return "the body";
    buf_init(&out, ctx->arena, PATH_MAX_SIZE);
    put_path(&out, path);
    return buf_ok(&out) ? buf_text(&out) : NULL;
}

enum err decode_refuse_as(struct decoder *decoder, enum err code, const struct path *path,
                          const char *sentence)
{
    const char *text = decode_path_text(decoder->ctx, path);

    if (text == NULL || sentence == NULL)
        return fail_internal(decoder->ctx, ERR_MEMORY, "no memory for an error text");
    if (decoder->mode == DECODE_CONFIG && path != NULL && path->line > 0)
        return fail(decoder->ctx, code, text, "line %u: %s %s", path->line, text, sentence);
    return fail(decoder->ctx, code, path != NULL ? text : NULL, "%s %s", text, sentence);
}

enum err decode_refuse(struct decoder *decoder, const struct path *path, const char *sentence)
{
    return decode_refuse_as(decoder, ERR_VALIDATION, path, sentence);
}

enum err decode_refuse_type(struct decoder *decoder, const struct path *path, const char *wanted,
                            const struct value *value)
{
    return decode_refuse(decoder, path,
                         arena_printf(decoder->ctx->arena, "must be %s, not %s", wanted,
                                      value_type_name(value->type)));
}

static enum err refuse_list(struct decoder *decoder, const struct path *path,
                            const char *const *list)
{
    struct buf out;

    buf_init(&out, decoder->ctx->arena, LIST_MAX_SIZE);
    buf_puts(&out, "must be one of ");
    for (size_t i = 0; list[i] != NULL; i++) {
        buf_puts(&out, i > 0 ? ", " : "");
        buf_puts(&out, list[i]);
    }
    return decode_refuse(decoder, path, buf_text(&out));
}

enum err decode_refuse_count(struct decoder *decoder, const struct field *field,
                             const struct path *path, size_t count)
{
    return decode_refuse(decoder, path,
                         arena_printf(decoder->ctx->arena,
                                      "must have at most %zu items; it has %zu", field->max_items,
                                      count));
}

enum err decode_no_memory(struct decoder *decoder)
{
    return fail_internal(decoder->ctx, ERR_MEMORY, "no memory for decoded fields");
}

/* --- texts --- */

static enum err check_length(struct decoder *decoder, const struct field *field, const char *text,
                             const struct path *path)
{
    struct arena *arena = decoder->ctx->arena;
    int64_t least = (field->flags & F_EMPTY_OK) != 0 || field->min > 0 ? field->min : 1;
    int64_t length = (int64_t)text_code_points(text);
    const char *unit = field->max == 1 ? "character" : "characters";

    if (length >= least && length <= field->max)
        return ERR_OK;
    if (least == field->max)
        return decode_refuse(decoder, path,
                             arena_printf(arena,
                                          "must have exactly %" PRId64 " %s; it has %" PRId64,
                                          field->max, unit, length));
    if (least == 0)
        return decode_refuse(decoder, path,
                             arena_printf(arena,
                                          "must have at most %" PRId64 " %s; it has %" PRId64,
                                          field->max, unit, length));
    return decode_refuse(decoder, path,
                         arena_printf(arena,
                                      "must have %" PRId64 " to %" PRId64 " %s; it has %" PRId64,
                                      least, field->max, unit, length));
}

static bool is_in_list(const char *const *list, const char *text)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, text) == 0)
            return true;
    }
    return false;
}

/* Trims and lowers as the field says. The text of the tree is used as it is where nothing changes.
 */
static enum err tidy_text(struct decoder *decoder, const struct field *field,
                          const struct value *value, const char **ret_text)
{
    const char *text = value->string.text;
    size_t length = value->string.length;
    const char *trimmed = text;
    size_t trimmed_length = length;

    if ((field->flags & F_TRIM) != 0)
        trimmed = text_trim(text, length, &trimmed_length);
    if (trimmed_length == length && (field->flags & F_LOWER) == 0) {
        *ret_text = text;
        return ERR_OK;
    }

    char *copy = arena_strndup(decoder->ctx->arena, trimmed, trimmed_length);
    if (copy == NULL)
        return decode_no_memory(decoder);
    for (char *c = copy; (field->flags & F_LOWER) != 0 && *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    *ret_text = copy;
    return ERR_OK;
}

static enum err take_text(struct decoder *decoder, const struct field *field,
                          const struct value *value, const struct path *path, const char **ret_text)
{
    if (value->type != VALUE_STRING)
        return decode_refuse_type(decoder, path, "a string", value);
    if (!text_is_utf8(value->string.text, value->string.length))
        return decode_refuse(decoder, path, "must be valid UTF-8 without U+0000");
    return tidy_text(decoder, field, value, ret_text);
}

static enum err check_text(struct decoder *decoder, const struct field *field, const char *text,
                           const struct path *path)
{
    const char *const *list = field_closed_list(field);

    if (list != NULL && !is_in_list(list, text))
        return refuse_list(decoder, path, list);
    TRY(check_length(decoder, field, text, path));

    const char *sentence = field->check != NULL ? field->check(text) : NULL;
    return sentence != NULL ? decode_refuse(decoder, path, sentence) : ERR_OK;
}

static enum err decode_str(struct decoder *decoder, const struct field *field,
                           const struct value *value, const struct path *path, void *ret)
{
    const char *text = "";

    TRY(take_text(decoder, field, value, path, &text));
    if (text[0] == '\0' && (field->flags & (F_EMPTY_OK | F_REQUIRED)) == 0) {
        if (decoder->mode == DECODE_PATCH)
            field_clear(field, ret);
        return ERR_OK;
    }
    TRY(check_text(decoder, field, text, path));
    *(const char **)field_at(field, ret) = text;
    return ERR_OK;
}

static enum err decode_strs(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    struct strs *strs = field_at(field, ret);

    if (value->type != VALUE_ARRAY)
        return decode_refuse_type(decoder, path, "an array of strings", value);
    if (value->array.count > field->max_items)
        return decode_refuse_count(decoder, field, path, value->array.count);

    const char **items = arena_array(decoder->ctx->arena, value->array.count, sizeof *items);
    if (items == NULL)
        return decode_no_memory(decoder);
    for (size_t i = 0; i < value->array.count; i++) {
        const struct value *item = &value->array.items[i];
        struct path here = {.up = path, .index = i, .line = item->line};

        TRY(take_text(decoder, field, item, &here, &items[i]));
        TRY(check_text(decoder, field, items[i], &here));
    }
    strs->items = items;
    strs->count = value->array.count;
    return ERR_OK;
}

static enum err decode_enum(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    const char *const *list = field_closed_list(field);
    const char *text = "";

    TRY(take_text(decoder, field, value, path, &text));
    if (text[0] == '\0' && (field->flags & F_REQUIRED) == 0)
        return ERR_OK;
    for (int i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], text) == 0) {
            *(int *)field_at(field, ret) = i + 1;
            return ERR_OK;
        }
    }
    return refuse_list(decoder, path, list);
}

/* --- other scalars --- */

/* "-12" as in JSON: no plus sign, no leading zeros, nothing around. */
static bool parse_plain_int(const char *text, int64_t *ret_number)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t count = strspn(digits, "0123456789");
    char *end;

    if (count == 0 || digits[count] != '\0' || (count > 1 && digits[0] == '0'))
        return false;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return errno == 0;
}

static bool to_int(const struct value *value, int64_t *ret_number)
{
    if (value->type == VALUE_INT) {
        *ret_number = value->integer;
        return true;
    }
    if (value->type == VALUE_STRING && value->plain)
        return parse_plain_int(value->string.text, ret_number);
    /* 1.0 is an integer; 2^63 is the first double past the range. */
    if (value->type != VALUE_REAL || !(value->real >= -0x1p63 && value->real < 0x1p63) ||
        trunc(value->real) != value->real)
        return false;
    *ret_number = (int64_t)value->real;
    return true;
}

static enum err refuse_int(struct decoder *decoder, const struct field *field,
                           const struct value *value, const struct path *path)
{
    struct arena *arena = decoder->ctx->arena;
    int64_t number;

    if (!to_int(value, &number)) {
        if (value->type == VALUE_REAL || value->type == VALUE_STRING)
            return decode_refuse(decoder, path,
                                 value->type == VALUE_REAL ? "must be an integer, not a fraction"
                                                           : "must be an integer, not a string");
        return decode_refuse_type(decoder, path, "an integer", value);
    }
    if (field->max == INT64_MAX)
        return decode_refuse(decoder, path,
                             arena_printf(arena, "must be at least %" PRId64 "; it is %" PRId64,
                                          field->min, number));
    return decode_refuse(decoder, path,
                         arena_printf(arena,
                                      "must be between %" PRId64 " and %" PRId64 "; it is %" PRId64,
                                      field->min, field->max, number));
}

static enum err decode_int(struct decoder *decoder, const struct field *field,
                           const struct value *value, const struct path *path, void *ret)
{
    int64_t number;

    if (!to_int(value, &number) || number < field->min || number > field->max)
        return refuse_int(decoder, field, value, path);
    *(int64_t *)field_at(field, ret) = number;
    field_mark_present(field, ret);
    return ERR_OK;
}

static enum err decode_bool(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    bool *out = field_at(field, ret);

    if (value->type == VALUE_BOOL)
        *out = value->boolean;
    else if (value->type != VALUE_STRING || !value->plain)
        return decode_refuse_type(decoder, path, "true or false", value);
    else if (strcmp(value->string.text, "true") == 0)
        *out = true;
    else if (strcmp(value->string.text, "false") == 0)
        *out = false;
    else
        return decode_refuse(decoder, path, "must be true or false");
    field_mark_present(field, ret);
    return ERR_OK;
}

static enum err decode_uuid(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    struct uuid id;

    if (value->type != VALUE_STRING)
        return decode_refuse_type(decoder, path, "a UUID string", value);
    if (!uuid_parse(value->string.text, &id) || uuid_is_zero(&id))
        return decode_refuse(decoder, path,
                             "must be a UUID such as 0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77");
    *(struct uuid *)field_at(field, ret) = id;
    return ERR_OK;
}

static enum err decode_time(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    int64_t ms;

    if (value->type != VALUE_STRING)
        return decode_refuse_type(decoder, path, "a time string", value);
    if (!time_parse(value->string.text, &ms))
        return decode_refuse(decoder, path,
                             "must be a time of RFC 3339 such as 2026-01-31T09:30:00Z");
    *(int64_t *)field_at(field, ret) = ms;
    return ERR_OK;
}

static enum err decode_doc(struct decoder *decoder, const struct field *field,
                           const struct value *value, const struct path *path, void *ret)
{
    const char *text = decode_path_text(decoder->ctx, path);

    if (text == NULL)
        return decode_no_memory(decoder);
    if (decoder->mode == DECODE_PATCH && value->type == VALUE_OBJECT)
        return ERR_OK;
    return document_from_value(decoder->ctx, text, value, field_at(field, ret));
}

enum err decode_scalar(struct decoder *decoder, const struct field *field,
                       const struct value *value, const struct path *path, void *ret)
{
    switch (field->type) {
    case FT_STR:
        return decode_str(decoder, field, value, path, ret);
    case FT_UUID:
        return decode_uuid(decoder, field, value, path, ret);
    case FT_TIME:
        return decode_time(decoder, field, value, path, ret);
    case FT_INT:
        return decode_int(decoder, field, value, path, ret);
    case FT_BOOL:
        return decode_bool(decoder, field, value, path, ret);
    case FT_ENUM:
        return decode_enum(decoder, field, value, path, ret);
    case FT_DOC:
        return decode_doc(decoder, field, value, path, ret);
    case FT_STRS:
        return decode_strs(decoder, field, value, path, ret);
    case FT_OBJECT:
    case FT_LIST:
    case FT_BYTES:
    case FT_UNSET:
        break;
    }
    return fail_internal(decoder->ctx, ERR_INTERNAL, "field %s has no decoder", field->name);
}
