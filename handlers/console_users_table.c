/* Columns and cells of the list of users. */
#include "handlers/console_users_table.h"

#include <string.h>

#include <bson/bson.h>

#include "app/document.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define COLUMNS_MAX 12 /* the template says so */
#define NAMES_MAX   4096
#define BOX         "c:"
#define CUSTOM      "custom_fields."

static const char usual[] = "role,is_active,last_login_at";

struct columns {
    const struct search_field *items[COLUMNS_MAX];
    size_t count;
};

static void split(const struct list *fields, char *names, struct columns *ret_columns)
{
    for (char *name = strsep(&names, ","); name != NULL && ret_columns->count < COLUMNS_MAX;
         name = strsep(&names, ",")) {
        const struct search_field *field = console_search_find(fields, name);

        if (field != NULL)
            ret_columns->items[ret_columns->count++] = field;
    }
}

static enum err columns_of(struct ctx *ctx, const struct users_table *table,
                           struct columns *ret_columns)
{
    char *names = arena_strdup(ctx->arena, table->columns != NULL ? table->columns : usual);

    if (names == NULL)
        return ERR_MEMORY;
    split(table->fields, names, ret_columns);
    return ERR_OK;
}

enum err console_users_columns(struct request *req, const struct list *fields,
                               const char **ret_columns)
{
    const struct search_field *items = fields->items;
    struct buf out;

    buf_init(&out, req->ctx.arena, NAMES_MAX);
    for (size_t i = 0; i < fields->count; i++) {
        const char *name = arena_printf(req->ctx.arena, BOX "%s", items[i].field.name);
        const char *is_on = NULL;

        if (name == NULL)
            return ERR_MEMORY;
        TRY(request_query(req, name, &is_on));
        if (is_on != NULL)
            buf_printf(&out, "%s%s", out.size > 0 ? "," : "", items[i].field.name);
    }
    if (!buf_ok(&out))
        return fail(&req->ctx, ERR_BAD_REQUEST, "columns", "Choose fewer columns.");
    *ret_columns = out.size == 0 || strcmp(buf_text(&out), usual) == 0 ? NULL : buf_text(&out);
    return ERR_OK;
}

/* --- the head --- */

/* Up, down, as it was. */
static const char *next_sort(struct ctx *ctx, const char *name, const char *sort)
{
    if (sort != NULL && strcmp(sort, name) == 0)
        return arena_printf(ctx->arena, "-%s", name);
    return sort != NULL && sort[0] == '-' && strcmp(sort + 1, name) == 0 ? NULL : name;
}

static const char *direction(const char *name, const char *sort)
{
    if (sort == NULL)
        return NULL;
    if (strcmp(sort, name) == 0)
        return "ascending";
    return sort[0] == '-' && strcmp(sort + 1, name) == 0 ? "descending" : NULL;
}

static enum err make_head(struct request *req, const struct users_table *table,
                          const struct search_field *field, struct template_vars *ret_item)
{
    const char *name = field->field.name, *address = NULL;
    struct template_var *vars = arena_array(req->ctx.arena, 4, sizeof *vars);
    const char *toward = direction(name, table->sort);

    if (vars == NULL)
        return ERR_MEMORY;
    if (table->can_sort && !field->field.many)
        TRY(console_address(
            req, "/users",
            (const struct console_query[]){{"filter", table->filter},
                                           {"sort", next_sort(&req->ctx, name, table->sort)},
                                           {"columns", table->columns},
                                           {NULL, NULL}},
            &address));
    vars[0] = (struct template_var){.name = "column-label", .text = field->label};
    vars[1] = (struct template_var){.name = "column-sort", .text = address};
    vars[2] = (struct template_var){.name = "column-order", .text = toward};
    vars[3] = (struct template_var){
        .name = "column-down",
        .text = words_when(toward != NULL && strcmp(toward, "descending") == 0)};
    *ret_item = (struct template_vars){.vars = vars, .count = 4};
    return ERR_OK;
}

static enum err make_heads(struct request *req, const struct users_table *table,
                           const struct columns *columns, struct template_var *ret_var)
{
    struct template_vars *items = arena_array(req->ctx.arena, COLUMNS_MAX + 1, sizeof *items);
    const struct search_field *username = console_search_find(table->fields, "username");
    struct search_field user;

    if (items == NULL || username == NULL)
        return ERR_MEMORY;
    user = *username;
    user.label = "User";
    TRY(make_head(req, table, &user, &items[0]));
    for (size_t i = 0; i < columns->count; i++)
        TRY(make_head(req, table, columns->items[i], &items[i + 1]));
    *ret_var =
        (struct template_var){.name = "columns", .items = items, .item_count = columns->count + 1};
    return ERR_OK;
}

/* --- cells --- */

