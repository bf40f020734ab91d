/*
 * Searching users in the console without knowing the language of filters: rows of field, operator
 * and value become the text that GET /users takes, and such a text becomes rows again where rows
 * can say it. What a filter means is for models/user_query.h alone.
 */
#pragma once

#include "app/http.h"
#include "app/template.h"
#include "models/user_field.h"

#define SEARCH_ROWS 8

/* Something to search by, sort by or show. */
struct search_field {
    struct user_field field;   /* of models/user_field.h */
    const struct shape *shape; /* of a custom field; or NULL */
    const char *label;
};

struct search_row {
    const char *field, *op, *value; /* as in the text; "" = nothing */
};

struct search_rows {
    struct search_row rows[SEARCH_ROWS];
    size_t count;
    bool any; /* joined by "or" */
};

/* list of struct search_field: what every user has, then the custom fields that the caller may ask
 * for, in the order of the schema. */
CHECKED enum err console_search_fields(struct request *req, struct list *ret_fields);
const struct search_field *console_search_find(const struct list *fields, const char *name);

/* The rows that the query of the request says, as a filter; NULL when they say nothing. */
CHECKED enum err console_search_compose(struct request *req, const struct list *fields,
                                        const char **ret_filter);
/* The filter as rows; none when rows cannot say it. */
CHECKED enum err console_search_rows(struct ctx *ctx, const struct list *fields, const char *filter,
                                     struct search_rows *ret_rows);
/* The inputs for them and for one more, as the variable "conditions". */
CHECKED enum err console_search_inputs(struct request *req, const struct list *fields,
                                       const struct search_rows *rows,
                                       struct template_var *ret_var);
