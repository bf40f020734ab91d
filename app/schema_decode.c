/*
 * From a parsed tree into a struct: objects and lists of them, unknown and missing members. Missing
 * members are collected; any other mistake ends it.
 */
#include "app/decode.h"
#include "app/field.h"
#include "app/schema.h"

#define LIST_MAX_SIZE ((size_t)2048)

static enum err decode_object(struct decoder *decoder, const struct schema *schema,
                              const struct value *value, const struct path *path, void *ret);

static enum err decode_nested(struct decoder *decoder, const struct field *field,
                              const struct value *value, const struct path *path, void *ret)
{
    if (value->type != VALUE_OBJECT)
        return decode_refuse_type(decoder, path, "an object", value);
    return decode_object(decoder, field->sub, value, path, field_at(field, ret));
}

static enum err decode_list(struct decoder *decoder, const struct field *field,
                            const struct value *value, const struct path *path, void *ret)
{
    /* A patch replaces lists whole (RFC 7396), so their items are complete. */
    struct decoder whole = {.ctx = decoder->ctx,
                            .mode = decoder->mode == DECODE_PATCH ? DECODE_INPUT : decoder->mode};
    struct list *list = field_at(field, ret);

    if (value->type != VALUE_ARRAY)
        return decode_refuse_type(decoder, path, "an array of objects", value);
    if (value->array.count > field->max_items)
        return decode_refuse_count(decoder, field, path, value->array.count);

    char *items = arena_array(decoder->ctx->arena, value->array.count, field->sub->size);
    if (items == NULL)
        return decode_no_memory(decoder);
    for (size_t i = 0; i < value->array.count; i++) {
        const struct value *item = &value->array.items[i];
        struct path here = {.up = path, .index = i, .line = item->line};

        if (item->type != VALUE_OBJECT)
            return decode_refuse_type(decoder, &here, "an object", item);
        TRY(decode_object(&whole, field->sub, item, &here, items + i * field->sub->size));
    }
    list->items = items;
    list->count = value->array.count;
    return ERR_OK;
}

static enum err decode_field(struct decoder *decoder, const struct field *field,
                             const struct value *value, const struct path *path, void *ret)
{
    if (field->type == FT_OBJECT)
        return decode_nested(decoder, field, value, path, ret);
    if (field->type == FT_LIST)
        return decode_list(decoder, field, value, path, ret);
    return decode_scalar(decoder, field, value, path, ret);
}

/* Parameters are few: all that exist are named. */
static enum err refuse_unknown(struct decoder *decoder, const struct schema *schema,
                               const struct path *path)
{
    struct buf out;

    if (decoder->mode != DECODE_QUERY)
        return decode_refuse_as(decoder, ERR_UNKNOWN_FIELD, path, "does not exist here");
    buf_init(&out, decoder->ctx->arena, LIST_MAX_SIZE);
    buf_puts(&out, "does not exist here; the parameters are ");
    for (size_t i = 0; i < schema->field_count; i++) {
        buf_puts(&out, i > 0 ? ", " : "");
        buf_puts(&out, schema->fields[i].name);
    }
    return decode_refuse_as(decoder, ERR_UNKNOWN_FIELD, path, buf_text(&out));
}

/* Members that the table does not know, or that this mode does not take. */
static enum err check_members(struct decoder *decoder, const struct schema *schema,
                              const struct value *value, const struct path *path)
{
    if (decoder->mode == DECODE_INPUT)
        return ERR_OK;
    for (size_t i = 0; i < value->object.count; i++) {
        const struct member *member = &value->object.members[i];
        int index = schema_field_index(schema, member->name);
        const struct field *field = index >= 0 ? &schema->fields[index] : NULL;
        struct path here = {.up = path, .name = member->name, .line = member->line};

        if (field == NULL || field->type == FT_BYTES || (field->flags & F_INTERNAL) != 0)
            return refuse_unknown(decoder, schema, &here);
        if (decoder->mode == DECODE_PATCH &&
            (!field_enters(field) || (field->flags & F_PATCH) == 0))
            return decode_refuse_as(decoder, ERR_READONLY_FIELD, &here, "cannot be changed");
    }
    return ERR_OK;
}

