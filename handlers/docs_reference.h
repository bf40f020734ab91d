/* The route table as groups of rows for a template. Strings and lists live in the ctx's arena. */
#pragma once

#include "app/ctx.h"
#include "app/template.h"

/* A list variable of that name: groups {group-title, group-id, group-intro, rows}, rows {method,
 * path, summary, auth, body, needs-tenant, status, development}. Pages, internal routes and, in
 * production, development routes are left out. */
CHECKED enum err docs_reference(struct ctx *ctx, const char *name, struct template_var *ret_var);
