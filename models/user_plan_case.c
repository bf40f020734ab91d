/* What the case of texts has to do with indexes: a query has one collation, and so has an index. */
#include "models/user_plan_internal.h"

static bool is_plain_text(const struct user_field *field)
{
    return (field->types & SHAPE_STRING) != 0 &&
           (field->text == USER_TEXT_PLAIN || field->text == USER_TEXT_CANONICAL);
}

/* An index of texts has its own idea of case. */
bool user_plan_has_index(const struct user_plan *plan, const struct user_field *field)
{
    if (field->index == NULL || field->many)
        return false;
    if (field->standing)
        return !plan->ignores_case;
    return !is_plain_text(field) || field->ignores_case == plan->ignores_case;
}

/* What pr means hangs on no case, so that alone it asks for no collation; the index of a field
 * without case serves it only in a query that has one. */
static bool asks_presence_without_case(const struct user_filter *filter)
{
    if (filter->kind == FILTER_COMPARISON)
        return filter->op == FILTER_PR && filter->field.ignores_case;
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        if (asks_presence_without_case(part))
            return true;
    }
    return false;
}

static bool has_exact_text(const struct user_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        if (is_plain_text(&order->fields[i]) && !order->fields[i].ignores_case)
            return true;
    }
    return false;
}

bool user_plan_may_ignore_case(struct ctx *ctx, const struct user_plan *plan)
{
    if (plan->ignores_case || plan->filter == NULL || !asks_presence_without_case(plan->filter) ||
        has_exact_text(&plan->order))
        return false;

    const enum err checked = user_filter_check_case(ctx, plan->filter);

    fail_clear(ctx);
    return checked == ERR_OK;
}
