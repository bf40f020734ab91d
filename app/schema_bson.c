/* Structs to BSON and back. What is absent is left out: null is never stored. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/bson_auto.h"
#include "app/document.h"
#include "app/field.h"
#include "app/schema.h"
#include "app/text.h"

#define KEY_SIZE 192

/* --- to BSON --- */

static bool append_object(bson_t *out, const char *key, const struct schema *schema,
                          const void *struct_ptr)
{
    bson_t child;

    return bson_append_document_begin(out, key, -1, &child) &&
           schema_to_bson(schema, struct_ptr, &child) && bson_append_document_end(out, &child);
}

static bool append_strs(bson_t *out, const char *key, const struct strs *strs)
{
    bson_t child;
    char digits[16];

    if (!bson_append_array_begin(out, key, -1, &child))
        return false;
    for (size_t i = 0; i < strs->count; i++) {
        snprintf(digits, sizeof digits, "%u", (unsigned)i);
        if (!bson_append_utf8(&child, digits, -1, strs->items[i], -1))
            return false;
    }
    return bson_append_array_end(out, &child);
}

static bool append_list(bson_t *out, const char *key, const struct field *field,
                        const struct list *list)
{
    const char *items = list->items;
    bson_t child;
    char digits[16];

    if (!bson_append_array_begin(out, key, -1, &child))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        snprintf(digits, sizeof digits, "%u", (unsigned)i);
        if (!append_object(&child, digits, field->sub, items + i * field->sub->size))
            return false;
    }
    return bson_append_array_end(out, &child);
}

static bool append_doc(bson_t *out, const char *key, const struct bytes *bytes)
{
    bson_t view;

    return document_view(bytes, &view) && bson_append_document(out, key, -1, &view);
}

static bool append_field(bson_t *out, const char *key, const struct field *field,
                         const void *struct_ptr)
{
    const void *at = field_get(field, struct_ptr);
    const struct bytes *bytes = at;
    const struct uuid *id = at;

    switch (field->type) {
    case FT_STR:
        return bson_append_utf8(out, key, -1, *(const char *const *)at, -1);
    case FT_UUID:
        return bson_append_binary(out, key, -1, BSON_SUBTYPE_UUID, id->bytes, sizeof id->bytes);
    case FT_TIME:
        return bson_append_date_time(out, key, -1, *(const int64_t *)at);
    case FT_INT:
        return bson_append_int64(out, key, -1, *(const int64_t *)at);
    case FT_BOOL:
        return bson_append_bool(out, key, -1, *(const bool *)at);
    case FT_ENUM:
        return bson_append_utf8(out, key, -1, field_enum_name(field, struct_ptr), -1);
    case FT_BYTES:
        return bytes->size <= INT32_MAX && bson_append_binary(out, key, -1, BSON_SUBTYPE_BINARY,
                                                              bytes->data, (uint32_t)bytes->size);
    case FT_DOC:
        return append_doc(out, key, bytes);
    case FT_STRS:
        return append_strs(out, key, at);
    case FT_OBJECT:
        return append_object(out, key, field->sub, at);
    case FT_LIST:
        return append_list(out, key, field, at);
    case FT_UNSET:
        break;
    }
    return false;
}

/* What is required and may be empty stands in the document also when the struct has none. */
static bool is_written(const struct field *field, const void *struct_ptr)
{
    if (!field_is_stored(field))
        return false;
    if ((field->flags & F_REQUIRED) != 0 && field_may_be_empty(field))
        return true;
    return field_is_present(field, struct_ptr);
}

bool schema_to_bson(const struct schema *schema, const void *struct_ptr, bson_t *out)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if (is_written(field, struct_ptr) &&
            !append_field(out, field_bson(field), field, struct_ptr))
            return false;
    }
    return true;
}

bool schema_to_bson_masked(const struct schema *schema, const void *struct_ptr, uint64_t mask,
                           const char *prefix, bson_t *out)
{
    char key[KEY_SIZE];

    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if ((mask >> i & 1) == 0 || !is_written(field, struct_ptr))
            continue;
        int length = snprintf(key, sizeof key, "%s%s", prefix, field_bson(field));
        if (length < 0 || (size_t)length >= sizeof key ||
            !append_field(out, key, field, struct_ptr))
            return false;
    }
    return true;
}

