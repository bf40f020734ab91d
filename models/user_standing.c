/* Comparisons that the index of administrators, owners and the deactivated serves. */
#include "models/user_standing.h"

#include <string.h>

#include "models/user.h"

#define ACTIVE "is_active"

bool user_standing_holds(const struct user_filter *comparison)
{
    const struct user_value *value = &comparison->value;

    if (comparison->op != FILTER_EQ)
        return false;
    return value->type == USER_VALUE_TEXT ? strcmp(value->text, role_names[ROLE_USER]) != 0
                                          : value->type == USER_VALUE_BOOL && !value->boolean;
}

bool user_standing_is_choice(const struct user_filter *filter)
{
    if (filter->kind != FILTER_OR)
        return false;
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        if (part->kind != FILTER_COMPARISON || part->op != FILTER_EQ || !part->field.standing ||
            strcmp(part->field.element, filter->parts->field.element) != 0)
            return false;
    }
    return true;
}

void user_standing_put_other(const struct user_field *field, bson_t *out)
{
    const bool is_active = strcmp(field->element, ACTIVE) == 0;
    bson_t range, list;

    bson_append_document_begin(out, is_active ? "role" : ACTIVE, -1, &range);
    BSON_APPEND_ARRAY_BEGIN(&range, "$in", &list);
    if (is_active) {
        bson_put_text(&list, "0", role_names[ROLE_USER]);
        bson_put_text(&list, "1", role_names[ROLE_ADMIN]);
        bson_put_text(&list, "2", role_names[ROLE_OWNER]);
    } else {
        bson_put_bool(&list, "0", false);
        bson_put_bool(&list, "1", true);
    }
    bson_append_array_end(&range, &list);
    bson_append_document_end(out, &range);
}
