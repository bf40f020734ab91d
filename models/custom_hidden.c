/* What is hidden is found by the shape alone, never by what a document holds: nothing then tells
 * whether it is there. */
#include "models/custom_hidden.h"

#include <string.h>

#include "app/bson_auto.h"
#include "app/document.h"
#include "app/value.h"

#define POINTER_BYTES 4096 /* that of a property always fits */

static bool is_hidden(const struct custom_veil *veil, const struct shape *shape)
{
    return shape->read > veil->party;
}

/* Whether anything below is hidden from the party. */
static bool hides_below(const struct custom_veil *veil, const struct shape *shape)
{
    for (size_t i = 0; shape->has_readers && i < shape->property_count; i++) {
        const struct shape *of = shape->properties[i].shape;

        if (is_hidden(veil, of) || hides_below(veil, of))
            return true;
    }
    return false;
}

bool custom_hidden_any(const struct custom_veil *veil)
{
    return veil->shape != NULL && hides_below(veil, veil->shape);
}

static void descend(struct buf *pointer, size_t length, const char *name)
{
    pointer->size = length;
    buf_pointer(pointer, name, strlen(name));
}

/* ---- finding ---- */

static bool find_in_patch(const struct custom_veil *veil, const struct shape *shape,
                          const struct value *patch, struct buf *pointer)
{
    const size_t length = pointer->size;

    for (size_t i = 0; i < patch->object.count; i++) {
        const struct member *member = &patch->object.members[i];
        const struct shape_property *property = shape_find(shape, member->name);

        if (property == NULL || !property->shape->has_readers)
            continue;
        descend(pointer, length, member->name);
        if (is_hidden(veil, property->shape))
            return true;
        if (member->value.type == VALUE_OBJECT &&
            find_in_patch(veil, property->shape, &member->value, pointer))
            return true;
    }
    pointer->size = length;
    return false;
}

static bool find_in(const struct custom_veil *veil, const struct shape *shape, bson_iter_t at,
                    struct buf *pointer)
{
    const size_t length = pointer->size;

    while (bson_iter_next(&at)) {
        const struct shape_property *property = shape_find(shape, bson_iter_key(&at));
        const bool is_object = BSON_ITER_HOLDS_DOCUMENT(&at);
        bson_iter_t inner;

        if (property == NULL || !property->shape->has_readers)
            continue;
        descend(pointer, length, property->name);
        if (is_hidden(veil, property->shape) || (!is_object && hides_below(veil, property->shape)))
            return true;
        if (is_object && bson_iter_recurse(&at, &inner) &&
            find_in(veil, property->shape, inner, pointer))
            return true;
    }
    pointer->size = length;
    return false;
}

static enum err told(struct ctx *ctx, const struct buf *pointer, bool found,
                     const char **ret_pointer)
{
    *ret_pointer = found ? buf_text(pointer) : NULL;
    return found && *ret_pointer == NULL ? fail_internal(ctx, ERR_MEMORY, "no memory for a pointer")
                                         : ERR_OK;
}

enum err custom_hidden_in_patch(struct ctx *ctx, const struct custom_veil *veil,
                                const struct value *patch, const char **ret_pointer)
{
    struct buf pointer;

    buf_init(&pointer, ctx->arena, POINTER_BYTES);
    return told(ctx, &pointer,
                patch->type == VALUE_OBJECT && find_in_patch(veil, veil->shape, patch, &pointer),
                ret_pointer);
}

enum err custom_hidden_in(struct ctx *ctx, const struct custom_veil *veil,
                          const struct bytes *document, const char **ret_pointer)
{
    struct buf pointer;
    bson_iter_t at;
    bson_t view;

    if (!document_view(document, &view) || !bson_iter_init(&at, &view))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    buf_init(&pointer, ctx->arena, POINTER_BYTES);
    return told(ctx, &pointer, find_in(veil, veil->shape, at, &pointer), ret_pointer);
}

/* ---- keeping ---- */

static bool member_of(const bson_t *object, const char *name, bson_iter_t *ret)
{
    return bson_iter_init_find(ret, object, name);
}

