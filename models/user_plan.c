/* The ways to the users of a filter, the most promising first. */
#include "models/user_plan.h"

#include <string.h>

#include "models/tenant_records.h"
#include "models/user_plan_internal.h"
#include "models/user_standing.h"

/* By how few users a way is likely to meet: what is known without asking the database. */
enum rank {
    RANK_ONE = 0, /* one user at most */
    RANK_SOME,    /* as many as values are named */
    RANK_EQUAL,   /* one value of many */
    RANK_EQUALS,  /* some values of many */
    RANK_PREFIX,
    RANK_ORDER, /* the order's own index, without any of the filter */
    RANK_INTERVAL,
    RANK_HALF_OPEN,
    RANK_FEW_VALUES, /* one value of few */
    RANK_PRESENT,    /* whoever has the field */
    RANK_NONE,
};

struct planner {
    struct ctx *ctx;
    struct user_plan *plan;
    const struct user_filter *parts[USER_PLAN_PARTS]; /* what is joined by "and" */
    size_t part_count;
};

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for a plan");
}

/* ---- what an index serves ---- */

static enum rank rank_of(const struct user_plan *plan, const struct user_filter *filter)
{
    const struct user_field *field = &filter->field;

    if (filter->kind != FILTER_COMPARISON || !user_plan_has_index(plan, field) ||
        (field->standing && !user_standing_holds(filter)))
        return RANK_NONE;
    switch (filter->op) {
    case FILTER_EQ:
        if (field->unique)
            return RANK_ONE;
        return field->few ? RANK_FEW_VALUES : RANK_EQUAL;
    case FILTER_SW:
        return RANK_PREFIX;
    case FILTER_GT:
    case FILTER_GE:
    case FILTER_LT:
    case FILTER_LE:
        return RANK_HALF_OPEN;
    case FILTER_PR:
        return field->whole ? RANK_NONE : RANK_PRESENT;
    case FILTER_NE:
    case FILTER_CO:
    case FILTER_EW:
    case FILTER_NO_OPERATOR:
        break;
    }
    return RANK_NONE;
}

static bool is_same(const struct user_field *a, const struct user_field *b)
{
    return strcmp(a->element, b->element) == 0;
}

/* "f eq 1 or f eq 2 …" of one indexed field. */
static bool is_choice(const struct user_plan *plan, const struct user_filter *filter)
{
    if (filter->kind != FILTER_OR)
        return false;
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        if (part->op != FILTER_EQ || rank_of(plan, part) == RANK_NONE ||
            !is_same(&part->field, &filter->parts->field))
            return false;
    }
    return true;
}

/* The rank of what relax makes of it. */
static enum rank rank_within(const struct user_plan *plan, const struct user_filter *filter)
{
    enum rank rank = RANK_NONE;

    if (filter->kind == FILTER_COMPARISON)
        return rank_of(plan, filter);
    if (filter->kind == FILTER_NOT)
        return RANK_NONE;
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        const enum rank here = rank_within(plan, part);

        if (part == filter->parts || (filter->kind == FILTER_AND ? here < rank : here > rank))
            rank = here;
    }
    return rank;
}

/* ---- trees ---- */

static enum err copy(struct ctx *ctx, const struct user_filter *filter, struct user_filter **ret)
{
    *ret = arena_memdup(ctx->arena, filter, sizeof *filter);
    if (*ret == NULL)
        return no_memory(ctx);
    (*ret)->next = NULL;
    return ERR_OK;
}

/* An "and" has parts. */
__attribute__((returns_nonnull)) static const struct user_filter *
best_part(const struct user_plan *plan, const struct user_filter *filter)
{
    const struct user_filter *best = filter->parts;

    for (const struct user_filter *part = best->next; part != NULL; part = part->next) {
        if (rank_within(plan, part) < rank_within(plan, best))
            best = part;
    }
    return best;
}

/* Of an "and" the part that an index serves best, of an "or" that of each branch: a condition that
 * whoever meets the filter meets too. *ret_exact: and nobody else. */
static enum err relax(struct planner *planner, const struct user_filter *filter, bool *ret_exact,
                      struct user_filter **ret_relaxed)
{
    struct user_filter *last = NULL;

