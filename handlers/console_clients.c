/* The console's applications (OAuth clients): the list, and registering one. */
#include "handlers/console.h"

#include "app/cursor.h"
#include "handlers/console_client_form.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define USE       "console-client"
#define ON_A_PAGE 25

struct clients_view {
    struct user me;
    struct list clients;
    struct list users; /* who registered them */
    const char *next;
};

/* --- the list --- */

static enum err read_clients(struct request *req, struct clients_view *view)
{
    static const struct cursor_list list = {.name = "console.clients"};
    const struct uuid anybody = {0};
    const char *cursor = NULL, *after = NULL;

    TRY(request_query(req, "cursor", &cursor));
    if (cursor != NULL)
        TRY(cursor_read(&req->ctx, &list, cursor, &after, 1));
    TRY(oauth_client_list(&req->ctx, &anybody, after, ON_A_PAGE + 1, &view->clients));
    if (view->clients.count <= ON_A_PAGE)
        return ERR_OK;
    view->clients.count = ON_A_PAGE;

    const struct oauth_client *clients = view->clients.items;

    TRY(cursor_make(&req->ctx, &list, &clients[ON_A_PAGE - 1].id, 1, &cursor));
    return console_address(req, "/clients",
                           (const struct console_query[]){{"cursor", cursor}, {NULL, NULL}},
                           &view->next);
}

static enum err read_users(struct request *req, struct clients_view *view)
{
    const struct oauth_client *clients = view->clients.items;
    struct uuid *ids = arena_array(req->ctx.arena, view->clients.count + 1, sizeof *ids);
    size_t count = 0;

    if (ids == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < view->clients.count; i++) {
        if (!uuid_is_zero(&clients[i].owner_id))
            ids[count++] = clients[i].owner_id;
    }
    return user_find_all(&req->ctx, ids, count, &view->users);
}

static enum err describe(struct request *req, const struct clients_view *view,
                         const struct oauth_client *client, struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    struct template_var *vars = arena_array(ctx->arena, 9, sizeof *vars);

    if (vars == NULL)
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "client-id", .text = client->id};
    vars[1] = (struct template_var){.name = "client-name", .text = client->name};
    vars[2] = (struct template_var){.name = "kind", .text = client_kind_words(client)};
    vars[3] = (struct template_var){.name = "is-public",
                                    .text = words_when(oauth_client_is_public(client))};
    vars[4] =
        (struct template_var){.name = "is-first-party", .text = words_when(client->first_party)};
    vars[5] = (struct template_var){.name = "grants",
                                    .text = client_list_words(ctx, &client->grant_types)};
    vars[6] = (struct template_var){.name = "secret-age",
                                    .text = words_ago(ctx, client->secret_created_at)};
    vars[7] = (struct template_var){.name = "registered-by",
                                    .text = client_owner_words(&view->users, client)};
    vars[8] = (struct template_var){.name = "since", .text = words_day(ctx, client->created_at)};
    *ret_item = (struct template_vars){.vars = vars, .count = 9};
    return ERR_OK;
}

static enum err describe_all(struct request *req, const struct clients_view *view,
                             struct template_var *ret_rows)
{
    const struct oauth_client *clients = view->clients.items;
    const size_t count = view->clients.count;
    struct template_vars *items = arena_array(req->ctx.arena, count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(describe(req, view, &clients[i], &items[i]));
    *ret_rows = (struct template_var){.name = "rows", .items = items, .item_count = count};
    return ERR_OK;
}

static enum err show_list(struct request *req, struct response *res, struct clients_view *view)
{
    struct template_var rows = {0};

    TRY(read_clients(req, view));
    TRY(read_users(req, view));
    TRY(describe_all(req, view, &rows));

    const struct template_var vars[] = {
        rows,
        {.name = "has-rows", .text = words_when(view->clients.count > 0)},
        {.name = "next", .text = view->next},
    };
    struct page page = {.template_name = "console-clients",
                        .title = "Applications",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(req, res, &(struct console_view){.user = &view->me, .here = "clients"},
                           &page);
}

enum err handle_console_clients(struct request *req, struct response *res)
{
    struct clients_view view = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &view.me);

    return entered != ERR_OK ? pages_to_login(req, res, entered) : show_list(req, res, &view);
}

/* --- registering one --- */

static enum err show_form(struct request *req, struct response *res, const struct user *me,
                          enum err code)
{
    struct input inputs[CLIENT_INPUTS];
    const size_t count = client_inputs(req, NULL, inputs);
    const char *id = NULL;
    struct template_var vars[3];

    client_word_refusal(&req->ctx);
    TRY(oauth_client_new_id(&req->ctx, &id));
    TRY(inputs_make(req, &(struct input_form){"inputs", inputs, count, code != ERR_OK, code},
                    &vars[0]));
    TRY(console_put_once(req, USE, id, &vars[1]));

    struct page page = {.template_name = "console-client-new",
                        .title = "New application",
                        .vars = vars,
                        .var_count = 3};

    return console_respond(
        req, res,
        &(struct console_view){
            .user = me,
            .here = "clients",
            .message = console_refusal(req, code, inputs_name_failure(req, inputs, count)),
            .status = code != ERR_OK ? error_info(code)->status : 200},
        &page);
}

enum err handle_console_client_new(struct request *req, struct response *res)
{
    struct user me = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &me);

    return entered != ERR_OK ? pages_to_login(req, res, entered) : show_form(req, res, &me, ERR_OK);
}

static enum err create(struct request *req, const struct user *me, struct made_client *ret_made)
{
    const struct registrar registrar = client_registrar(me);
    struct client_metadata metadata;
    const char *id = NULL;

    TRY(console_check_once(req, USE, &id));
    TRY(client_from_form(req, NULL, &metadata));
    return oauth_client_create_once(&req->ctx, id, &metadata, &registrar, ret_made);
}

enum err handle_console_client_create(struct request *req, struct response *res)
{
    struct user me = {0};
    struct made_client made;
    enum err done = console_enter(req, ROLE_ADMIN, &me);

    if (done != ERR_OK)
        return pages_to_login(req, res, done);
    done = create(req, &me, &made);
    if (done == ERR_OK)
        return client_show_made(req, res, &me, 201, &made);
    if (done == ERR_CONFLICT)
        return console_redirect(req, res, "/clients?notice=client-made");
    return pages_shows(done) ? show_form(req, res, &me, done) : done;
}
