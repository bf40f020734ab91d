/* The frame of the console: who may enter, navigation, addresses. */
#include "handlers/console.h"

#include <stdlib.h>
#include <string.h>

#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "models/tenant.h"

#define ROOT        "/dashboard/admin"
#define MAX_OVERLAP (7 * 24 * 3600)
#define ADDRESS_MAX ((size_t)64 * 1024) /* of what came in an address of 12 KB */

static const struct place {
    const char *name, *label, *path;
    enum role least;
} places[] = {
    {"overview", "Overview", ROOT, ROLE_ADMIN},
    {"users", "Users", ROOT "/users", ROLE_ADMIN},
    {"fields", "User fields", ROOT "/fields", ROLE_ADMIN},
    {"clients", "Applications", ROOT "/clients", ROLE_ADMIN},
    {"settings", "Settings", ROOT "/settings", ROLE_ADMIN},
    {"keys", "Access keys", ROOT "/keys", ROLE_OWNER},
    {"audit", "Audit log", ROOT "/audit", ROLE_ADMIN},
};

#define PLACE_COUNT (sizeof places / sizeof places[0])

/* --- entering --- */

enum err console_enter(struct request *req, enum role least, struct user *ret_user)
{
    TRY(pages_read_user(req, ret_user));
    req->ctx.who.as_admin = ret_user->role >= (int)least && ret_user->role >= ROLE_ADMIN;
    if (ret_user->role >= (int)least)
        return ERR_OK;
    return fail(&req->ctx, ERR_ROLE, NULL,
                least == ROLE_OWNER ? "Only an owner can do this."
                                    : "This page is for administrators and owners.");
}

enum err console_enter_form(struct request *req, enum role least, const char *use,
                            struct user *ret_user)
{
    TRY(console_enter(req, least, ret_user));
    return pages_check_session_form(req, use, pages_typed(req, "form_token"));
}

/* --- the frame --- */

static enum err navigation(struct request *req, const struct console_view *view,
                           struct template_var *ret_nav)
{
    struct template_vars *items = arena_array(req->ctx.arena, PLACE_COUNT, sizeof *items);
    size_t count = 0;

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        struct template_var *vars = arena_array(req->ctx.arena, 3, sizeof *vars);

        if (vars == NULL)
            return ERR_MEMORY;
        if (view->user->role < (int)places[i].least)
            continue;
        vars[0] = (struct template_var){.name = "label", .text = places[i].label};
        vars[1] = (struct template_var){.name = "path", .text = places[i].path};
        vars[2] = (struct template_var){
            .name = "is-here", .text = words_when(strcmp(view->here, places[i].name) == 0)};
        items[count++] = (struct template_vars){.vars = vars, .count = 3};
    }
    *ret_nav = (struct template_var){.name = "nav", .items = items, .item_count = count};
    return ERR_OK;
}

static const char *name_of(const struct user *user)
{
    return user_login_name(user);
}

enum err console_respond(struct request *req, struct response *res, const struct console_view *view,
                         struct page *page)
{
    const char *notice = NULL, *token = NULL;
    struct template_var nav = {0};

    if (view->message == NULL)
        TRY(pages_notice(req, &notice));
    TRY(pages_session_token(req, "logout", &token));
    TRY(navigation(req, view, &nav));

    const struct template_var frame[] = {
        nav,
        {.name = "message", .text = view->message != NULL ? view->message : notice},
        {.name = "failed", .text = words_when(view->message != NULL)},
        {.name = "whoami", .text = name_of(view->user)},
        {.name = "is-owner", .text = words_when(view->user->role == ROLE_OWNER)},
        {.name = "logout-token", .text = token},
        {.name = "heading", .text = page->title},
    };

    TRY(pages_add_vars(req, page, frame, sizeof frame / sizeof frame[0]));
    page->title = arena_printf(req->ctx.arena, "%s · %s", page->title, req->ctx.tenant->name);
    if (page->title == NULL)
        return ERR_MEMORY;
    pages_error_headers(req, res);
    return pages_respond(req, res, view->status != 0 ? view->status : 200, page);
}