    if (filter->kind == FILTER_COMPARISON)
        return copy(planner->ctx, filter, ret_relaxed);
    if (filter->kind == FILTER_AND) {
        *ret_exact = false;
        return relax(planner, best_part(planner->plan, filter), ret_exact, ret_relaxed);
    }
    TRY(copy(planner->ctx, filter, ret_relaxed));
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        struct user_filter *own = NULL;

        TRY(relax(planner, part, ret_exact, &own));
        if (last == NULL)
            (*ret_relaxed)->parts = own;
        else
            last->next = own;
        last = own;
    }
    return ERR_OK;
}

/* Joins parts of the filter: those whose place in it is marked, or those that are not. */
static enum err join(struct planner *planner, const bool *marked, bool which,
                     const struct user_filter **ret_list)
{
    struct user_filter *last = NULL;

    for (size_t i = 0; i < planner->part_count; i++) {
        struct user_filter *own = NULL;

        if (marked[i] != which)
            continue;
        TRY(copy(planner->ctx, planner->parts[i], &own));
        if (last == NULL)
            *ret_list = own;
        else
            last->next = own;
        last = own;
    }
    return ERR_OK;
}

/* ---- ways ---- */

/* The best ways, in order; of equals the one that stands first in the filter. */
static void add_way(struct user_plan *plan, const struct user_way *way)
{
    size_t place = plan->count;

    while (place > 0 && plan->ways[place - 1].rank > way->rank)
        place--;
    if (place == USER_PLAN_WAYS)
        return;
    plan->count += plan->count < USER_PLAN_WAYS;
    for (size_t i = plan->count - 1; i > place; i--)
        plan->ways[i] = plan->ways[i - 1];
    plan->ways[place] = *way;
}

/* The bounds of one field, of all parts that name it. */
struct bounds {
    bool marked[USER_PLAN_PARTS];
    bool equal, below, above;
    enum rank rank;
};

static void take_bound(struct bounds *bounds, size_t place, const struct user_filter *part,
                       enum rank rank)
{
    bounds->marked[place] = true;
    bounds->equal = bounds->equal || part->op == FILTER_EQ;
    bounds->below = bounds->below || part->op == FILTER_GT || part->op == FILTER_GE;
    bounds->above = bounds->above || part->op == FILTER_LT || part->op == FILTER_LE;
    if (rank < bounds->rank)
        bounds->rank = rank;
}

static enum err make_way(struct planner *planner, const struct user_field *field,
                         struct bounds *bounds, struct user_way *ret_way)
{
    *ret_way = (struct user_way){.kind = USER_WAY_INDEX,
                                 .field = *field,
                                 .index = field->index,
                                 .rank = (int)bounds->rank,
                                 .equal = bounds->equal,
                                 .one = bounds->equal && field->unique,
                                 .bounded = bounds->equal && field->unique};
    if (bounds->rank == RANK_HALF_OPEN && bounds->below && bounds->above)
        ret_way->rank = RANK_INTERVAL;
    TRY(join(planner, bounds->marked, true, &ret_way->served));
    return join(planner, bounds->marked, false, &ret_way->rest);
}

/* All that this field's index can do. */
static enum err read_bounds(struct planner *planner, const struct user_field *field,
                            struct bounds **ret_bounds)
{
    struct bounds *bounds = ARENA_NEW(planner->ctx->arena, struct bounds);

    if (bounds == NULL)
        return no_memory(planner->ctx);
    bounds->rank = RANK_NONE;
    for (size_t i = 0; i < planner->part_count; i++) {
        const struct user_filter *part = planner->parts[i];
        const enum rank rank = rank_of(planner->plan, part);

        if (rank != RANK_NONE && is_same(&part->field, field))
            take_bound(bounds, i, part, rank);
    }
    *ret_bounds = bounds;
    return ERR_OK;
}

/* A field's way is made at the first part that names it. */
static bool is_first_of_field(const struct planner *planner, size_t place)
{
    for (size_t i = 0; i < place; i++) {
        if (rank_of(planner->plan, planner->parts[i]) != RANK_NONE &&
            is_same(&planner->parts[i]->field, &planner->parts[place]->field))
            return false;
    }
    return true;
}

