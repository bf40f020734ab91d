/* tenantd client: the OAuth clients of a tenant, by the models and the tables of the API. */
#include "commands/client.h"

#include <string.h>

#include "app/clock.h"
#include "models/oauth_client_admin.h"

#define PAGE           200
#define OVERLAP_MAX_MS INT64_C(604800000)
#define MEMBERS        10
#define MOST_WORDS     64

const struct registrar client_console = {.role = ROLE_OWNER};
static const struct uuid everybody;

struct call {
    const char *tenant, *name, *redirect_uris, *logout_uris, *told_at, *grants, *scope, *auth,
        *overlap;
    bool is_public, is_native, is_first_party;
    const char *id;
    char after[64]; /* the last id of a page; "" before the first */
    bool begun;
    const struct invocation *invocation;
};

/* --- output --- */

static void write_words(const struct strs *words, struct buf *out)
{
    for (size_t i = 0; i < words->count; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", words->items[i]);
}

static void write_time(const char *label, int64_t ms, struct buf *out)
{
    char text[TIME_TEXT_SIZE];

    if (ms == 0)
        return;
    time_text(ms, text);
    buf_printf(out, "%-14s %s\n", label, text);
}

static void write_list(const char *label, const struct strs *words, struct buf *out)
{
    if (words->count == 0)
        return;
    buf_printf(out, "%-14s ", label);
    write_words(words, out);
    buf_putc(out, '\n');
}

static void write_client(const struct oauth_client *client, struct buf *out)
{
    buf_printf(out, "%-14s %s\n%-14s %s\n%-14s %s\n", "client_id", client->id, "name", client->name,
               "kind", oauth_client_is_public(client) ? "public" : "confidential");
    write_list("grants", &client->grant_types, out);
    buf_printf(out, "%-14s %s\n", "scope", client->scope != NULL ? client->scope : "");
    write_list("redirect to", &client->redirect_uris, out);
    write_list("after logout", &client->post_logout_redirect_uris, out);
    if (client->backchannel_logout_uri != NULL)
        buf_printf(out, "%-14s %s\n", "told at", client->backchannel_logout_uri);
    write_time("created", client->created_at, out);
    write_time("secret made", client->secret_created_at, out);
    if (client->old_secret_ends_at > clock_now_ms())
        write_time("old one ends", client->old_secret_ends_at, out);
}

void client_command_write(const struct invocation *invocation, const struct oauth_client *client,
                          struct buf *out)
{
    if (invocation->json)
        schema_to_json(&oauth_client_schema, client, out);
    else
        write_client(client, out);
}

static void write_made(const struct invocation *invocation, const struct made_client *made,
                       struct buf *out)
{
    const struct oauth_client *client = &made->client;

    if (invocation->json) {
        buf_putc(out, '{');
        command_json_text(out, "client_id", client->id);
        command_json_text(out, "client_secret", made->secret);
        command_json_text(out, "client_name", client->name);
        command_json_text(out, "scope", client->scope);
        command_json_time(out, "secret_created_at", client->secret_created_at);
        command_json_time(out, "old_secret_ends_at", client->old_secret_ends_at);
        buf_putc(out, '}');
        return;
    }
    buf_printf(out, "client_id      %s\n", client->id);
    if (made->secret != NULL)
        buf_printf(out, "client_secret  %s\nThe secret is shown only this once.\n", made->secret);
    else
        buf_puts(out, "A public client has no secret: it proves itself with PKCE.\n");
}

/* --- list --- */

static void write_line(const struct call *call, const struct oauth_client *client, struct buf *out)
{
    if (call->invocation->json) {
        schema_to_json(&oauth_client_schema, client, out);
        return;
    }
    buf_printf(out, "%-24s  %-12s  %-40s  ", client->id,
               oauth_client_is_public(client) ? "public" : "confidential", client->name);
    write_words(&client->grant_types, out);
    buf_putc(out, '\n');
}

static enum err list_page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct call *call = arg;
    struct list page = {0};

    if (!call->begun && call->invocation->json)
        buf_puts(out, "{\"clients\":[");
    else if (!call->begun)
        buf_printf(out, "%-24s  %-12s  %-40s  %s\n", "client_id", "kind", "name", "grants");
    TRY(oauth_client_list(ctx, &everybody, call->begun ? call->after : NULL, PAGE, &page));

    const struct oauth_client *clients = page.items;

    for (size_t i = 0; i < page.count; i++) {
        if (call->invocation->json && (call->begun || i > 0))
            buf_putc(out, ',');
        write_line(call, &clients[i], out);
    }
    call->begun = true;
    *ret_more = page.count == PAGE;
    if (*ret_more)
        (void)snprintf(call->after, sizeof call->after, "%s", clients[page.count - 1].id);
    else if (call->invocation->json)
        buf_puts(out, "]}\n");
    return ERR_OK;
}

static enum err list(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct call *call = arg;

    (void)out;
    call->invocation = invocation;
    TRY(command_use_tenant(session, call->tenant));
    return command_pages(invocation, session, list_page, call);
}

