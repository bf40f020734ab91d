/* The values of an enum as texts that a form sends, and back. */
#include "handlers/pages_schema_internal.h"

#include <string.h>

#include <bson/bson.h>

#include "app/document.h"
#include "handlers/pages_internal.h"

#define TEXT_MAX ((size_t)256 * 1024)

bool form_is_scalar(const bson_iter_t *at)
{
    return !BSON_ITER_HOLDS_DOCUMENT(at) && !BSON_ITER_HOLDS_ARRAY(at);
}

static bool choices_of(const struct shape *shape, bson_iter_t *ret_list, bool *ret_single)
{
    const struct bytes *values = shape->values.size > 0 ? &shape->values : &shape->constant;
    bson_t view;

    *ret_single = shape->values.size == 0;
    return values->size > 0 && document_view(values, &view) &&
           bson_iter_init_find(ret_list, &view, "v");
}

/* Steps through the values: of an enum its items, of a const the one. */
static bool next_choice(bson_iter_t *list, bson_iter_t *item, bool single, size_t n)
{
    if (single) {
        *item = *list;
        return n == 0;
    }
    return (n > 0 || bson_iter_recurse(list, item)) && bson_iter_next(item);
}

bool form_fits_line(const char *text)
{
    const size_t length = strlen(text);

    return length > 0 && strpbrk(text, "\r\n") == NULL && strchr(" \t", text[0]) == NULL &&
           strchr(" \t", text[length - 1]) == NULL;
}

struct form_choices form_look_at_choices(const struct shape *shape)
{
    struct form_choices found = {.scalars = true, .strings = true, .booleans = true};
    bson_iter_t list, item;
    bool single;

    if (!choices_of(shape, &list, &single))
        return found;
    for (; next_choice(&list, &item, single, found.count); found.count++) {
        uint32_t length = 0;

        found.scalars = found.scalars && form_is_scalar(&item);
        found.booleans = found.booleans && BSON_ITER_HOLDS_BOOL(&item);
        found.strings = found.strings && BSON_ITER_HOLDS_UTF8(&item) &&
                        form_fits_line(bson_iter_utf8(&item, &length));
    }
    return found;
}

const char *form_choice_text(struct ctx *ctx, const bson_iter_t *item, bool strings)
{
    struct buf out;

    if (strings)
        return fields_text(ctx, item);
    buf_init(&out, ctx->arena, TEXT_MAX);
    document_element_to_json(item, &out);
    return buf_text(&out);
}

enum err form_choices(struct ctx *ctx, const struct shape *shape, struct strs *ret_texts)
{
    const struct form_choices choices = form_look_at_choices(shape);
    const char **texts = arena_array(ctx->arena, choices.count + 1, sizeof *texts);
    bson_iter_t list, item;
    bool single;

    *ret_texts = (struct strs){.items = texts};
    if (texts == NULL)
        return ERR_MEMORY;
    if (!choices_of(shape, &list, &single))
        return ERR_OK;
    for (size_t n = 0; n < choices.count && next_choice(&list, &item, single, n); n++) {
        texts[n] = form_choice_text(ctx, &item, choices.strings);
        if (texts[n] == NULL)
            return ERR_MEMORY;
        ret_texts->count++;
    }
    return ERR_OK;
}

static void to_value(const bson_iter_t *item, struct value *ret_value)
{
    const struct number number = number_of(item);
    uint32_t length = 0;

    *ret_value = (struct value){.type = VALUE_NULL};
    if (number.given) {
        ret_value->type = number.real ? VALUE_REAL : VALUE_INT;
        if (number.real)
            ret_value->real = number.fraction;
        else
            ret_value->integer = number.integer;
    } else if (BSON_ITER_HOLDS_BOOL(item)) {
        ret_value->type = VALUE_BOOL;
        ret_value->boolean = bson_iter_bool(item);
    } else if (BSON_ITER_HOLDS_UTF8(item)) {
        ret_value->type = VALUE_STRING;
        ret_value->string.text = bson_iter_utf8(item, &length);
        ret_value->string.length = length;
    }
}

enum err form_choice_value(struct ctx *ctx, const struct shape *shape, const char *text,
                           struct value *ret_value)
{
    const struct form_choices choices = form_look_at_choices(shape);
    bson_iter_t list, item;
    bool single;

    if (!choices_of(shape, &list, &single))
        return ERR_NOT_FOUND;
    for (size_t n = 0; next_choice(&list, &item, single, n); n++) {
        const char *of = form_choice_text(ctx, &item, choices.strings);

        if (of == NULL)
            return ERR_MEMORY;
        if (strcmp(of, text) != 0)
            continue;
        to_value(&item, ret_value);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

bool form_allows_false(const struct shape *shape)
{
    bson_iter_t list, item;
    bool single;

    if (!choices_of(shape, &list, &single))
        return true;
    for (size_t n = 0; next_choice(&list, &item, single, n); n++) {
        if (BSON_ITER_HOLDS_BOOL(&item) && !bson_iter_bool(&item))
            return true;
    }
    return false;
}
