/* What the planner and its refusals share; nobody else needs it. Any thread. */
#pragma once

#include "app/buf.h"
#include "models/user_plan.h"

/* The field has one, and the query compares texts as it does. */
bool user_plan_has_index(const struct user_plan *plan, const struct user_field *field);
/* The filter asks whether fields are there whose indexes have no case, and would mean the same in a
 * query that compares without case. */
bool user_plan_may_ignore_case(struct ctx *ctx, const struct user_plan *plan);
bool user_plan_gives_order(const struct user_way *way, const struct user_order *order);
/* Whether the word stands in the text already. */
bool user_plan_names(const struct buf *out, const char *word);

/* ERR_FILTER_INDEX: no way serves the filter; none gives the order. */
enum err user_plan_refuse_filter(struct ctx *ctx, const struct user_plan *plan);
enum err user_plan_refuse_order(struct ctx *ctx, const struct user_plan *plan);