/* --- create --- */

struct value client_text_value(const char *text)
{
    return (struct value){.type = VALUE_STRING, .string = {.text = text, .length = strlen(text)}};
}

enum err client_list_value(struct ctx *ctx, const char *option, const char *text,
                           const char *between, struct value *ret_value)
{
    struct value *items = arena_array(ctx->arena, MOST_WORDS, sizeof *items);
    char *rest = arena_strdup(ctx->arena, text);
    size_t count = 0;

    if (items == NULL || rest == NULL)
        return ERR_MEMORY;
    for (char *word = strsep(&rest, between); word != NULL; word = strsep(&rest, between)) {
        if (word[0] == '\0')
            continue;
        if (count == MOST_WORDS)
            return fail(ctx, ERR_VALIDATION, option, "%s: there are too many.", option);
        items[count++] = client_text_value(word);
    }
    *ret_value = (struct value){.type = VALUE_ARRAY, .array = {.items = items, .count = count}};
    return ERR_OK;
}

void client_add_member(struct value *object, const char *name, struct value value)
{
    object->object.members[object->object.count++] = (struct member){.name = name, .value = value};
}

static enum err add_list(struct ctx *ctx, struct value *object, const char *name, const char *text)
{
    const bool is_uris = strstr(name, "uris") != NULL;
    struct value value;

    if (text == NULL)
        return ERR_OK;
    TRY(client_list_value(ctx, is_uris ? "--redirect-uris" : "--grants", text, is_uris ? " " : " ,",
                          &value));
    client_add_member(object, name, value);
    return ERR_OK;
}

/* The words as the body that the API takes, through the same table. */
static enum err metadata_of(struct ctx *ctx, const struct call *call,
                            struct client_metadata *ret_metadata)
{
    const struct value yes = {.type = VALUE_BOOL, .boolean = true};
    struct value body = {.type = VALUE_OBJECT};

    body.object.members = arena_array(ctx->arena, MEMBERS, sizeof *body.object.members);
    if (body.object.members == NULL)
        return ERR_MEMORY;
    client_add_member(&body, "client_name", client_text_value(call->name));
    TRY(add_list(ctx, &body, "redirect_uris", call->redirect_uris));
    TRY(add_list(ctx, &body, "post_logout_redirect_uris", call->logout_uris));
    TRY(add_list(ctx, &body, "grant_types", call->grants));
    if (call->told_at != NULL)
        client_add_member(&body, "backchannel_logout_uri", client_text_value(call->told_at));
    if (call->scope != NULL)
        client_add_member(&body, "scope", client_text_value(call->scope));
    if (call->is_public || call->auth != NULL)
        client_add_member(&body, "token_endpoint_auth_method",
                          client_text_value(call->auth != NULL ? call->auth : "none"));
    if (call->is_native)
        client_add_member(&body, "application_type", client_text_value("native"));
    if (call->is_first_party)
        client_add_member(&body, "first_party", yes);
    return schema_decode(ctx, &client_metadata_schema, &body, DECODE_INPUT, ret_metadata);
}

static enum err create(const struct invocation *invocation, struct session_of_command *session,
                       struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct ctx *ctx = &session->ctx;
    struct client_metadata metadata = {0};
    struct made_client made;

    TRY(metadata_of(ctx, call, &metadata));
    TRY(command_use_tenant(session, call->tenant));
    TRY(oauth_client_create(ctx, &metadata, &client_console, &made));
    write_made(invocation, &made, out);
    return ERR_OK;
}

static int run_create(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL},
        {"name", &call.name, NULL},
        {"redirect-uris", &call.redirect_uris, NULL},
        {"logout-uris", &call.logout_uris, NULL},
        {"backchannel-logout-uri", &call.told_at, NULL},
        {"grants", &call.grants, NULL},
        {"scope", &call.scope, NULL},
        {"auth", &call.auth, NULL},
        {"public", NULL, &call.is_public},
        {"native", NULL, &call.is_native},
        {"first-party", NULL, &call.is_first_party},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (call.tenant == NULL || call.name == NULL)
        return command_usage(invocation, "--tenant and --name are needed");
    if (call.is_public && call.auth != NULL)
        return command_usage(invocation, "a client is --public or has an --auth");
    return command_work(invocation, create, &call);
}

/* --- one client --- */

enum err client_command_find(struct session_of_command *session, const char *tenant, const char *id,
                             struct oauth_client *ret_client)
{
    struct ctx *ctx = &session->ctx;

    TRY(command_use_tenant(session, tenant));

    const enum err found = oauth_client_find(ctx, id, &everybody, ret_client);

    if (found != ERR_NOT_FOUND)
        return found;
    fail_clear(ctx);
    return fail(ctx, found, NULL, "The tenant has no client \"%.63s\".", id);
}

static enum err find(struct session_of_command *session, const struct call *call,
                     struct oauth_client *ret_client)
{
    return client_command_find(session, call->tenant, call->id, ret_client);
}

