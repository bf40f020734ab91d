/*
 * Regular expressions that tenants write (the keyword "pattern"): the only user of PCRE2. A pattern
 * is compiled into an arena and lives as long as that. What cannot be matched in bounded time is
 * refused when it is compiled (back-references, recursion, wide repeats); the rest runs under a
 * budget of steps, so that no text makes a match last longer than some milliseconds. A compiled
 * pattern is any thread's; a matcher is one thread's.
 */
#pragma once

#include <stddef.h>

#include "app/ctx.h"

#define PATTERN_MAX_BYTES   256  /* of a pattern */
#define PATTERN_MAX_SUBJECT 4096 /* bytes of a text that is tried against one */
#define PATTERN_MAX_REPEAT  1000 /* in {n,m} */

struct pattern;
struct matcher;

/* NULL with the sentence in ret_problem when it is not valid or not allowed. ERR_MEMORY. */
CHECKED enum err pattern_compile(struct ctx *ctx, const char *text, struct pattern **ret_pattern,
                                 const char **ret_problem);

/* What matching needs, once for any number of matches; in the ctx's arena. */
CHECKED enum err matcher_new(struct ctx *ctx, struct matcher **ret_matcher);

enum match {
    MATCH_UNSET = 0,
    MATCH_YES,
    MATCH_NO,
    MATCH_TOO_LONG,   /* more than PATTERN_MAX_SUBJECT bytes */
    MATCH_TOO_COSTLY, /* the budget was spent */
};

/* Whether the pattern is found anywhere in the text, which is valid UTF-8. */
CHECKED enum err pattern_match(struct matcher *matcher, const struct pattern *pattern,
                               const char *text, size_t length, enum match *ret_match);