static enum err add_field_way(struct planner *planner, size_t place)
{
    const struct user_field *field = &planner->parts[place]->field;
    struct bounds *bounds = NULL;
    struct user_way way;

    if (!is_first_of_field(planner, place))
        return ERR_OK;
    TRY(read_bounds(planner, field, &bounds));
    TRY(make_way(planner, field, bounds, &way));
    add_way(planner->plan, &way);
    return ERR_OK;
}

static enum err add_choice_way(struct planner *planner, size_t place)
{
    const struct user_field *field = &planner->parts[place]->parts->field;
    const enum rank several = field->few ? RANK_FEW_VALUES : RANK_EQUALS;
    struct bounds *bounds = ARENA_NEW(planner->ctx->arena, struct bounds);
    struct user_way way;

    if (bounds == NULL)
        return no_memory(planner->ctx);
    bounds->equal = true;
    bounds->marked[place] = true;
    bounds->rank = field->unique ? RANK_SOME : several;
    TRY(make_way(planner, field, bounds, &way));
    way.one = false;
    add_way(planner->plan, &way);
    return ERR_OK;
}

/* The names of the indexes that serve the branches, each once. */
static void name_indexes(const struct user_filter *filter, struct buf *out)
{
    if (filter->kind == FILTER_COMPARISON && !user_plan_names(out, filter->field.index)) {
        buf_puts(out, out->size > 0 ? ", " : "");
        buf_puts(out, filter->field.index);
    }
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next)
        name_indexes(part, out);
}

static enum err add_several_way(struct planner *planner, size_t place)
{
    struct user_way way = {.kind = USER_WAY_SEVERAL};
    bool *marked = arena_array(planner->ctx->arena, USER_PLAN_PARTS, sizeof *marked);
    struct user_filter *relaxed = NULL;
    bool exact = true;
    struct buf text;

    if (marked == NULL)
        return no_memory(planner->ctx);
    way.rank = (int)rank_within(planner->plan, planner->parts[place]);
    TRY(relax(planner, planner->parts[place], &exact, &relaxed));
    way.served = relaxed;
    marked[place] = exact;
    TRY(join(planner, marked, false, &way.rest));
    buf_init(&text, planner->ctx->arena, 8192);
    name_indexes(relaxed, &text);
    way.index = buf_text(&text);
    if (way.index == NULL)
        return no_memory(planner->ctx);
    add_way(planner->plan, &way);
    return ERR_OK;
}

static enum err add_filter_ways(struct planner *planner)
{
    for (size_t i = 0; i < planner->part_count; i++) {
        const struct user_filter *part = planner->parts[i];

        if (rank_of(planner->plan, part) != RANK_NONE)
            TRY(add_field_way(planner, i));
        else if (is_choice(planner->plan, part))
            TRY(add_choice_way(planner, i));
        else if (part->kind == FILTER_OR && rank_within(planner->plan, part) != RANK_NONE)
            TRY(add_several_way(planner, i));
    }
    return ERR_OK;
}

/* When nothing else serves: once more, without case. */
static enum err add_ways_without_case(struct planner *planner)
{
    struct user_plan *plan = planner->plan;

    if (plan->count > 0 || !user_plan_may_ignore_case(planner->ctx, plan))
        return ERR_OK;
    plan->ignores_case = true;
    TRY(add_filter_ways(planner));
    plan->ignores_case = plan->count > 0;
    return ERR_OK;
}

/* ---- the order ---- */

static bool is_id(const struct user_field *field)
{
    return strcmp(field->element, "_id") == 0;
}

/* Nobody chose one: the one that costs nothing. */
static void choose_order(struct user_plan *plan)
{
    const struct user_way *best = &plan->ways[0];

    if (plan->count == 0 || best->kind != USER_WAY_INDEX || best->equal || is_id(&best->field))
        return;
    plan->order.fields[0] = best->field;
    plan->order.count = 1;
}

bool user_plan_gives_order(const struct user_way *way, const struct user_order *order)
{
    if (way->one)
        return true;
    if (way->kind == USER_WAY_SEVERAL)
        return false;
    if (order->count == 0)
        return way->kind == USER_WAY_ALL || is_id(&way->field) ||
               (way->equal && !way->field.unique);
    if (way->kind == USER_WAY_ALL || way->field.standing ||
        !is_same(&order->fields[0], &way->field))
        return false;
    return way->field.unique || (order->count == 1 && order->id_down == order->down[0]);
}