static enum err show(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct oauth_client client = {0};

    TRY(find(session, arg, &client));
    client_command_write(invocation, &client, out);
    return ERR_OK;
}

static enum err rotate(const struct invocation *invocation, struct session_of_command *session,
                       struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct ctx *ctx = &session->ctx;
    struct oauth_client client = {0};
    struct made_client made;
    int64_t overlap = 0;

    if (call->overlap != NULL)
        TRY(command_duration(ctx, "--overlap", call->overlap, &overlap));
    if (overlap > OVERLAP_MAX_MS)
        return fail(ctx, ERR_VALIDATION, "--overlap", "--overlap: must be at most 7d.");
    TRY(find(session, call, &client));
    TRY(oauth_client_rotate_secret(ctx, &client, overlap, &made));
    write_made(invocation, &made, out);
    return ERR_OK;
}

static enum err delete_client(const struct invocation *invocation,
                              struct session_of_command *session, struct buf *out, void *arg)
{
    struct oauth_client client = {0};

    TRY(find(session, arg, &client));
    TRY(oauth_client_delete(&session->ctx, &client));
    if (!invocation->json) {
        buf_puts(out, "deleted\n");
        return ERR_OK;
    }
    buf_putc(out, '{');
    command_json_text(out, "deleted", client.id);
    buf_putc(out, '}');
    return ERR_OK;
}

/* All but create: what names a client has one argument, only rotate-secret an overlap. */
static int run_on(struct invocation *invocation, int argc, char **argv, command_work_fn work)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL},
        {work == rotate ? "overlap" : NULL, &call.overlap, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, work == list ? 0 : 1, "the id of the client"))
        return COMMAND_USAGE;
    if (call.tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    call.id = work != list ? invocation->args[0] : NULL;
    return command_work(invocation, work, &call);
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    return run_on(invocation, argc, argv, list);
}

static int run_show(struct invocation *invocation, int argc, char **argv)
{
    return run_on(invocation, argc, argv, show);
}

static int run_rotate(struct invocation *invocation, int argc, char **argv)
{
    return run_on(invocation, argc, argv, rotate);
}

static int run_delete(struct invocation *invocation, int argc, char **argv)
{
    return run_on(invocation, argc, argv, delete_client);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"list", run_list},
        {"create", run_create},
        {"show", run_show},
        {"update", client_command_update},
        {"rotate-secret", run_rotate},
        {"delete", run_delete},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_client = {
    .name = "client",
    .summary = "register, list, change and end OAuth clients, and replace their secrets",
    .help =
        "usage: tenantd client list --tenant SLUG\n"
        "       tenantd client create --tenant SLUG --name TEXT [--redirect-uris URIS]\n"
        "                             [--grants LIST] [--scope SCOPE] [--public | --auth WAY]\n"
        "                             [--native] [--first-party] [--logout-uris URIS]\n"
        "                             [--backchannel-logout-uri URI]\n"
        "       tenantd client show ID --tenant SLUG\n"
        "       tenantd client update ID --tenant SLUG [--add-redirect-uris URIS]\n"
        "                             [--remove-redirect-uris URIS] [--name TEXT] …\n"
        "       tenantd client rotate-secret ID --tenant SLUG [--overlap TIME]\n"
        "       tenantd client delete ID --tenant SLUG\n"
        "\n"
        "A secret is shown once, when it is made. What a deleted client was issued is refused\n"
        "by all instances within a second; so is what was issued under a secret that is\n"
        "replaced without an overlap, or with a scope that the client has no longer.\n"
        "\n"
        "  --redirect-uris URIS  with blanks between; compared byte for byte\n"
        "  --grants LIST         authorization_code, refresh_token, password,\n"
        "                        client_credentials; default: the first two\n"
        "  --scope SCOPE         the most that its tokens may have; default: read write\n"
        "  --public              without a secret: single-page, mobile, command line\n"
        "  --auth WAY            client_secret_basic or client_secret_post; default: both\n"
        "  --native              may redirect to loopback and to a scheme of its own\n"
        "  --first-party         users are not asked for consent\n"
        "  --logout-uris URIS    where a logout may lead\n"
        "  --backchannel-logout-uri URI\n"
        "                        where it is told that a session has ended\n"
        "  --add-redirect-uris URIS, --remove-redirect-uris URIS\n"
        "                        update: beside those that are registered, or no longer\n"
        "  --first-party yes|no  update: as it says; other options replace what there was,\n"
        "                        what is not named stays\n"
        "  --overlap TIME        how long the old secret works on, at most 7d; default 0\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd client create --tenant acme --name Shop --scope 'openid email' \\\n"
        "      --redirect-uris https://shop.example/callback --json\n"
        "  tenantd client create --tenant acme --name Nightly \\\n"
        "      --grants client_credentials --scope orders:read\n"
        "  tenantd client update ID --tenant acme \\\n"
        "      --add-redirect-uris 'https://shop.example/callback https://shop.example/silent'\n"
        "  tenantd client rotate-secret ID --tenant acme --overlap 1d\n",
    .run = run,
};