static bool view_object(const bson_iter_t *at, bson_t *ret_view)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (!BSON_ITER_HOLDS_DOCUMENT(at))
        return false;
    bson_iter_document(at, &size, &data);
    return bson_init_static(ret_view, data, size);
}

static bool keep(const struct custom_veil *veil, const struct shape *shape, const bson_t *before,
                 const bson_t *after, bson_t *out);

/* An object with hidden fields below it, from both; left out when nothing is in it that was not
 * asked for. */
static bool keep_object(const struct custom_veil *veil, const struct shape_property *property,
                        const bson_t *before, const bson_t *after, bson_t *out)
{
    bson_t was = BSON_INITIALIZER, is = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *merged = bson_new();
    bson_iter_t at;
    const bool asked = member_of(after, property->name, &at);

    if (asked && !view_object(&at, &is))
        return bson_append_iter(out, property->name, -1, &at);
    if (member_of(before, property->name, &at))
        (void)view_object(&at, &was);
    if (!keep(veil, property->shape, &was, &is, merged))
        return false;
    return (!asked && bson_empty(merged)) || bson_append_document(out, property->name, -1, merged);
}

static bool keep(const struct custom_veil *veil, const struct shape *shape, const bson_t *before,
                 const bson_t *after, bson_t *out)
{
    bson_iter_t at;

    if (!bson_iter_init(&at, after))
        return false;
    while (bson_iter_next(&at)) {
        const struct shape_property *property = shape_find(shape, bson_iter_key(&at));
        const bool alone = property == NULL || !hides_below(veil, property->shape);

        if (alone ? !bson_append_iter(out, bson_iter_key(&at), -1, &at)
                  : !keep_object(veil, property, before, after, out))
            return false;
    }
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape_property *property = &shape->properties[i];

        if (is_hidden(veil, property->shape) && member_of(before, property->name, &at) &&
            !bson_append_iter(out, property->name, -1, &at))
            return false;
        if (!is_hidden(veil, property->shape) && hides_below(veil, property->shape) &&
            !member_of(after, property->name, &at) &&
            !keep_object(veil, property, before, after, out))
            return false;
    }
    return true;
}

enum err custom_hidden_keep(struct ctx *ctx, const struct custom_veil *veil,
                            const struct bytes *before, struct bytes *document)
{
    AUTO(bson_destroy) bson_t *out = bson_new();
    const uint8_t *bytes = NULL;
    bson_t was, is;

    if (!document_view(before, &was) || !document_view(document, &is))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    if (keep(veil, veil->shape, &was, &is, out))
        bytes = arena_memdup(ctx->arena, bson_get_data(out), out->len);
    if (bytes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for custom fields");
    *document = (struct bytes){.data = bytes, .size = out->len};
    return ERR_OK;
}

/* ---- failures ---- */

/* One step of a pointer; what is too long for a name of a property is none. */
static const char *next_name(const char *pointer, char *ret_name, size_t size)
{
    size_t length = 0;

    for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
        char c = *pointer;

        if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
            c = *++pointer == '0' ? '~' : '/';
        if (length + 1 < size)
            ret_name[length++] = c;
    }
    ret_name[length] = '\0';
    return pointer;
}

static bool is_below_hidden(const struct custom_veil *veil, const char *pointer)
{
    const struct shape *shape = veil->shape;
    char name[SHAPE_MAX_NAME + 2]; /* what is longer than any property's stays longer */

    while (shape != NULL && *pointer == '/') {
        const struct shape_property *property;

        pointer = next_name(pointer, name, sizeof name);
        property = shape_find(shape, name);
        shape = property != NULL ? property->shape : NULL;
        if (shape != NULL && is_hidden(veil, shape))
            return true;
    }
    return false;
}

void custom_hidden_untold(const struct custom_veil *veil, size_t prefix,
                          struct shape_failures *failures)
{
    if (!veil->shape->has_readers)
        return;
    for (size_t i = 0; i < failures->count && i < SHAPE_MAX_FAILURES; i++) {
        struct shape_failure *failure = &failures->items[i];

        if (!is_below_hidden(veil, failure->pointer + prefix))
            continue;
        failure->keyword = "x-read";
        failure->message = "does not fit the schema, and only others than you may see and mend it";
    }
}