bool schema_put_unset(const struct schema *schema, const void *struct_ptr, uint64_t mask,
                      const char *prefix, bson_t *update)
{
    bson_t bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *unset = &bytes;
    char key[KEY_SIZE];

    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if ((mask >> i & 1) == 0 || is_written(field, struct_ptr))
            continue;
        int length = snprintf(key, sizeof key, "%s%s", prefix, field_bson(field));
        if (length < 0 || (size_t)length >= sizeof key || !bson_append_int32(unset, key, length, 1))
            return false;
    }
    return bson_empty(unset) || BSON_APPEND_DOCUMENT(update, "$unset", unset);
}

/* --- from BSON --- */

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for a stored document");
}

static enum err wrong_type(struct ctx *ctx, const struct schema *schema, const char *name)
{
    return fail_internal(ctx, ERR_INTERNAL, "%s.%s in the database has an unexpected type or value",
                         schema->collection != NULL ? schema->collection : schema->name, name);
}

/* Outcomes of reading one element, told apart from errors so that one place words them. */
enum read {
    READ_OK = 1,
    READ_WRONG,
    READ_NO_MEMORY,
};

static enum read read_text(struct arena *arena, const bson_iter_t *iter, const char **ret_text)
{
    uint32_t length;

    if (!BSON_ITER_HOLDS_UTF8(iter))
        return READ_WRONG;

    const char *text = bson_iter_utf8(iter, &length);
    if (!text_is_utf8(text, length))
        return READ_WRONG;
    *ret_text = arena_strndup(arena, text, length);
    return *ret_text != NULL ? READ_OK : READ_NO_MEMORY;
}

static enum read read_int(const bson_iter_t *iter, int64_t *ret_number)
{
    if (BSON_ITER_HOLDS_INT(iter)) {
        *ret_number = bson_iter_as_int64(iter);
        return READ_OK;
    }
    if (!BSON_ITER_HOLDS_DOUBLE(iter))
        return READ_WRONG;

    double number = bson_iter_double(iter);
    if (!(number >= -0x1p63 && number < 0x1p63) || trunc(number) != number)
        return READ_WRONG;
    *ret_number = (int64_t)number;
    return READ_OK;
}

static enum read read_enum(const bson_iter_t *iter, const struct field *field, int *ret_index)
{
    const char *const *list = field_closed_list(field);

    if (!BSON_ITER_HOLDS_UTF8(iter))
        return READ_WRONG;
    for (int i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], bson_iter_utf8(iter, NULL)) == 0) {
            *ret_index = i + 1;
            return READ_OK;
        }
    }
    return READ_WRONG;
}

static enum read read_uuid(const bson_iter_t *iter, struct uuid *ret_id)
{
    bson_subtype_t subtype;
    const uint8_t *data;
    uint32_t size;

    if (!BSON_ITER_HOLDS_BINARY(iter))
        return READ_WRONG;
    bson_iter_binary(iter, &subtype, &size, &data);
    if (subtype != BSON_SUBTYPE_UUID || size != sizeof ret_id->bytes)
        return READ_WRONG;
    memcpy(ret_id->bytes, data, sizeof ret_id->bytes);
    return READ_OK;
}

/* Binary, or with is_document an embedded document. */
static enum read read_bytes(struct arena *arena, const bson_iter_t *iter, bool is_document,
                            struct bytes *ret_bytes)
{
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (is_document && BSON_ITER_HOLDS_DOCUMENT(iter))
        bson_iter_document(iter, &size, &data);
    else if (!is_document && BSON_ITER_HOLDS_BINARY(iter))
        bson_iter_binary(iter, NULL, &size, &data);
    if (data == NULL)
        return READ_WRONG;
    ret_bytes->data = arena_memdup(arena, data, size);
    ret_bytes->size = size;
    return ret_bytes->data != NULL ? READ_OK : READ_NO_MEMORY;
}

static size_t count_items(const bson_iter_t *array)
{
    bson_iter_t iter;
    size_t count = 0;

    if (!bson_iter_recurse(array, &iter))
        return 0;
    while (bson_iter_next(&iter))
        count++;
    return count;
}

static enum read read_strs(struct arena *arena, const bson_iter_t *array, struct strs *ret_strs)
{
    bson_iter_t iter;

    if (!BSON_ITER_HOLDS_ARRAY(array) || !bson_iter_recurse(array, &iter))
        return READ_WRONG;
    ret_strs->items = arena_array(arena, count_items(array), sizeof *ret_strs->items);
    if (ret_strs->items == NULL)
        return READ_NO_MEMORY;
    for (ret_strs->count = 0; bson_iter_next(&iter); ret_strs->count++) {
        enum read read = read_text(arena, &iter, &ret_strs->items[ret_strs->count]);

        if (read != READ_OK)
            return read;
    }
    return READ_OK;
}

