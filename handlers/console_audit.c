/* The console's view of the audit log: filters, pages, and the names of the users in the rows. */
#include "handlers/console.h"

#include <string.h>

#include "app/cursor.h"
#include "app/user_agent.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/audit.h"
#include "models/user_search.h"

#define ON_A_PAGE 25
#define DAY_MS    (INT64_C(24) * 3600 * 1000)

enum { Q_ACTION, Q_STATUS, Q_USER, Q_FROM, Q_TO, Q_COUNT };

static const char *const names[Q_COUNT] = {"action", "status", "user", "from", "to"};

struct audit_view {
    const char *typed[Q_COUNT]; /* as it came; NULL = not asked for */
    struct audit_filter filter;
    const char *refusal; /* why the filter cannot be used, or NULL */
    bool is_later;       /* not the first page */
    bool is_nobody;      /* the filter names a user who does not exist */
    struct list rows;
    struct list users; /* those of the rows that still exist */
    const char *next;
};

/* --- the filter --- */

static enum err find_user(struct request *req, struct audit_view *view)
{
    struct user user = {0};

    if (uuid_parse(view->typed[Q_USER], &view->filter.user_id))
        return ERR_OK;

    const enum err found = user_find_by_login(&req->ctx, view->typed[Q_USER], &user);

    if (found == ERR_NOT_FOUND) {
        fail_clear(&req->ctx);
        view->is_nobody = true;
        return ERR_OK;
    }
    TRY(found);
    view->filter.user_id = user.id;
    return ERR_OK;
}

static enum err read_days(struct request *req, struct audit_view *view)
{
    const char *from = view->typed[Q_FROM], *to = view->typed[Q_TO];

    if (from != NULL && !words_parse_day(&req->ctx, from, &view->filter.from))
        view->refusal = "The first day must be a date such as 2026-01-31.";
    else if (to != NULL && !words_parse_day(&req->ctx, to, &view->filter.to))
        view->refusal = "The last day must be a date such as 2026-01-31.";
    else if (to != NULL)
        view->filter.to += DAY_MS;
    if (view->refusal == NULL && from != NULL && to != NULL && view->filter.from >= view->filter.to)
        view->refusal = "The last day must not be before the first.";
    return ERR_OK;
}

static enum err read_filter(struct request *req, struct audit_view *view)
{
    for (size_t i = 0; i < Q_COUNT; i++) {
        TRY(request_query(req, names[i], &view->typed[i]));
        if (view->typed[i] != NULL && strlen(view->typed[i]) > 254)
            return fail(&req->ctx, ERR_BAD_REQUEST, names[i], "%s is too long.", names[i]);
    }
    view->filter.action = view->typed[Q_ACTION];
    view->filter.status = view->typed[Q_STATUS];
    if (view->typed[Q_USER] != NULL)
        TRY(find_user(req, view));
    return read_days(req, view);
}

/* --- reading --- */

static enum err name_next(struct request *req, const struct cursor_list *list,
                          const struct uuid *last, struct audit_view *view)
{
    char position[UUID_TEXT_SIZE];
    const char *value = position, *cursor = NULL;
    struct console_query queries[Q_COUNT + 2] = {0};

    uuid_text(last, position);
    TRY(cursor_make(&req->ctx, list, &value, 1, &cursor));
    for (size_t i = 0; i < Q_COUNT; i++)
        queries[i] = (struct console_query){names[i], view->typed[i]};
    queries[Q_COUNT] = (struct console_query){"cursor", cursor};
    return console_address(req, "/audit", queries, &view->next);
}

static enum err read_rows(struct request *req, struct audit_view *view)
{
    const struct cursor_list list = {
        .name = "console.audit", .parameters = view->typed, .parameter_count = Q_COUNT};
    const char *cursor = NULL, *position = NULL;

    if (view->is_nobody || view->refusal != NULL)
        return ERR_OK;
    TRY(request_query(req, "cursor", &cursor));
    if (cursor != NULL) {
        TRY(cursor_read(&req->ctx, &list, cursor, &position, 1));
        if (!uuid_parse(position, &view->filter.after))
            return ERR_BAD_CURSOR;
        view->is_later = true;
    }
    view->filter.limit = ON_A_PAGE + 1;
    TRY(audit_list(&req->ctx, &view->filter, &view->rows));
    if (view->rows.count <= ON_A_PAGE)
        return ERR_OK;
    view->rows.count = ON_A_PAGE;

    const struct audit_row *rows = view->rows.items;

    return name_next(req, &list, &rows[ON_A_PAGE - 1].audit_id, view);
}

static enum err read_users(struct request *req, struct audit_view *view)
{
    const struct audit_row *rows = view->rows.items;
    struct uuid *ids = arena_array(req->ctx.arena, view->rows.count + 1, sizeof *ids);
    size_t count = 0;

