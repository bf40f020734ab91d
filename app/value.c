/* Looking into a parsed tree. */
#include "app/value.h"

#include <string.h>

const struct value *value_get(const struct value *value, const char *name)
{
    if (value == NULL || value->type != VALUE_OBJECT)
        return NULL;
    for (size_t i = 0; i < value->object.count; i++) {
        if (strcmp(value->object.members[i].name, name) == 0)
            return &value->object.members[i].value;
    }
    return NULL;
}

const char *value_type_name(enum value_type type)
{
    switch (type) {
    case VALUE_NULL:
        return "null";
    case VALUE_BOOL:
        return "a boolean";
    case VALUE_INT:
        return "an integer";
    case VALUE_REAL:
        return "a number";
    case VALUE_STRING:
        return "a string";
    case VALUE_ARRAY:
        return "an array";
    case VALUE_OBJECT:
        return "an object";
    case VALUE_UNSET:
        break;
    }
    return "nothing";
}
