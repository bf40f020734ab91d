/* Trees in both directions; recursion is bounded by the reader of JSON that made them. */
#include "app/value_bson.h"

#include <stdio.h>

#include "app/bson_auto.h"
#include "app/document.h"

#define DEPTH_MAX 32

/* ---- out ---- */

static void append(bson_t *out, const char *key, const struct value *value)
{
    char digits[24];
    bson_t child;

    switch (value->type) {
    case VALUE_BOOL:
        (void)bson_append_bool(out, key, -1, value->boolean);
        break;
    case VALUE_INT:
        (void)bson_append_int64(out, key, -1, value->integer);
        break;
    case VALUE_REAL:
        (void)bson_append_double(out, key, -1, value->real);
        break;
    case VALUE_STRING:
        (void)bson_append_utf8(out, key, -1, value->string.text, (int)value->string.length);
        break;
    case VALUE_ARRAY:
        (void)bson_append_array_begin(out, key, -1, &child);
        for (size_t i = 0; i < value->array.count; i++) {
            (void)snprintf(digits, sizeof digits, "%zu", i);
            append(&child, digits, &value->array.items[i]);
        }
        (void)bson_append_array_end(out, &child);
        break;
    case VALUE_OBJECT:
        (void)bson_append_document_begin(out, key, -1, &child);
        for (size_t i = 0; i < value->object.count; i++)
            append(&child, value->object.members[i].name, &value->object.members[i].value);
        (void)bson_append_document_end(out, &child);
        break;
    case VALUE_NULL:
    case VALUE_UNSET:
        (void)bson_append_null(out, key, -1);
        break;
    }
}

enum err value_to_bson(struct ctx *ctx, const struct value *object, struct bytes *ret_document)
{
    AUTO(bson_destroy) bson_t *out = bson_new();
    const uint8_t *copy;

    for (size_t i = 0; i < object->object.count; i++)
        append(out, object->object.members[i].name, &object->object.members[i].value);
    copy = arena_memdup(ctx->arena, bson_get_data(out), out->len);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a document");
    *ret_document = (struct bytes){.data = copy, .size = out->len};
    return ERR_OK;
}

/* ---- in ---- */

static enum err read_value(struct ctx *ctx, const bson_iter_t *at, unsigned depth,
                           struct value *ret_value);

static size_t count_of(const bson_iter_t *first)
{
    bson_iter_t at = *first;
    size_t count = 0;

    while (bson_iter_next(&at))
        count++;
    return count;
}

/* The members of an object or the items of an array, from at on. */
static enum err read_parts(struct ctx *ctx, bson_iter_t *at, unsigned depth,
                           struct value *ret_value)
{
    const bool is_array = ret_value->type == VALUE_ARRAY;
    const size_t count = count_of(at);
    void *parts =
        arena_array(ctx->arena, count + 1, is_array ? sizeof(struct value) : sizeof(struct member));
    struct value *items = parts;
    struct member *members = parts;

    if (parts == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a value");
    if (is_array) {
        ret_value->array.items = items;
        ret_value->array.count = count;
    } else {
        ret_value->object.members = members;
        ret_value->object.count = count;
    }
    for (size_t i = 0; i < count && bson_iter_next(at); i++) {
        if (!is_array)
            members[i].name = bson_iter_key(at);
        TRY(read_value(ctx, at, depth, is_array ? &items[i] : &members[i].value));
    }
    return ERR_OK;
}

static enum err read_nested(struct ctx *ctx, const bson_iter_t *at, unsigned depth,
                            struct value *ret_value)
{
    bson_iter_t inner;

    if (depth == 0 || !bson_iter_recurse(at, &inner))
        return fail_internal(ctx, ERR_INTERNAL, "a stored document is too deep");
    *ret_value = (struct value){.type = BSON_ITER_HOLDS_ARRAY(at) ? VALUE_ARRAY : VALUE_OBJECT};
    return read_parts(ctx, &inner, depth - 1, ret_value);
}

static enum err read_value(struct ctx *ctx, const bson_iter_t *at, unsigned depth,
                           struct value *ret_value)
{
    uint32_t length = 0;

    switch ((int)bson_iter_type(at)) {
    case BSON_TYPE_NULL:
        *ret_value = (struct value){.type = VALUE_NULL};
        return ERR_OK;
    case BSON_TYPE_BOOL:
        *ret_value = (struct value){.type = VALUE_BOOL, .boolean = bson_iter_bool(at)};
        return ERR_OK;
    case BSON_TYPE_INT64:
        *ret_value = (struct value){.type = VALUE_INT, .integer = bson_iter_int64(at)};
        return ERR_OK;
    case BSON_TYPE_DOUBLE:
        *ret_value = (struct value){.type = VALUE_REAL, .real = bson_iter_double(at)};
        return ERR_OK;
    case BSON_TYPE_UTF8:
        *ret_value = (struct value){.type = VALUE_STRING};
        ret_value->string.text = bson_iter_utf8(at, &length);
        ret_value->string.length = length;
        return ERR_OK;
    case BSON_TYPE_ARRAY:
    case BSON_TYPE_DOCUMENT:
        return read_nested(ctx, at, depth, ret_value);
    default:
        return fail_internal(ctx, ERR_INTERNAL, "a stored document has a foreign type");
    }
}

enum err value_from_bson(struct ctx *ctx, const struct bytes *document, struct value *ret_object)
{
    bson_iter_t at;
    bson_t view;

    if (!document_view(document, &view) || !bson_iter_init(&at, &view))
        return fail_internal(ctx, ERR_INTERNAL, "a stored document is no valid BSON");
    *ret_object = (struct value){.type = VALUE_OBJECT};
    return read_parts(ctx, &at, DEPTH_MAX, ret_object);
}