/* Whoever is in the list has the field: some part says so. */
static bool is_asked_for(const struct planner *planner, const struct user_field *field)
{
    for (size_t i = 0; i < planner->part_count; i++) {
        if (planner->parts[i]->kind == FILTER_COMPARISON &&
            is_same(&planner->parts[i]->field, field))
            return true;
    }
    return false;
}

/* Along the index of the order's first field, all of the filter being the rest. Users that are not
 * in it would be missed: it serves when there can be none. */
static enum err add_order_way(struct planner *planner)
{
    struct user_plan *plan = planner->plan;
    const struct user_field *field = &plan->order.fields[0];
    struct user_field id;
    struct bounds *bounds = NULL;
    struct user_way way;

    if (plan->order.count == 0) {
        if (plan->filter != NULL)
            return ERR_OK;
        TRY(user_field_find(planner->ctx, "id", &id));
        field = &id;
    }
    if (!user_plan_has_index(plan, field) || field->standing ||
        !(field->whole || field->always || is_asked_for(planner, field)))
        return ERR_OK;
    TRY(read_bounds(planner, field, &bounds));
    if (bounds->rank != RANK_NONE) /* it is among the ways already */
        return ERR_OK;
    bounds->rank = RANK_ORDER;
    TRY(make_way(planner, field, bounds, &way));
    if (user_plan_gives_order(&way, &plan->order))
        add_way(plan, &way);
    return ERR_OK;
}

/* ---- small tenants ---- */

static enum err is_small(struct ctx *ctx, bool *ret_small)
{
    struct tenant_usage usage = {.users = 0};
    const enum err found = tenant_usage_get(ctx, &usage);

    *ret_small = found == ERR_OK && usage.users <= USER_PLAN_SMALL;
    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

static enum err add_way_of_all(struct planner *planner)
{
    bool *none = arena_array(planner->ctx->arena, USER_PLAN_PARTS, sizeof *none);
    struct user_way way = {.kind = USER_WAY_ALL, .rank = RANK_NONE, .bounded = true};

    if (none == NULL)
        return no_memory(planner->ctx);
    TRY(join(planner, none, false, &way.rest));
    add_way(planner->plan, &way);
    return ERR_OK;
}

/* ---- all ---- */

static void collect(struct planner *planner, const struct user_filter *filter)
{
    if (filter->kind != FILTER_AND) {
        if (planner->part_count < USER_PLAN_PARTS)
            planner->parts[planner->part_count++] = filter;
        return;
    }
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next)
        collect(planner, part);
}

static enum err add_ways(struct planner *planner, bool has_order)
{
    struct user_plan *plan = planner->plan;
    bool small = false;

    TRY(add_filter_ways(planner));
    TRY(add_ways_without_case(planner));
    if (!has_order)
        choose_order(plan);
    if (plan->filter == NULL || plan->count > 0)
        TRY(add_order_way(planner));
    if (plan->count > 0)
        return ERR_OK;
    TRY(is_small(planner->ctx, &small));
    if (!small)
        return plan->filter != NULL ? user_plan_refuse_filter(planner->ctx, plan)
                                    : user_plan_refuse_order(planner->ctx, plan);
    return add_way_of_all(planner);
}

enum err user_plan_make(struct ctx *ctx, bool has_order, struct user_plan *plan)
{
    struct planner *planner = ARENA_NEW(ctx->arena, struct planner);

    if (planner == NULL)
        return no_memory(ctx);
    *planner = (struct planner){.ctx = ctx, .plan = plan};
    plan->ignores_case =
        user_filter_ignores_case(plan->filter) || user_order_ignores_case(&plan->order);
    if (plan->ignores_case)
        TRY(user_filter_check_case(ctx, plan->filter));
    if (plan->filter != NULL)
        collect(planner, plan->filter);
    TRY(add_ways(planner, has_order));
    for (size_t i = 0; i < plan->count; i++)
        plan->ways[i].ordered = user_plan_gives_order(&plan->ways[i], &plan->order);
    return ERR_OK;
}
