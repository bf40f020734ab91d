/*
 * The language of filters (api.md §7): RFC 7644 §3.4.2.2 without value paths.
 *
 *     or      = and *("or" and)
 *     and     = term *("and" term)
 *     term    = ["not"] "(" or ")" / path "pr" / path operator value
 *     value   = a JSON string, number, true, false or null
 *
 * Words of the language are taken in any case, paths and values as they are. A text becomes a tree
 * in the ctx's arena; what its paths mean and which values they take is the caller's to say
 * (models/user_filter.h). Length, nesting and the number of comparisons are bounded, and with the
 * nesting the stack. Any thread.
 */
#pragma once

#include <stddef.h>

#include "app/ctx.h"
#include "app/value.h"

#define FILTER_MAX_BYTES       4096
#define FILTER_MAX_DEPTH       32
#define FILTER_MAX_COMPARISONS 100

enum filter_kind { FILTER_UNSET = 0, FILTER_COMPARISON, FILTER_AND, FILTER_OR, FILTER_NOT };

enum filter_operator {
    FILTER_NO_OPERATOR = 0,
    FILTER_EQ,
    FILTER_NE,
    FILTER_CO, /* contains */
    FILTER_SW, /* begins with */
    FILTER_EW, /* ends with */
    FILTER_GT,
    FILTER_GE,
    FILTER_LT,
    FILTER_LE,
    FILTER_PR, /* is there and not empty: no value */
};

struct filter {
    enum filter_kind kind;
    const struct filter *parts; /* of AND and OR two or more, of NOT one */
    const struct filter *next;  /* beside it, in the same AND or OR */
    /* Of a comparison: */
    enum filter_operator op;
    const char *path;
    struct value value; /* null, a boolean, a number, a string; UNSET with pr */
    size_t place;       /* of the path in the text; the first character is 1 */
    size_t op_place;    /* … of the operator, the value */
    size_t value_place;
};

/* ERR_FILTER with the place, what stands there and what could. */
CHECKED enum err filter_parse(struct ctx *ctx, const char *text, const struct filter **ret_filter);
/* "eq" */
const char *filter_operator_name(enum filter_operator op);
/* ERR_FILTER: "At character 12: …". */
enum err filter_refuse(struct ctx *ctx, size_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
