/*
 * A filter of users whose fields, operators and values have been checked against what users have
 * (models/user_field.h), and its form for the database. What it means is fixed in docs/adr/0022:
 * exact comparisons but for user names, addresses and fields whose index ignores case; a user
 * without the field meets no comparison; not is the plain complement; of a list any element will
 * do. Nothing of the text becomes an operator, a name that is not a field's, or a pattern that is
 * not escaped. Any thread.
 */
#pragma once

#include "app/bson_auto.h"
#include "app/ctx.h"
#include "app/filter.h"
#include "models/user_field.h"
#include "models/user_value.h"

struct user_filter {
    enum filter_kind kind;
    const struct user_filter *parts, *next; /* as in struct filter */
    /* Of a comparison: */
    struct user_field field;
    enum filter_operator op;
    struct user_value value;
    size_t place;
};

/* ERR_FILTER. */
CHECKED enum err user_filter_read(struct ctx *ctx, const char *text,
                                  const struct user_filter **ret_filter);
/* Whether something in it compares without case, so that the whole query does: filter may be NULL.
 */
bool user_filter_ignores_case(const struct user_filter *filter);
/* What cannot be asked in a query that ignores case: ERR_FILTER. */
CHECKED enum err user_filter_check_case(struct ctx *ctx, const struct user_filter *filter);
/* The query document. */
CHECKED enum err user_filter_put(struct ctx *ctx, const struct user_filter *filter,
                                 bool ignores_case, bson_t *out);
