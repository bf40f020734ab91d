/* The console's page of one application (OAuth client): facts, change, new secret, end. */
#include "handlers/console.h"

#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "handlers/console_client_form.h"
#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define USE "console-client-page"

struct client_view {
    struct user me;
    struct oauth_client client;
    const char *form; /* that was refused: "edit", "rotate", "delete"; NULL on a look */
    enum err code;
};

/* --- showing --- */

static bool is_form(const struct client_view *view, const char *form)
{
    return view->form != NULL && strcmp(view->form, form) == 0;
}

static enum err make_inputs(struct request *req, const struct client_view *view, struct page *page,
                            bool *ret_beside)
{
    static const struct input_choice overlaps[] = {{"0", "not at all"},
                                                   {"3600", "an hour"},
                                                   {"86400", "a day"},
                                                   {"604800", "a week"},
                                                   {NULL, NULL}};
    const struct input rotate[] = {
        {INPUT_CHOICE, "overlap", "rotate-overlap", "The old secret works on for", NULL,
         "Not at all also ends every token that the application has.", "86400", NULL, overlaps, 0,
         false},
    };
    const struct input ending[] = {
        {INPUT_TEXT, "confirm", "delete-confirm",
         arena_printf(req->ctx.arena, "Type %s to confirm", view->client.name), NULL, NULL, NULL,
         NULL, NULL, 100, true},
    };
    struct input edit[CLIENT_INPUTS];
    const size_t count = client_inputs(req, &view->client, edit);
    const struct input_form forms[] = {
        {"edit-inputs", edit, count, is_form(view, "edit"), view->code},
        {"rotate-inputs", rotate, 1, is_form(view, "rotate"), view->code},
        {"delete-inputs", ending, 1, is_form(view, "delete"), view->code},
    };
    struct template_var vars[3];

    for (size_t i = 0; i < 3; i++) {
        TRY(inputs_make(req, &forms[i], &vars[i]));
        if (forms[i].is_refused)
            *ret_beside = inputs_name_failure(req, forms[i].inputs, forms[i].count);
    }
    return pages_add_vars(req, page, vars, 3);
}

/* Of the one who registered it, among one user or none. */
static enum err read_owner(struct request *req, const struct oauth_client *client,
                           const char **ret_words)
{
    struct list users = {0};

    TRY(user_find_all(&req->ctx, &client->owner_id, uuid_is_zero(&client->owner_id) ? 0 : 1,
                      &users));
    *ret_words = client_owner_words(&users, client);
    return ERR_OK;
}

static enum err add_facts(struct request *req, const struct client_view *view, struct page *page)
{
    const struct oauth_client *client = &view->client;
    struct ctx *ctx = &req->ctx;
    const bool has_old = client->old_secret_ends_at > clock_now_ms();
    const char *token = NULL, *owner = NULL;

    TRY(pages_session_token(req, USE, &token));
    TRY(read_owner(req, client, &owner));

    const struct template_var vars[] = {
        {.name = "form-token", .text = token},
        {.name = "version", .text = arena_printf(ctx->arena, "%lld", (long long)client->version)},
        {.name = "is-first-party", .text = words_when(client->first_party)},
        {.name = "grants", .text = client_list_words(ctx, &client->grant_types)},
        {.name = "secret-age", .text = words_ago(ctx, client->secret_created_at)},
        {.name = "old-until",
         .text = has_old ? words_moment(ctx, client->old_secret_ends_at) : NULL},
        {.name = "registered-by", .text = owner},
        {.name = "since", .text = words_moment(ctx, client->created_at)},
        {.name = "changed", .text = words_moment(ctx, client->updated_at)},
        {.name = "failed-delete", .text = words_when(is_form(view, "delete"))},
    };

    TRY(pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]));
    return client_add_lines(req, page, client, NULL);
}

static const char *message_for(struct request *req, const struct client_view *view, bool beside)
{
    const bool is_stale = view->code == ERR_PRECONDITION || view->code == ERR_CONFLICT;

    if (is_stale && is_form(view, "rotate"))
        return "The secret was replaced before, or the application was changed meanwhile. Nothing "
               "was done: look at it here.";
    if (is_stale)
        return "This application was changed elsewhere meanwhile. Nothing was saved: look at it "
               "and make the change again.";
    return console_refusal(req, view->form != NULL ? view->code : ERR_OK, beside);
}