static enum err custom_text(struct ctx *ctx, const struct user *user,
                            const struct search_field *field, const char **ret_text)
{
    const char *path = field->field.name + strlen(CUSTOM);
    bson_iter_t at, found;
    bson_t view;

    *ret_text = NULL;
    if (!document_view(&user->custom_fields, &view) || !bson_iter_init(&at, &view) ||
        !bson_iter_find_descendant(&at, path, &found))
        return ERR_OK;
    TRY(fields_joined(ctx, &found, ret_text));
    if (*ret_text == NULL)
        *ret_text = fields_words(ctx, field->shape, &found);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

static const char *id_text(struct ctx *ctx, const struct uuid *id)
{
    char *text = arena_alloc(ctx->arena, UUID_TEXT_SIZE);

    if (text != NULL)
        uuid_text(id, text);
    return text;
}

static const char *member_text(struct ctx *ctx, const struct user *user, const char *name)
{
    const struct {
        const char *name, *text;
    } members[] = {
        {"id", id_text(ctx, &user->id)},
        {"username", user->username},
        {"email", user->email},
        {"name", user->name},
        {"role", role_names[user->role]},
        {"is_active", user->is_active ? "active" : "inactive"},
        {"is_email_verified", user->is_email_verified ? "yes" : "no"},
        {"created_at", words_moment(ctx, user->created_at)},
        {"updated_at", words_moment(ctx, user->updated_at)},
        {"last_login_at", user->last_login_at != 0 ? words_ago(ctx, user->last_login_at) : "never"},
    };

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].name, name) == 0)
            return members[i].text;
    }
    return NULL;
}

static enum err make_cell(struct ctx *ctx, const struct user *user,
                          const struct search_field *field, struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(ctx->arena, 4, sizeof *vars);
    const char *name = field->field.name, *text = NULL;

    if (vars == NULL)
        return ERR_MEMORY;
    if (strncmp(name, CUSTOM, strlen(CUSTOM)) == 0)
        TRY(custom_text(ctx, user, field, &text));
    else
        text = member_text(ctx, user, name);
    vars[0] = (struct template_var){.name = "cell-label", .text = field->label};
    vars[1] = (struct template_var){.name = "cell-text", .text = text};
    vars[2] =
        (struct template_var){.name = "is-role", .text = words_when(strcmp(name, "role") == 0)};
    vars[3] = (struct template_var){
        .name = "is-bad", .text = words_when(strcmp(name, "is_active") == 0 && !user->is_active)};
    *ret_item = (struct template_vars){.vars = vars, .count = 4};
    return ERR_OK;
}

static enum err make_row(struct ctx *ctx, const struct user *user, const struct columns *columns,
                         struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(ctx->arena, 6, sizeof *vars);
    struct template_vars *cells = arena_array(ctx->arena, COLUMNS_MAX, sizeof *cells);

    if (vars == NULL || cells == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < columns->count; i++)
        TRY(make_cell(ctx, user, columns->items[i], &cells[i]));
    vars[0] = (struct template_var){.name = "user-id", .text = id_text(ctx, &user->id)};
    vars[1] = (struct template_var){.name = "user-login", .text = user_login_name(user)};
    vars[2] = (struct template_var){.name = "user-name", .text = user->name};
    vars[3] = (struct template_var){.name = "user-email",
                                    .text = user->username != NULL ? user->email : NULL};
    vars[4] =
        (struct template_var){.name = "has-rights", .text = words_when(user->role > ROLE_USER)};
    vars[5] = (struct template_var){.name = "cells", .items = cells, .item_count = columns->count};
    *ret_item = (struct template_vars){.vars = vars, .count = 6};
    return ERR_OK;
}

static enum err make_rows(struct request *req, const struct users_table *table,
                          const struct columns *columns, struct template_var *ret_var)
{
    const struct user *users = table->users->items;
    struct template_vars *items =
        arena_array(req->ctx.arena, table->users->count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < table->users->count; i++)
        TRY(make_row(&req->ctx, &users[i], columns, &items[i]));
    *ret_var =
        (struct template_var){.name = "rows", .items = items, .item_count = table->users->count};
    return ERR_OK;
}

/* --- boxes --- */

static bool is_shown(const struct columns *columns, const struct search_field *field)
{
    for (size_t i = 0; i < columns->count; i++) {
        if (columns->items[i] == field)
            return true;
    }
    return false;
}

static enum err make_boxes(struct request *req, const struct list *fields,
                           const struct columns *columns, struct template_var *ret_var)
{
    const struct search_field *items = fields->items;
    struct input *inputs = arena_array(req->ctx.arena, fields->count + 1, sizeof *inputs);

    if (inputs == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < fields->count; i++)
        inputs[i] =
            (struct input){.kind = INPUT_CHECK,
                           .name = arena_printf(req->ctx.arena, BOX "%s", items[i].field.name),
                           .id = arena_printf(req->ctx.arena, "column-%zu", i),
                           .label = items[i].label,
                           .value = is_shown(columns, &items[i]) ? "on" : NULL};
    return inputs_make(
        req, &(struct input_form){"column-inputs", inputs, fields->count, false, ERR_OK}, ret_var);
}

enum err console_users_table(struct request *req, const struct users_table *table,
                             struct page *page)
{
    struct columns columns = {.count = 0};
    struct template_var vars[4];

    TRY(columns_of(&req->ctx, table, &columns));
    TRY(make_heads(req, table, &columns, &vars[0]));
    TRY(make_rows(req, table, &columns, &vars[1]));
    TRY(make_boxes(req, table->fields, &columns, &vars[2]));
    vars[3] =
        (struct template_var){.name = "has-rows", .text = words_when(table->users->count > 0)};
    return pages_add_vars(req, page, vars, 4);
}
