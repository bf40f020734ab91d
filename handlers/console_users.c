/* The console's list of users: pages by id, or those whose name or address begins with a text. */
#include "handlers/console.h"

#include <string.h>

#include "app/cursor.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/user_search.h"

#define ON_A_PAGE 25
#define FOUND_MAX 50

struct users_query {
    const char *search; /* NULL = all */
    struct list users;
    const char *next; /* address of the next page, or NULL */
    bool is_later;    /* not the first page */
};

static const struct cursor_list users_list = {.name = "console.users"};

static enum err name_next(struct request *req, const struct user *last, const char **ret_address)
{
    char position[UUID_TEXT_SIZE];
    const char *value = position, *cursor = NULL;

    uuid_text(&last->id, position);
    TRY(cursor_make(&req->ctx, &users_list, &value, 1, &cursor));
    return console_address(req, "/users",
                           (const struct console_query[]){{"cursor", cursor}, {NULL, NULL}},
                           ret_address);
}

static enum err read_page(struct request *req, struct users_query *query)
{
    const char *cursor = NULL, *position = NULL;
    struct uuid after = {0};

    TRY(request_query(req, "cursor", &cursor));
    if (cursor != NULL) {
        TRY(cursor_read(&req->ctx, &users_list, cursor, &position, 1));
        if (!uuid_parse(position, &after))
            return ERR_BAD_CURSOR;
        query->is_later = true;
    }
    TRY(user_list(&req->ctx, &after, ON_A_PAGE + 1, &query->users));
    if (query->users.count <= ON_A_PAGE)
        return ERR_OK;
    query->users.count = ON_A_PAGE;

    const struct user *users = query->users.items;

    return name_next(req, &users[ON_A_PAGE - 1], &query->next);
}

static enum err read_users(struct request *req, struct users_query *query)
{
    TRY(request_query(req, "q", &query->search));
    if (query->search != NULL && strspn(query->search, " ") == strlen(query->search))
        query->search = NULL;
    if (query->search != NULL && strlen(query->search) > 254)
        return fail(&req->ctx, ERR_BAD_REQUEST, "q", "Search for at most 254 characters.");
    return query->search == NULL ? read_page(req, query)
                                 : user_search(&req->ctx, query->search, FOUND_MAX, &query->users);
}

static enum err describe(struct request *req, const struct user *user,
                         struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    struct template_var *vars = arena_array(ctx->arena, 8, sizeof *vars);
    char *id = arena_alloc(ctx->arena, UUID_TEXT_SIZE);
    const char *login = user_login_name(user);

    if (vars == NULL || id == NULL)
        return ERR_MEMORY;
    uuid_text(&user->id, id);
    vars[0] = (struct template_var){.name = "user-id", .text = id};
    vars[1] = (struct template_var){.name = "user-login", .text = login};
    vars[2] = (struct template_var){.name = "user-name", .text = user->name};
    vars[3] = (struct template_var){.name = "user-email",
                                    .text = user->username != NULL ? user->email : NULL};
    vars[4] = (struct template_var){.name = "user-role", .text = role_names[user->role]};
    vars[5] =
        (struct template_var){.name = "has-rights", .text = words_when(user->role > ROLE_USER)};
    vars[6] = (struct template_var){.name = "is-inactive", .text = words_when(!user->is_active)};
    vars[7] =
        (struct template_var){.name = "last-login", .text = words_ago(ctx, user->last_login_at)};
    *ret_item = (struct template_vars){.vars = vars, .count = 8};
    return ERR_OK;
}

static enum err describe_all(struct request *req, const struct list *found,
                             struct template_var *ret_rows)
{
    const struct user *users = found->items;
    struct template_vars *items = arena_array(req->ctx.arena, found->count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < found->count; i++)
        TRY(describe(req, &users[i], &items[i]));
    *ret_rows = (struct template_var){.name = "rows", .items = items, .item_count = found->count};
    return ERR_OK;
}

enum err handle_console_users(struct request *req, struct response *res)
{
    struct users_query query = {0};
    struct template_var rows = {0};
    struct user user = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &user);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    TRY(read_users(req, &query));
    TRY(describe_all(req, &query.users, &rows));

    const bool full = query.search != NULL && query.users.count == FOUND_MAX;
    const struct template_var vars[] = {
        rows,
        {.name = "has-rows", .text = words_when(query.users.count > 0)},
        {.name = "search", .text = query.search},
        {.name = "found-too-many", .text = words_when(full)},
        {.name = "next", .text = query.next},
        {.name = "is-later", .text = words_when(query.is_later)},
    };
    struct page page = {.template_name = "console-users",
                        .title = "Users",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(req, res, &(struct console_view){.user = &user, .here = "users"}, &page);
}
