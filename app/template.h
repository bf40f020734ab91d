/*
 * Pages: {{name}} escapes for HTML, {{#name}}…{{/name}} repeats over a list or shows when set,
 * {{^name}}…{{/name}} when not, {{>partial}} includes templates/<partial>.html, {{&name}} inserts raw
 * only for values made by the service itself (marked raw). Values are looked up in a flat list of
 * variables, then in the surrounding one. Templates are parsed at each use: they are small. Any thread.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"

struct template_var;

struct template_vars {
    const struct template_var *vars;
    size_t count;
    const struct template_vars *outer; /* or NULL */
};

struct template_var {
    const char *name;
    const char *text;                   /* NULL = not set */
    const struct template_vars *items;  /* for lists, or NULL */
    size_t item_count;
    bool raw; /* may be used with {{&name}} */
};

/* ERR_INTERNAL for a broken or missing template (with its name and what is wrong). */
CHECKED enum err template_render(struct ctx *ctx, const char *name,
                                 const struct template_vars *vars, struct buf *out);