enum err console_redirect(struct request *req, struct response *res, const char *path)
{
    const char *whole = arena_printf(req->ctx.arena, ROOT "%s", path);

    return whole == NULL ? ERR_MEMORY : pages_redirect(req, res, whole);
}

enum err console_redirect_user(struct request *req, struct response *res, const struct uuid *id,
                               const char *notice)
{
    char text[UUID_TEXT_SIZE];

    uuid_text(id, text);

    const char *path = arena_printf(req->ctx.arena, "/users/%s?notice=%s", text, notice);

    return path == NULL ? ERR_MEMORY : console_redirect(req, res, path);
}

/* --- forms that make something once --- */

enum err console_put_once(struct request *req, const char *use, const char *id,
                          struct template_var ret_vars[2])
{
    const char *once = arena_printf(req->ctx.arena, "%s %s", use, id);
    const char *token = NULL;

    if (once == NULL)
        return ERR_MEMORY;
    TRY(pages_session_token(req, once, &token));
    ret_vars[0] = (struct template_var){.name = "once", .text = id};
    ret_vars[1] = (struct template_var){.name = "new-token", .text = token};
    return ERR_OK;
}

enum err console_check_once(struct request *req, const char *use, const char **ret_id)
{
    const char *id = pages_typed(req, "once");
    const char *once;

    if (strlen(id) >= UUID_TEXT_SIZE) /* longer than any id of ours */
        return ERR_FORM_TOKEN;
    once = arena_printf(req->ctx.arena, "%s %s", use, id);
    if (once == NULL)
        return ERR_MEMORY;
    *ret_id = id;
    return pages_check_session_form(req, once, pages_typed(req, "form_token"));
}

enum err console_overlap(struct request *req, const char *seconds, const char *what,
                         int64_t *ret_ms)
{
    const long long overlap = seconds != NULL ? strtoll(seconds, NULL, 10) : 0;

    if (overlap < 0 || overlap > MAX_OVERLAP)
        return fail(&req->ctx, ERR_VALIDATION, "overlap",
                    "The old %s can work on for at most 7 days.", what);
    *ret_ms = overlap * 1000;
    return ERR_OK;
}

/* --- what several pages say --- */

const char *console_refusal(struct request *req, enum err code, bool is_beside)
{
    if (code == ERR_OK)
        return NULL;
    return is_beside ? "Nothing was saved. Please look at the marked field."
                     : page_error_text(&req->ctx, code);
}

const struct input_choice *console_role_choices(const struct user *me)
{
    static const struct input_choice of_owner[] = {
        {"user", "user"}, {"admin", "admin"}, {"owner", "owner"}, {NULL, NULL}};
    static const struct input_choice of_admin[] = {
        {"user", "user"}, {"admin", "admin"}, {NULL, NULL}};

    return me->role == ROLE_OWNER ? of_owner : of_admin;
}

bool console_role(const char *word, enum role *ret_role)
{
    for (int role = ROLE_USER; role_names[role] != NULL; role++) {
        if (strcmp(role_names[role], word) == 0) {
            *ret_role = (enum role)role;
            return true;
        }
    }
    return false;
}

/* --- addresses --- */

static void put_escaped(struct buf *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            buf_putc(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

enum err console_address(struct request *req, const char *path, const struct console_query *queries,
                         const char **ret_address)
{
    const char *prefix = NULL;
    struct buf out;
    char separator = '?';

    TRY(pages_prefix(req, &prefix));
    buf_init(&out, req->ctx.arena, ADDRESS_MAX);
    buf_puts(&out, prefix);
    buf_puts(&out, ROOT);
    buf_puts(&out, path);
    for (; queries->name != NULL; queries++) {
        if (queries->value == NULL)
            continue;
        buf_putc(&out, separator);
        buf_puts(&out, queries->name);
        buf_putc(&out, '=');
        put_escaped(&out, queries->value);
        separator = '&';
    }
    *ret_address = buf_text(&out);
    return *ret_address == NULL ? ERR_MEMORY : ERR_OK;
}