    if (ids == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < view->rows.count; i++) {
        if (!uuid_is_zero(&rows[i].user_id))
            ids[count++] = rows[i].user_id;
    }
    return user_find_all(&req->ctx, ids, count, &view->users);
}

/* --- showing --- */

static const char *login_of(const struct audit_view *view, const struct uuid *id)
{
    const struct user *users = view->users.items;

    for (size_t i = 0; i < view->users.count; i++) {
        if (uuid_equal(&users[i].id, id))
            return user_login_name(&users[i]);
    }
    return NULL;
}

static enum err describe(struct request *req, const struct audit_view *view,
                         const struct audit_row *row, struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    struct template_var *vars = arena_array(ctx->arena, 10, sizeof *vars);
    char *id = arena_alloc(ctx->arena, UUID_TEXT_SIZE);
    char device[USER_AGENT_DEVICE_SIZE];
    const bool has_user = !uuid_is_zero(&row->user_id);

    if (vars == NULL || id == NULL)
        return ERR_MEMORY;
    uuid_text(&row->user_id, id);
    user_agent_device(row->user_agent, device);
    vars[0] = (struct template_var){.name = "time", .text = words_moment(ctx, row->timestamp)};
    vars[1] = (struct template_var){.name = "action", .text = row->action};
    vars[2] = (struct template_var){.name = "is-failed",
                                    .text = words_when(strcmp(row->status, "success") != 0)};
    vars[3] = (struct template_var){.name = "reason", .text = row->reason};
    vars[4] = (struct template_var){.name = "user-id", .text = has_user ? id : NULL};
    vars[5] = (struct template_var){.name = "user-login", .text = login_of(view, &row->user_id)};
    vars[6] = (struct template_var){.name = "ip", .text = row->ip_address};
    vars[7] = (struct template_var){
        .name = "device",
        .text = row->user_agent != NULL ? arena_strdup(ctx->arena, device) : NULL};
    vars[8] =
        (struct template_var){.name = "by-key", .text = words_when(!uuid_is_zero(&row->key_id))};
    vars[9] = (struct template_var){
        .name = "times", .text = row->has_count ? words_count(ctx, row->count, "time") : NULL};
    *ret_item = (struct template_vars){.vars = vars, .count = 10};
    return ERR_OK;
}

static enum err describe_all(struct request *req, const struct audit_view *view,
                             struct template_var *ret_rows)
{
    const struct audit_row *rows = view->rows.items;
    const size_t count = view->rows.count;
    struct template_vars *items = arena_array(req->ctx.arena, count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(describe(req, view, &rows[i], &items[i]));
    *ret_rows = (struct template_var){.name = "rows", .items = items, .item_count = count};
    return ERR_OK;
}

static bool is_status(const struct audit_view *view, const char *status)
{
    return view->typed[Q_STATUS] != NULL && strcmp(view->typed[Q_STATUS], status) == 0;
}

static bool has_filter(const struct audit_view *view)
{
    for (size_t i = 0; i < Q_COUNT; i++) {
        if (view->typed[i] != NULL)
            return true;
    }
    return false;
}

static enum err show(struct request *req, struct response *res, const struct user *user,
                     const struct audit_view *view)
{
    struct template_var rows = {0};

    TRY(describe_all(req, view, &rows));

    const struct template_var vars[] = {
        rows,
        {.name = "has-rows", .text = words_when(view->rows.count > 0)},
        {.name = "has-filter", .text = words_when(has_filter(view))},
        {.name = "typed-action", .text = view->typed[Q_ACTION]},
        {.name = "typed-user", .text = view->typed[Q_USER]},
        {.name = "typed-from", .text = view->typed[Q_FROM]},
        {.name = "typed-to", .text = view->typed[Q_TO]},
        {.name = "is-success", .text = words_when(is_status(view, "success"))},
        {.name = "is-failure", .text = words_when(is_status(view, "failed"))},
        {.name = "next", .text = view->next},
        {.name = "is-later", .text = words_when(view->is_later)},
    };
    struct page page = {.template_name = "console-audit",
                        .title = "Audit log",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(req, res,
                           &(struct console_view){.user = user,
                                                  .here = "audit",
                                                  .message = view->refusal,
                                                  .status = view->refusal != NULL ? 400 : 200},
                           &page);
}

enum err handle_console_audit(struct request *req, struct response *res)
{
    struct audit_view view = {0};
    struct user user = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &user);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    TRY(read_filter(req, &view));
    TRY(read_rows(req, &view));
    TRY(read_users(req, &view));
    return show(req, res, &user, &view);
}
