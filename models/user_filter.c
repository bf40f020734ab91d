/* From the tree of a text to one of checked comparisons. */
#include "models/user_filter.h"

#include "models/user_field.h"

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for a filter");
}

/* ---- one comparison ---- */

static enum err find_field(struct ctx *ctx, const struct filter *filter,
                           struct user_field *ret_field)
{
    const enum err found = user_field_find(ctx, filter->path, ret_field);

    if (found == ERR_NOT_FOUND)
        return filter_refuse(ctx, filter->place, "there is no field %s; there are %s.",
                             filter->path, user_field_names);
    if (found == ERR_FORBIDDEN)
        return filter_refuse(ctx, filter->place,
                             "%s is stored encrypted, so nobody can be found by it.", filter->path);
    return found;
}

static bool is_order(enum filter_operator op)
{
    return op == FILTER_GT || op == FILTER_GE || op == FILTER_LT || op == FILTER_LE;
}

static bool is_part_of_text(enum filter_operator op)
{
    return op == FILTER_CO || op == FILTER_SW || op == FILTER_EW;
}

static bool is_plain_text(const struct user_filter *comparison)
{
    return comparison->value.type == USER_VALUE_TEXT && comparison->field.text != USER_TEXT_ROLE;
}

/* Which operators go with a value of that kind. */
static enum err check_operator(struct ctx *ctx, const struct filter *filter,
                               const struct user_filter *comparison)
{
    const struct user_value *value = &comparison->value;
    const char *name = filter_operator_name(filter->op);
    const bool has_order = value->type != USER_VALUE_NULL && value->type != USER_VALUE_BOOL &&
                           (value->type != USER_VALUE_TEXT || is_plain_text(comparison));

    if (is_part_of_text(filter->op) && !is_plain_text(comparison))
        return filter_refuse(ctx, filter->op_place,
                             "%s looks into texts; %s goes with eq, ne%s and pr here.", name,
                             filter->path, has_order ? ", gt, ge, lt, le" : "");
    if (is_order(filter->op) && !has_order)
        return filter_refuse(ctx, filter->op_place,
                             "%s needs an order; %s goes with eq, ne and pr here.", name,
                             filter->path);
    if (is_order(filter->op) && comparison->field.ignores_case)
        return filter_refuse(ctx, filter->op_place,
                             "%s goes with eq, ne, co, sw, ew and pr: it is compared without case, "
                             "which gives texts no exact order.",
                             filter->path);
    return ERR_OK;
}

static enum err read_comparison(struct ctx *ctx, const struct filter *filter,
                                struct user_filter *comparison)
{
    bool fits = false;

    TRY(find_field(ctx, filter, &comparison->field));
    comparison->op = filter->op;
    comparison->place = filter->place;
    if (filter->op == FILTER_PR)
        return ERR_OK;
    TRY(user_value_read(ctx, &comparison->field, &filter->value, &fits, &comparison->value));
    if (!fits)
        return filter_refuse(
            ctx, filter->value_place, "%s takes %s, not %s.", filter->path,
            user_field_takes(ctx, &comparison->field),
            filter->value.type == VALUE_STRING ? "this text" : value_type_name(filter->value.type));
    return check_operator(ctx, filter, comparison);
}

/* ---- the tree ---- */

static enum err read_tree(struct ctx *ctx, const struct filter *filter,
                          struct user_filter *ret_filter)
{
    struct user_filter *last = NULL;

    ret_filter->kind = filter->kind;
    if (filter->kind == FILTER_COMPARISON)
        return read_comparison(ctx, filter, ret_filter);
    for (const struct filter *part = filter->parts; part != NULL; part = part->next) {
        struct user_filter *own = ARENA_NEW(ctx->arena, struct user_filter);

        if (own == NULL)
            return no_memory(ctx);
        TRY(read_tree(ctx, part, own));
        if (last == NULL)
            ret_filter->parts = own;
        else
            last->next = own;
        last = own;
    }
    return ERR_OK;
}

enum err user_filter_read(struct ctx *ctx, const char *text, const struct user_filter **ret_filter)
{
    struct user_filter *own = ARENA_NEW(ctx->arena, struct user_filter);
    const struct filter *filter = NULL;

    if (own == NULL)
        return no_memory(ctx);
    TRY(filter_parse(ctx, text, &filter));
    TRY(read_tree(ctx, filter, own));
    *ret_filter = own;
    return ERR_OK;
}

/* ---- one collation for all of it ---- */

static bool needs_collation(const struct user_filter *comparison)
{
    return comparison->field.ignores_case &&
           (comparison->op == FILTER_EQ || comparison->op == FILTER_NE ||
            comparison->op == FILTER_SW);
}

bool user_filter_ignores_case(const struct user_filter *filter)
{
    if (filter == NULL)
        return false;
    if (filter->kind == FILTER_COMPARISON)
        return needs_collation(filter);
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        if (user_filter_ignores_case(part))
            return true;
    }
    return false;
}

enum err user_filter_check_case(struct ctx *ctx, const struct user_filter *filter)
{
    if (filter == NULL)
        return ERR_OK;
    if (filter->kind == FILTER_COMPARISON && is_order(filter->op) && is_plain_text(filter))
        return filter_refuse(ctx, filter->place,
                             "%s %s cannot be asked together with a field that is compared or "
                             "sorted without case: one query has one order of texts.",
                             filter->field.name, filter_operator_name(filter->op));
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next)
        TRY(user_filter_check_case(ctx, part));
    return ERR_OK;
}
