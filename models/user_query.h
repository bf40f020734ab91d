/*
 * Lists of a tenant's users for those who administer it: filtered, sorted, in pages. Every query is
 * bounded: by an index and a budget of looked-at users, or by the size of the tenant
 * (models/user_plan.h). A page that the budget or the size of the users ends may be short; its
 * cursor goes on from there.
 */
#pragma once

#include "app/ctx.h"
#include "app/cursor.h"
#include "app/schema.h"

struct user_query {
    const char *filter, *sort, *cursor; /* as they came; NULL = none */
    int64_t limit;
    size_t most_bytes; /* of a page, as stored; 0 = DB_PAGE_BYTES */
    bool explain;
    bool patient; /* a page may be empty and have a next one, instead of being refused */
};

/* What it cost, by the database's own figures. */
struct user_cost {
    const char *access; /* "index" or "scan"; NULL: nobody asked */
    const char *index;  /* which; NULL for a scan */
    int64_t examined, returned;
    bool is_told;
};

struct user_page {
    struct list users;
    const char *next; /* cursor, or NULL */
    struct user_cost cost;
};

/* ERR_FILTER, ERR_FILTER_INDEX, ERR_VALIDATION (sort), ERR_BAD_CURSOR; ERR_DOCUMENT_REFUSED: an
 * index of the schema is missing. */
CHECKED enum err user_query_run(struct ctx *ctx, const struct user_query *query,
                                struct user_page *ret_page);
