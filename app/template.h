/*
 * Pages: {{name}} escapes for HTML, {{#name}}…{{/name}} repeats over a list or shows when set,
 * {{^name}}…{{/name}} when not, {{>partial}} includes templates/<partial>.html, {{&name}} inserts
 * raw only for values made by the service itself (marked raw). Values are looked up in a flat list
 * of variables, then in the surrounding one; a name that is in none is an error, so that a slip of
 * the pen is found by the first look at the page. Tags that stand alone on a line leave no blank
 * line behind. Templates are parsed at each use: they are small. Any thread.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"
#include "app/schema.h"

#define TEMPLATE_MAX_FILE  ((size_t)512 * 1024)
#define TEMPLATE_MAX_DEPTH 16 /* sections and partials within each other */

struct template_var;

struct template_vars {
    const struct template_var *vars;
    size_t count;
    const struct template_vars *outer; /* or NULL; of list items it is set while rendering */
};

struct template_var {
    const char *name;
    const char *text;                  /* NULL or "" = not set */
    const struct template_vars *items; /* for lists, or NULL */
    size_t item_count;
    bool raw; /* may be used with {{&name}} */
};

/* ERR_INTERNAL for a broken or missing template, with its name, line and what is wrong. */
CHECKED enum err template_render(struct ctx *ctx, const char *name,
                                 const struct template_vars *vars, struct buf *out);
/* The same for a text at hand; name is for errors. */
CHECKED enum err template_render_text(struct ctx *ctx, const char *name, const struct bytes *text,
                                      const struct template_vars *vars, struct buf *out);

struct template_file {
    struct bytes content;
    const char *type; /* media type with charset */
    const char *etag;
};

/* A file of templates/ by its path there: from pages.override_dir when that has it, else the one
 * built into the binary. ERR_NOT_FOUND. */
CHECKED enum err template_file(struct ctx *ctx, const char *path, struct template_file *ret_file);
