/*
 * One field of a table against one struct: what the parts of schema.c share. Nobody else needs it.
 * Pure functions, any thread.
 */
#pragma once

#include "app/schema.h"

static inline const void *field_get(const struct field *field, const void *struct_ptr)
{
    return (const char *)struct_ptr + field->offset;
}

static inline void *field_at(const struct field *field, void *struct_ptr)
{
    return (char *)struct_ptr + field->offset;
}

static inline const char *field_bson(const struct field *field)
{
    return field->bson != NULL ? field->bson : field->name;
}

/* Whether the struct holds a value of the field (schema.h: "absent"). */
bool field_is_present(const struct field *field, const void *struct_ptr);
/* Makes it absent. */
void field_clear(const struct field *field, void *struct_ptr);
/* Sets the bool beside an optional integer or boolean. */
void field_mark_present(const struct field *field, void *struct_ptr);
/* Whether it may be in JSON that comes in, in JSON that goes out, in BSON. */
bool field_enters(const struct field *field);
bool field_leaves(const struct field *field);
bool field_is_stored(const struct field *field);
/* Lists, documents and embedded objects: absent and empty are the same to a reader. */
bool field_may_be_empty(const struct field *field);
/* Whether JSON names it even when it is absent: as null, [] or {}. */
bool field_leaves_absent(const struct field *field);
/* Whether every JSON object that goes out has it. */
bool field_always_leaves(const struct field *field);
/* The name of an FT_ENUM's value, or NULL when unset or out of the list. */
const char *field_enum_name(const struct field *field, const void *struct_ptr);
/* Length of the closed list from first on. */
size_t field_value_count(const struct field *field);
/* The closed list without the unset entry of an FT_ENUM; NULL when there is none. */
const char *const *field_closed_list(const struct field *field);
