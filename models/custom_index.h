/*
 * The indexes that a schema of custom fields asks for by x-unique and x-index: what they are
 * called, and how the database makes them. An index exists exactly when the version in force asks
 * for it, so whoever plans a query asks the shape alone. Any thread.
 *
 * Unique ones and those with x-index: true are ascending over custom_fields.<path>, the latter with
 * _id behind it; "ci" has the collation {locale: "en", strength: 2}, which every query that is to
 * use it must pass; all are partial over {custom_fields.<path>: {$exists: true}}, so absent values
 * never collide and an equality or range on the field can use them.
 */
#pragma once

#include "app/ctx.h"
#include "app/db.h"
#include "app/schema.h"
#include "app/shape.h"

struct custom_index {
    const char *name;           /* in the database */
    const char *path;           /* below custom_fields: "home.city" */
    const char *pointer;        /* the same in JSON: "/custom_fields/home/city" */
    const char *schema_pointer; /* where it is asked for: "/properties/home/properties/city/…" */
    const struct shape *shape;
    bool unique, ignores_case;
};

/* list of struct custom_index, by path; at most one of a field. shape may be NULL: none. In
 * ctx->arena. */
CHECKED enum err custom_index_list(struct ctx *ctx, const struct shape *shape,
                                   struct list *ret_indexes);
/* The name of the one that this field has or would have. NULL without memory. */
const char *custom_index_name(struct ctx *ctx, const char *path, const struct shape *shape);
/* True for names that are given here. */
bool custom_index_is_name(const char *name);

struct db_indexes {
    const struct db_index *items;
    size_t count;
};

/* For the database: with_base also the indexes that every user collection has. */
CHECKED enum err custom_index_make(struct ctx *ctx, const struct list *indexes, bool with_base,
                                   struct db_indexes *ret_indexes);

/* "/custom_fields/home/city" for "custom_fields.home.city". NULL without memory. */
const char *custom_field_pointer(struct ctx *ctx, const char *stored_path);
/* ERR_PLAN_LIMIT when the tenant's plan has fewer; ERR_SCHEMA for a path of more than
 * CUSTOM_INDEX_PATH_MAX bytes: a 409 could not name it (app/db_internal.h). */
#define CUSTOM_INDEX_PATH_MAX 240
CHECKED enum err custom_index_check(struct ctx *ctx, const struct list *indexes);
