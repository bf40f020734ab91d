/*
 * Lists in pages: the parameters limit and cursor of a request, and the cursor of the page after.
 * A handler reads one row more than limit, so that it knows whether there is a next page. One
 * request's thread.
 */
#pragma once

#include "app/cursor.h"
#include "app/http.h"

#define PAGING_STANDARD 50
#define PAGING_MAXIMUM  200

struct paging {
    struct cursor_list list;
    size_t value_count; /* of the cursor */
    int64_t limit;
    bool begun; /* a cursor was sent: */
    const char *values[CURSOR_VALUES_MAX];
};

/* limit (1–200, 50 when absent) and cursor; list, whose parameters must live as long, and the
 * number of its cursor's values are remembered. ERR_VALIDATION, ERR_BAD_CURSOR. */
CHECKED enum err paging_read(struct request *req, const struct cursor_list *list,
                             size_t value_count, struct paging *ret_paging);
/* True when a row beyond the page was read: it is dropped. */
bool paging_cut(const struct paging *paging, struct list *rows);
/* The cursor of the page that follows the row with these sort values. */
CHECKED enum err paging_next(struct request *req, const struct paging *paging,
                             const char *const *values, const char **ret_next);
