/*
 * How the database gets to the users that a filter asks for: by an index that serves a part of it,
 * along one that gives the order, or, in a small tenant, by looking at each. What no way reaches is
 * refused with the names of the fields to index. docs/adr/0022 has the reasons. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/user_filter.h"
#include "models/user_order.h"

#define USER_PLAN_SMALL 2000 /* users of a tenant that are looked at without an index */
#define USER_PLAN_WAYS  3
#define USER_PLAN_PARTS FILTER_MAX_COMPARISONS

enum user_way_kind {
    USER_WAY_UNSET = 0,
    USER_WAY_ALL,     /* every user, by ids */
    USER_WAY_INDEX,   /* one index: what of the filter it serves may be nothing */
    USER_WAY_SEVERAL, /* an "or" whose every branch is served by some index */
};

struct user_way {
    enum user_way_kind kind;
    int rank;                         /* lower is better */
    struct user_field field;          /* of USER_WAY_INDEX */
    const struct user_filter *served; /* conjuncts, by next; NULL = none */
    const struct user_filter *rest;   /* conjuncts; NULL = none */
    const char *index;                /* for people; names joined by ", " */
    bool one;                         /* at most one user */
    bool equal;                       /* one value, or some, of the field */
    bool ordered;                     /* the index gives the order */
    bool bounded;                     /* finds few by nature: no need to watch it */
};

struct user_plan {
    const struct user_filter *filter; /* NULL = all */
    struct user_order order;          /* as asked for, else as the best way gives it */
    bool ignores_case;
    struct user_way ways[USER_PLAN_WAYS]; /* to be tried in turn */
    size_t count;
};

/* plan->filter and ->order are set; has_order: somebody asked for it. ERR_FILTER_INDEX. */
CHECKED enum err user_plan_make(struct ctx *ctx, bool has_order, struct user_plan *plan);
/* ERR_FILTER_INDEX for a plan whose every way turned out too long. */
enum err user_plan_refuse(struct ctx *ctx, const struct user_plan *plan, int64_t budget);
