/* Field tables: what one field means, and whether a table makes sense. */
#include "app/schema.h"

#include <string.h>

#include "app/field.h"

#define MAX_FIELDS  64 /* bits of a mask */
#define MAX_NESTING 8

bool strs_has(const struct strs *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

bool field_is_present(const struct field *field, const void *struct_ptr)
{
    const void *at = field_get(field, struct_ptr);

    switch (field->type) {
    case FT_STR:
        return *(const char *const *)at != NULL;
    case FT_UUID:
        return !uuid_is_zero(at);
    case FT_TIME:
        return *(const int64_t *)at != 0;
    case FT_INT:
    case FT_BOOL:
        return field->has_offset == 0 ||
               *(const bool *)((const char *)struct_ptr + field->has_offset);
    case FT_ENUM:
        return field_enum_name(field, struct_ptr) != NULL;
    case FT_BYTES:
    case FT_DOC:
        return ((const struct bytes *)at)->data != NULL;
    case FT_STRS:
        return ((const struct strs *)at)->items != NULL;
    case FT_LIST:
        return ((const struct list *)at)->items != NULL;
    case FT_OBJECT:
        for (size_t i = 0; i < field->sub->field_count; i++) {
            if (field_is_present(&field->sub->fields[i], at))
                return true;
        }
        return false;
    case FT_UNSET:
        break;
    }
    return false;
}

static size_t field_size(const struct field *field)
{
    switch (field->type) {
    case FT_STR:
        return sizeof(const char *);
    case FT_UUID:
        return sizeof(struct uuid);
    case FT_TIME:
    case FT_INT:
        return sizeof(int64_t);
    case FT_BOOL:
        return sizeof(bool);
    case FT_ENUM:
        return sizeof(int);
    case FT_BYTES:
    case FT_DOC:
        return sizeof(struct bytes);
    case FT_STRS:
        return sizeof(struct strs);
    case FT_LIST:
        return sizeof(struct list);
    case FT_OBJECT:
        return field->sub->size;
    case FT_UNSET:
        break;
    }
    return 0;
}

void field_clear(const struct field *field, void *struct_ptr)
{
    memset(field_at(field, struct_ptr), 0, field_size(field));
    if (field->has_offset != 0)
        *(bool *)((char *)struct_ptr + field->has_offset) = false;
}

void field_mark_present(const struct field *field, void *struct_ptr)
{
    if (field->has_offset != 0)
        *(bool *)((char *)struct_ptr + field->has_offset) = true;
}

bool field_enters(const struct field *field)
{
    return (field->flags & (F_READONLY | F_INTERNAL)) == 0 && field->type != FT_BYTES;
}

bool field_leaves(const struct field *field)
{
    return (field->flags & (F_SECRET | F_INTERNAL | F_WRITE_ONLY)) == 0 && field->type != FT_BYTES;
}

bool field_is_stored(const struct field *field)
{
    return (field->flags & (F_NOT_STORED | F_WRITE_ONLY)) == 0;
}

bool field_may_be_empty(const struct field *field)
{
    return field->type == FT_STRS || field->type == FT_LIST || field->type == FT_DOC ||
           field->type == FT_OBJECT;
}

bool field_leaves_absent(const struct field *field)
{
    return (field->flags & F_ALWAYS) != 0 ||
           ((field->flags & F_REQUIRED) != 0 && field_may_be_empty(field));
}

bool field_always_leaves(const struct field *field)
{
    if ((field->flags & (F_REQUIRED | F_ALWAYS)) != 0)
        return true;
    return (field->type == FT_INT || field->type == FT_BOOL) && field->has_offset == 0;
}

const char *const *field_closed_list(const struct field *field)
{
    if (field->values == NULL)
        return NULL;
    return field->type == FT_ENUM ? field->values + 1 : field->values;
}

size_t field_value_count(const struct field *field)
{
    const char *const *list = field_closed_list(field);
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

const char *field_enum_name(const struct field *field, const void *struct_ptr)
{
    int index = *(const int *)field_get(field, struct_ptr);

    if (index < 1 || (size_t)index > field_value_count(field))
        return NULL;
    return field->values[index];
}

int schema_field_index(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (strcmp(schema->fields[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

uint64_t schema_present(const struct schema *schema, const struct value *value)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < schema->field_count && i < MAX_FIELDS; i++) {
        if (value_get(value, schema->fields[i].name) != NULL)
            mask |= UINT64_C(1) << i;
    }
    return mask;
}

/* --- mistakes in a table --- */

static const char *check_limits(const struct field *field)
{
    switch (field->type) {
    case FT_STR:
    case FT_STRS:
        if (field->min < 0 || field->max < 1 || field->min > field->max)
            return "a text field without sensible lengths";
        break;
    case FT_INT:
        if (field->min > field->max || (field->min == 0 && field->max == 0))
            return "an integer field without a range";
        break;
    case FT_ENUM:
        if (field->values == NULL || field->values[0] != NULL || field->values[1] == NULL)
            return "an enum field whose list does not begin with NULL and a name";
        break;
    case FT_LIST:
    case FT_OBJECT:
        if (field->sub == NULL)
            return "an object or list field without sub";
        break;
    case FT_UNSET:
        return "a field without type";
    case FT_UUID:
    case FT_TIME:
    case FT_BOOL:
    case FT_BYTES:
    case FT_DOC:
        break;
    }
    if ((field->type == FT_LIST || field->type == FT_STRS) && field->max_items == 0)
        return "a list field without max_items";
    return NULL;
}

static const char *check_field(const struct schema *schema, const struct field *field)
{
    bool optional = field->has_offset != 0;
    const char *mistake = check_limits(field);

    if (mistake != NULL)
        return mistake;
    if (field->name == NULL || field->name[0] == '\0' || strpbrk(field->name, "\".$\\") != NULL)
        return "a field without a usable name";
    if (field->offset + field_size(field) > schema->size)
        return "a field outside its struct";
    if (optional && field->type != FT_INT && field->type != FT_BOOL)
        return "has_offset beside a field that is no integer or boolean";
    if (optional && (field->has_offset >= schema->size || field->has_offset == field->offset))
        return "a bad has_offset";
    if ((field->flags & F_REQUIRED) != 0 && (field->flags & F_NULL_CLEARS) != 0)
        return "a required field that null clears";
    if ((field->flags & F_WRITE_ONLY) != 0 && (field->flags & F_READONLY) != 0)
        return "a field that is write-only and read-only";
    if (field->check != NULL && field->type != FT_STR && field->type != FT_STRS)
        return "a check on a field that is no text";
    return NULL;
}

static bool is_repeated(const struct schema *schema, size_t index)
{
    const struct field *field = &schema->fields[index];

    for (size_t i = 0; i < index; i++) {
        const struct field *other = &schema->fields[i];

        if (strcmp(other->name, field->name) == 0)
            return true;
        if (field_is_stored(field) && field_is_stored(other) &&
            strcmp(field_bson(other), field_bson(field)) == 0)
            return true;
    }
    return false;
}

static const char *check_nested(const struct schema *schema, unsigned depth)
{
    if (depth > MAX_NESTING)
        return "tables nested too deep or in a circle";
    if (schema->name == NULL || schema->size == 0 || schema->fields == NULL)
        return "a table without name, size or fields";
    if (schema->field_count > MAX_FIELDS)
        return "a table with more than 64 fields";
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const char *mistake = check_field(schema, field);

        if (mistake == NULL && is_repeated(schema, i))
            mistake = "a name given twice";
        if (mistake == NULL && field->sub != NULL)
            mistake = check_nested(field->sub, depth + 1);
        if (mistake != NULL)
            return mistake;
    }
    return NULL;
}

const char *schema_check(const struct schema *schema)
{
    return check_nested(schema, 1);
}