static enum err show(struct request *req, struct response *res, const struct client_view *view)
{
    struct page page = {.template_name = "console-client", .title = view->client.name};
    bool beside = false;

    client_word_refusal(&req->ctx);
    TRY(make_inputs(req, view, &page, &beside));

    const char *message = message_for(req, view, beside);
    const struct failure failure = req->ctx.failure;

    TRY(add_facts(req, view, &page));
    req->ctx.failure = failure;
    return console_respond(
        req, res,
        &(struct console_view){.user = &view->me,
                               .here = "clients",
                               .message = message,
                               .status = view->form != NULL ? error_info(view->code)->status : 200},
        &page);
}

/* The client that the path names; who asks is view->me. */
static enum err read_view(struct request *req, struct client_view *view)
{
    const struct uuid anybody = {0};

    TRY(console_enter(req, ROLE_ADMIN, &view->me));
    return oauth_client_find(&req->ctx, request_param(req, "id"), &anybody, &view->client);
}

enum err handle_console_client(struct request *req, struct response *res)
{
    struct client_view view = {0};
    const enum err read = read_view(req, &view);

    return read != ERR_OK ? pages_to_login(req, res, read) : show(req, res, &view);
}

/* --- the forms --- */

static enum err refuse(struct request *req, struct response *res, const struct client_view *view)
{
    return pages_shows(view->code) ? show(req, res, view) : view->code;
}

/* The form showed the client as it is stored now. */
static enum err check_version(const char *version, const struct oauth_client *client)
{
    return version != NULL && strtoll(version, NULL, 10) == client->version ? ERR_OK
                                                                            : ERR_PRECONDITION;
}

static enum err edit(struct request *req, const struct client_view *view)
{
    const struct registrar registrar = client_registrar(&view->me);
    struct oauth_client after = view->client;
    struct client_metadata metadata;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(client_from_form(req, &view->client, &metadata));
    TRY(check_version(pages_typed(req, "version"), &view->client));
    return oauth_client_update(&req->ctx, &metadata, &registrar, &after);
}

enum err handle_console_client_edit(struct request *req, struct response *res)
{
    struct client_view view = {.form = "edit"};
    const enum err read = read_view(req, &view);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    view.code = edit(req, &view);
    if (view.code != ERR_OK)
        return refuse(req, res, &view);

    const char *path =
        arena_printf(req->ctx.arena, "/clients/%s?notice=client-saved", view.client.id);

    return path == NULL ? ERR_MEMORY : console_redirect(req, res, path);
}

/* By the version that the form showed: a form that is sent again replaces nothing. */
static enum err rotate(struct request *req, const struct oauth_client *client,
                       struct made_client *ret_made)
{
    struct client_step_form in;
    int64_t overlap;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(console_overlap(req, in.overlap, "secret", &overlap));
    TRY(check_version(in.version, client));
    return oauth_client_rotate_secret(&req->ctx, client, overlap, ret_made);
}

enum err handle_console_client_rotate(struct request *req, struct response *res)
{
    struct client_view view = {.form = "rotate"};
    struct made_client made;
    const enum err read = read_view(req, &view);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    view.code = rotate(req, &view.client, &made);
    return view.code == ERR_OK ? client_show_made(req, res, &view.me, 200, &made)
                               : refuse(req, res, &view);
}

static enum err end(struct request *req, const struct oauth_client *client)
{
    struct client_step_form in;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    if (in.confirm == NULL || strcmp(in.confirm, client->name) != 0)
        return fail(&req->ctx, ERR_VALIDATION, "confirm",
                    "Nothing was deleted: type the name exactly as it stands here.");
    return oauth_client_delete(&req->ctx, client);
}

enum err handle_console_client_delete(struct request *req, struct response *res)
{
    struct client_view view = {.form = "delete"};
    const enum err read = read_view(req, &view);

    if (read != ERR_OK)
        return pages_to_login(req, res, read);
    view.code = end(req, &view.client);
    return view.code == ERR_OK ? console_redirect(req, res, "/clients?notice=client-deleted")
                               : refuse(req, res, &view);
}