static enum err read_object(struct ctx *ctx, const struct schema *schema,
                            const bson_iter_t *document, void *ret)
{
    const uint8_t *data;
    uint32_t size;
    bson_t view;

    bson_iter_document(document, &size, &data);
    if (data == NULL || !bson_init_static(&view, data, size))
        return wrong_type(ctx, schema, bson_iter_key(document));
    return schema_from_bson(ctx, schema, &view, ret);
}

static enum err read_list(struct ctx *ctx, const struct field *field, const bson_iter_t *array,
                          struct list *ret_list)
{
    bson_iter_t iter;
    char *items = arena_array(ctx->arena, count_items(array), field->sub->size);

    if (items == NULL)
        return no_memory(ctx);
    if (!bson_iter_recurse(array, &iter))
        return wrong_type(ctx, field->sub, field->name);
    for (ret_list->count = 0; bson_iter_next(&iter); ret_list->count++) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter))
            return wrong_type(ctx, field->sub, bson_iter_key(&iter));
        TRY(read_object(ctx, field->sub, &iter, items + ret_list->count * field->sub->size));
    }
    ret_list->items = items;
    return ERR_OK;
}

static enum read read_scalar(struct arena *arena, const struct field *field,
                             const bson_iter_t *iter, void *at)
{
    switch (field->type) {
    case FT_STR:
        return read_text(arena, iter, at);
    case FT_UUID:
        return read_uuid(iter, at);
    case FT_TIME:
        if (!BSON_ITER_HOLDS_DATE_TIME(iter))
            return READ_WRONG;
        *(int64_t *)at = bson_iter_date_time(iter);
        return READ_OK;
    case FT_INT:
        return read_int(iter, at);
    case FT_BOOL:
        if (!BSON_ITER_HOLDS_BOOL(iter))
            return READ_WRONG;
        *(bool *)at = bson_iter_bool(iter);
        return READ_OK;
    case FT_ENUM:
        return read_enum(iter, field, at);
    case FT_BYTES:
        return read_bytes(arena, iter, false, at);
    case FT_DOC:
        return read_bytes(arena, iter, true, at);
    case FT_STRS:
        return read_strs(arena, iter, at);
    case FT_OBJECT:
    case FT_LIST:
    case FT_UNSET:
        break;
    }
    return READ_WRONG;
}

static enum err read_field(struct ctx *ctx, const struct schema *schema, const struct field *field,
                           const bson_iter_t *iter, void *ret)
{
    void *at = field_at(field, ret);

    if (field->type == FT_OBJECT && BSON_ITER_HOLDS_DOCUMENT(iter))
        return read_object(ctx, field->sub, iter, at);
    if (field->type == FT_LIST && BSON_ITER_HOLDS_ARRAY(iter))
        return read_list(ctx, field, iter, at);
    switch (read_scalar(ctx->arena, field, iter, at)) {
    case READ_OK:
        field_mark_present(field, ret);
        return ERR_OK;
    case READ_NO_MEMORY:
        return no_memory(ctx);
    case READ_WRONG:
        break;
    }
    return wrong_type(ctx, schema, field_bson(field));
}

/* Documents have the order of their table unless someone else wrote them: the search begins where
 * the last one ended. */
static const struct field *find_field(const struct schema *schema, const char *key, size_t *next)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        size_t index = (*next + i) % schema->field_count;
        const struct field *field = &schema->fields[index];

        if (strcmp(field_bson(field), key) == 0 && field_is_stored(field)) {
            *next = index + 1;
            return field;
        }
    }
    return NULL;
}

enum err schema_from_bson(struct ctx *ctx, const struct schema *schema, const bson_t *doc,
                          void *ret)
{
    size_t next = 0;
    bson_iter_t iter;

    if (!bson_iter_init(&iter, doc))
        return wrong_type(ctx, schema, "document");
    while (bson_iter_next(&iter)) {
        const struct field *field = find_field(schema, bson_iter_key(&iter), &next);

        if (field != NULL && !BSON_ITER_HOLDS_NULL(&iter))
            TRY(read_field(ctx, schema, field, &iter, ret));
    }
    if (iter.err_off != 0)
        return wrong_type(ctx, schema, "document");
    return schema->loaded != NULL ? schema->loaded(ctx, ret) : ERR_OK;
}
