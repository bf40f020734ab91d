/* What a plan that reaches nobody says: what to index, or to ask instead. */
#include "models/user_plan_internal.h"

#include <string.h>

bool user_plan_names(const struct buf *out, const char *word)
{
    return out->size > 0 && strstr(out->data, word) != NULL;
}

struct names {
    struct buf text;
    size_t count;
};

#define NAMES_MAX 5

static bool can_be_indexed(const struct user_field *field)
{
    const unsigned types = field->types;

    return strncmp(field->name, "custom_fields.", 14) == 0 && field->index == NULL &&
           (types == SHAPE_ANY ||
            (!field->many && (types == SHAPE_STRING || types == SHAPE_INTEGER ||
                              types == SHAPE_NUMBER || types == SHAPE_BOOLEAN)));
}

static void name_field(struct names *list, const struct user_field *field)
{
    if (list->count >= NAMES_MAX || !can_be_indexed(field) ||
        user_plan_names(&list->text, field->name))
        return;
    buf_puts(&list->text, list->count++ > 0 ? ", " : "");
    buf_puts(&list->text, field->name);
}

static void name_fields(struct names *list, const struct user_filter *filter)
{
    if (filter->kind == FILTER_COMPARISON)
        name_field(list, &filter->field);
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next)
        name_fields(list, part);
}

/* "Give one of … an \"x-index\" in the schema, or " */
static const char *advice(struct ctx *ctx, const struct user_plan *plan)
{
    struct names list = {.count = 0};

    buf_init(&list.text, ctx->arena, 32768);
    if (plan->filter != NULL)
        name_fields(&list, plan->filter);
    if (list.count == 0 || !buf_ok(&list.text))
        return "";

    const char *text = arena_printf(ctx->arena, "give %s%s \"x-index\": true in the schema, or ",
                                    list.count > 1 ? "one of " : "", buf_text(&list.text));

    return text != NULL ? text : "";
}

/* A field whose index has another idea of case than the query: NULL when there is none. */
static const char *of_other_case(const struct user_plan *plan, const struct user_filter *filter)
{
    const struct user_field *field = &filter->field;
    const char *found = NULL;

    if (filter->kind == FILTER_COMPARISON)
        return field->index != NULL && !field->many && !user_plan_has_index(plan, field)
                   ? field->name
                   : NULL;
    for (const struct user_filter *part = filter->parts; part != NULL && found == NULL;
         part = part->next)
        found = of_other_case(plan, part);
    return found;
}

enum err user_plan_refuse_filter(struct ctx *ctx, const struct user_plan *plan)
{
    const char *other = of_other_case(plan, plan->filter);

    if (other != NULL)
        return fail(ctx, ERR_FILTER_INDEX, "filter",
                    "The tenant has more than %d users and no index serves this filter: one query "
                    "compares all texts with case or without, so the index of %s is of no use "
                    "here. Ask by it in a query of its own, or join by \"and\" a comparison of id, "
                    "created_at or an indexed number or date.",
                    USER_PLAN_SMALL, other);
    return fail(
        ctx, ERR_FILTER_INDEX, "filter",
        "The tenant has more than %d users and no index serves this filter: %sjoin to it by "
        "\"and\" a comparison of id, username, email, created_at or an indexed field. An "
        "index serves eq, sw, gt, ge, lt, le and pr.",
        USER_PLAN_SMALL, advice(ctx, plan));
}

enum err user_plan_refuse_order(struct ctx *ctx, const struct user_plan *plan)
{
    const struct user_field *field = &plan->order.fields[0];

    if (user_plan_has_index(plan, field) &&
        user_plan_gives_order(&(struct user_way){.kind = USER_WAY_INDEX, .field = *field},
                              &plan->order))
        return fail(ctx, ERR_FILTER_INDEX, "sort",
                    "The tenant has more than %d users, and those without %s are in no index: ask "
                    "for the others with the filter \"%s pr\".",
                    USER_PLAN_SMALL, field->name, field->name);
    return fail(
        ctx, ERR_FILTER_INDEX, "sort",
        "The tenant has more than %d users and no index gives this order: sort by one field "
        "that is indexed, or add a filter that finds fewer.",
        USER_PLAN_SMALL);
}

enum err user_plan_refuse(struct ctx *ctx, const struct user_plan *plan, int64_t budget)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->ways[i].ordered)
            return fail(
                ctx, ERR_FILTER_INDEX, "filter",
                "%lld users were looked at by %s without one that meets the filter: %sadd a "
                "comparison of an indexed field that fewer users meet.",
                (long long)budget, plan->ways[i].index, advice(ctx, plan));
    }
    return fail(ctx, ERR_FILTER_INDEX, "sort",
                "The filter's index finds more than %lld users, too many to sort: %ssort by an "
                "indexed field alone, or add a comparison that fewer users meet.",
                (long long)budget, advice(ctx, plan));
}
