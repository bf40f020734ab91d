/* The table of the console's list of users: chosen columns, ways to sort by them, a row a user. */
#pragma once

#include "app/http.h"
#include "app/page.h"
#include "handlers/console_search.h"

struct users_table {
    const struct list *users;
    const struct list *fields; /* struct search_field */
    const char *filter, *sort; /* as asked for, or NULL */
    const char *columns;       /* names with commas between them; NULL = the usual ones */
    bool can_sort;             /* the list is one that is sorted */
};

/* The columns that the boxes of the query choose, as such a text; NULL when none is. */
CHECKED enum err console_users_columns(struct request *req, const struct list *fields,
                                       const char **ret_columns);
/* The variables of the table and of the boxes. */
CHECKED enum err console_users_table(struct request *req, const struct users_table *table,
                                     struct page *page);