static bool is_missing(const struct field *field, const struct value *value)
{
    const struct value *member = value_get(value, field->name);

    return (field->flags & F_REQUIRED) != 0 && field_enters(field) &&
           (member == NULL || member->type == VALUE_NULL);
}

static enum err fail_missing(struct decoder *decoder, const char **names, size_t count)
{
    struct buf out;

    buf_init(&out, decoder->ctx->arena, LIST_MAX_SIZE);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&out, i > 0 ? ", " : "");
        buf_puts(&out, names[i]);
    }
    if (!buf_ok(&out))
        return decode_no_memory(decoder);
    enum err code = fail(decoder->ctx, ERR_VALIDATION, names[0], "Missing: %s", buf_text(&out));
    decoder->ctx->failure.required = names;
    decoder->ctx->failure.required_count = count;
    return code;
}

static enum err check_required(struct decoder *decoder, const struct schema *schema,
                               const struct value *value, const struct path *path)
{
    const char **names = NULL;
    size_t count = 0;

    if (decoder->mode == DECODE_PATCH)
        return ERR_OK;
    for (size_t i = 0; i < schema->field_count; i++) {
        struct path here = {.up = path, .name = schema->fields[i].name};

        if (!is_missing(&schema->fields[i], value))
            continue;
        if (names == NULL)
            names = arena_array(decoder->ctx->arena, schema->field_count, sizeof *names);
        if (names == NULL || (names[count++] = decode_path_text(decoder->ctx, &here)) == NULL)
            return decode_no_memory(decoder);
    }
    return count > 0 ? fail_missing(decoder, names, count) : ERR_OK;
}

static enum err decode_null(struct decoder *decoder, const struct field *field,
                            const struct path *path, void *ret)
{
    if (decoder->mode != DECODE_PATCH)
        return ERR_OK;
    if ((field->flags & F_NULL_CLEARS) == 0)
        return decode_refuse(decoder, path, "cannot be removed; it must not be null");
    field_clear(field, ret);
    return ERR_OK;
}

/* "?status=&from=" is what a form with empty fields sends. "?dry_run" is no such thing: without it
 * the contrary would be done. */
static bool is_empty_parameter(const struct decoder *decoder, const struct field *field,
                               const struct value *value)
{
    return decoder->mode == DECODE_QUERY && value->type == VALUE_STRING &&
           value->string.length == 0 && field->type != FT_BOOL;
}

static enum err decode_object(struct decoder *decoder, const struct schema *schema,
                              const struct value *value, const struct path *path, void *ret)
{
    TRY(check_members(decoder, schema, value, path));
    TRY(check_required(decoder, schema, value, path));
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const struct value *member = value_get(value, field->name);
        struct path here = {.up = path, .name = field->name};

        if (member == NULL || !field_enters(field) || is_empty_parameter(decoder, field, member))
            continue;
        here.line = member->line;
        if (member->type == VALUE_NULL)
            TRY(decode_null(decoder, field, &here, ret));
        else
            TRY(decode_field(decoder, field, member, &here, ret));
    }
    return ERR_OK;
}

enum err schema_decode(struct ctx *ctx, const struct schema *schema, const struct value *value,
                       enum decode_mode mode, void *ret)
{
    static const struct value nothing = {.type = VALUE_OBJECT};
    struct decoder decoder = {.ctx = ctx, .mode = mode};

    if (value == NULL)
        value = &nothing;
    if (value->type != VALUE_OBJECT)
        return decode_refuse_type(&decoder, NULL, "an object", value);
    return decode_object(&decoder, schema, value, NULL, ret);
}
