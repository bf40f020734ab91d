/* Values as pages say them: times, numbers. Texts live in the ctx's arena; NULL without memory. */
#pragma once

#include "app/ctx.h"

/* "yes" or NULL: how templates get a condition. */
const char *words_when(bool is_so);
/* 2026-01-31; NULL for 0. */
const char *words_day(struct ctx *ctx, int64_t ms);
/* 2026-01-31 09:30 UTC; NULL for 0. */
const char *words_moment(struct ctx *ctx, int64_t ms);
/* "just now", "5 minutes ago", "yesterday", "12 days ago", then the day; NULL for 0. */
const char *words_ago(struct ctx *ctx, int64_t ms);
/* 12,345 */
const char *words_number(struct ctx *ctx, int64_t number);
/* "1 user", "2 users": the noun with an s unless there is one. */
const char *words_count(struct ctx *ctx, int64_t number, const char *noun);
/* A time span as people say it: "15 minutes", "7 days", "90 seconds". */
const char *words_span(struct ctx *ctx, int64_t seconds);
/* A day as an input of that type sends it: its first millisecond, UTC. */
bool words_parse_day(struct ctx *ctx, const char *text, int64_t *ret_ms);
