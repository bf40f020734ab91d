/* The console's list of users: those whose name or address begins with a text, or those that a
 * filter finds (models/user_query.h), in pages. */
#include "handlers/console.h"

#include <string.h>

#include "handlers/console_internal.h"
#include "handlers/console_search.h"
#include "handlers/console_users_table.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/user_query.h"
#include "models/user_search.h"

#define ON_A_PAGE 25
#define FOUND_MAX 50

struct users_query {
    const char *search; /* the beginning of a name or address; NULL = none */
    struct user_query asked;
    const char *columns;
    struct list fields; /* struct search_field */
    struct user_page found;
    enum err code; /* why the filter or the order was refused */
};

static enum err read_text(struct request *req, const char *name, const char **ret_text)
{
    TRY(request_query(req, name, ret_text));
    if (*ret_text != NULL && strspn(*ret_text, " \r\n") == strlen(*ret_text))
        *ret_text = NULL;
    return ERR_OK;
}

static enum err read_query(struct request *req, struct users_query *query)
{
    TRY(read_text(req, "q", &query->search));
    if (query->search != NULL && strlen(query->search) > 254)
        return fail(&req->ctx, ERR_BAD_REQUEST, "q", "Search for at most 254 characters.");
    TRY(read_text(req, "filter", &query->asked.filter));
    TRY(read_text(req, "sort", &query->asked.sort));
    TRY(read_text(req, "cursor", &query->asked.cursor));
    TRY(read_text(req, "columns", &query->columns));
    query->asked.limit = ON_A_PAGE;
    return console_search_fields(req, &query->fields);
}

static enum err find(struct request *req, struct users_query *query)
{
    if (query->search != NULL)
        return user_search(&req->ctx, query->search, FOUND_MAX, &query->found.users);
    query->code = user_query_run(&req->ctx, &query->asked, &query->found);

    const bool is_about_query = query->code == ERR_FILTER || query->code == ERR_FILTER_INDEX ||
                                query->code == ERR_VALIDATION;

    return is_about_query ? ERR_OK : query->code;
}

static enum err address_of(struct request *req, const struct users_query *query, const char *cursor,
                           const char **ret_address)
{
    return console_address(req, "/users",
                           (const struct console_query[]){{"filter", query->asked.filter},
                                                          {"sort", query->asked.sort},
                                                          {"columns", query->columns},
                                                          {"cursor", cursor},
                                                          {NULL, NULL}},
                           ret_address);
}

/* The form of rows leads to the address of the filter that they make. */
static enum err go_to_filter(struct request *req, struct response *res, struct users_query *query)
{
    const char *address = NULL;

    TRY(console_search_compose(req, &query->fields, &query->asked.filter));
    TRY(console_users_columns(req, &query->fields, &query->columns));
    TRY(address_of(req, query, NULL, &address));
    address =
        arena_printf(req->ctx.arena, "%s#users", address); /* past the form, on small screens */
    return address == NULL ? ERR_MEMORY : respond_redirect(req, res, address);
}

/* The first custom field of the rows that could have an index and has none. */
static const char *unindexed(const struct users_query *query, const struct search_rows *rows)
{
    static const char custom[] = "custom_fields.";

    for (size_t i = 0; i < rows->count; i++) {
        const struct search_field *field = console_search_find(&query->fields, rows->rows[i].field);
        const char *name = field->field.name;

        if (strncmp(name, custom, strlen(custom)) == 0 && field->field.index == NULL &&
            strchr(name + strlen(custom), '.') == NULL)
            return name + strlen(custom);
    }
    return NULL;
}

static enum err add_search(struct request *req, const struct users_query *query, struct page *page)
{
    struct search_rows rows = {.count = 0};
    struct template_var conditions;
    const char *to_fields = NULL;
    const char *error = query->code != ERR_OK ? page_error_text(&req->ctx, query->code) : NULL;

    TRY(console_search_rows(&req->ctx, &query->fields, query->asked.filter, &rows));
    TRY(console_search_inputs(req, &query->fields, &rows, &conditions));
    if (query->code == ERR_FILTER_INDEX)
        TRY(console_address(
            req, "/fields",
            (const struct console_query[]){{"field", unindexed(query, &rows)}, {NULL, NULL}},
            &to_fields));

    const bool is_search = query->asked.filter != NULL || query->code != ERR_OK;
    const struct template_var vars[] = {
        conditions,
        {.name = "match-any", .text = words_when(rows.any)},
        {.name = "is-search", .text = words_when(is_search || query->columns != NULL)},
        {.name = "is-filtered", .text = words_when(query->asked.filter != NULL)},
        {.name = "only-text", .text = words_when(query->asked.filter != NULL && rows.count == 0)},
        {.name = "filter", .text = query->asked.filter},
        {.name = "filter-error", .text = error},
        {.name = "to-fields", .text = to_fields},
        {.name = "sort", .text = query->asked.sort},
        {.name = "chosen-columns", .text = query->columns},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err show(struct request *req, struct response *res, const struct user *me,
                     const struct users_query *query)
{
    struct page page = {.template_name = "console-users", .title = "Users"};
    const char *next = NULL;

    TRY(add_search(req, query, &page));
    TRY(console_users_table(req,
                            &(struct users_table){.users = &query->found.users,
                                                  .fields = &query->fields,
                                                  .filter = query->asked.filter,
                                                  .sort = query->asked.sort,
                                                  .columns = query->columns,
                                                  .can_sort = query->search == NULL},
                            &page));
    if (query->found.next != NULL)
        TRY(address_of(req, query, query->found.next, &next));

    const bool full = query->search != NULL && query->found.users.count == FOUND_MAX;
    const struct template_var vars[] = {
        {.name = "search", .text = query->search},
        {.name = "found-too-many", .text = words_when(full)},
        {.name = "next", .text = next},
        {.name = "is-later", .text = words_when(query->asked.cursor != NULL)},
    };

    TRY(pages_add_vars(req, &page, vars, sizeof vars / sizeof vars[0]));
    return console_respond(
        req, res,
        &(struct console_view){
            .user = me,
            .here = "users",
            .message =
                query->code != ERR_OK ? "The search was refused. Please look at the filter." : NULL,
            .status = query->code != ERR_OK ? error_info(query->code)->status : 0},
        &page);
}

enum err handle_console_users(struct request *req, struct response *res)
{
    struct users_query query = {.search = NULL};
    struct user me = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &me);
    const char *build = NULL;

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    TRY(read_query(req, &query));
    TRY(request_query(req, "build", &build));
    if (build != NULL)
        return go_to_filter(req, res, &query);
    TRY(find(req, &query));
    return show(req, res, &me, &query);
}
