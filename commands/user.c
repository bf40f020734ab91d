/* tenantd user: makes and lists the users of a tenant; user_change.c does the rest. */
#include "commands/user.h"

#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "app/json.h"
#include "models/creation.h"
#include "models/user_admin.h"
#include "models/user_search.h"

#define PAGE         200
#define SEARCH_LIMIT 500

/* --- create --- */

struct creation {
    const char *tenant, *username, *email, *name, *password_file, *role, *custom_fields;
    bool password_stdin;
};

enum err user_role_word(struct ctx *ctx, const char *option, const char *word, int *ret_role)
{
    *ret_role = ROLE_USER;
    if (word == NULL)
        return ERR_OK;
    for (int i = ROLE_USER; role_names[i] != NULL; i++) {
        *ret_role = i;
        if (strcmp(word, role_names[i]) == 0)
            return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, option, "%s: must be user, admin or owner", option);
}

static enum err fields_of(struct ctx *ctx, const char *json, struct bytes *ret_fields)
{
    struct value value;

    if (json == NULL)
        return ERR_OK;
    TRY(json_parse(ctx, json, strlen(json), &value));
    return document_from_value(ctx, "custom_fields", &value, ret_fields);
}

static enum err create(struct session_of_command *session, const struct creation *creation,
                       struct user *ret_user)
{
    struct ctx *ctx = &session->ctx;
    struct new_user wanted = {.role = ROLE_UNSET};
    struct user_input in = {0};
    const char *password = NULL;

    TRY(command_use_tenant(session, creation->tenant));
    TRY(user_role_word(ctx, "--role", creation->role, &wanted.role));
    TRY(fields_of(ctx, creation->custom_fields, &wanted.custom_fields));
    TRY(command_read_password(ctx, creation->password_stdin ? "-" : creation->password_file,
                              &password));

    const struct command_word words[] = {{"username", creation->username},
                                         {"email", creation->email},
                                         {"name", creation->name},
                                         {"password", password},
                                         {0}};

    TRY(command_decode(ctx, &tenant_user_input_schema, DECODE_INPUT, words, &in));
    wanted.username = in.username;
    wanted.email = in.email;
    wanted.name = in.name;
    wanted.password = in.password;
    return user_admin_create(ctx, &wanted, ret_user);
}

void user_begin_json(struct buf *out, const struct user *user)
{
    char id[UUID_TEXT_SIZE], created[TIME_TEXT_SIZE];

    uuid_text(&user->id, id);
    time_text(user->created_at, created);
    buf_putc(out, '{');
    command_json_text(out, "id", id);
    command_json_text(out, "username", user->username);
    command_json_text(out, "email", user->email);
    command_json_text(out, "name", user->name);
    command_json_text(out, "role", role_names[user->role]);
    command_json_bool(out, "is_active", user->is_active);
    buf_puts(out, ",\"custom_fields\":");
    document_to_json(&user->custom_fields, out);
    command_json_text(out, "created_at", created);
}

void user_write_row(struct buf *out, const struct user *user)
{
    char id[UUID_TEXT_SIZE], created[TIME_TEXT_SIZE];

    uuid_text(&user->id, id);
    time_text(user->created_at, created);
    buf_printf(out, "%s  %-6s  %-8s  %.10s  %-24s  %s\n", id, role_names[user->role],
               user->is_active ? "active" : "inactive", created,
               user->username != NULL ? user->username : "-",
               user->email != NULL ? user->email : "-");
}

static enum err create_and_show(const struct invocation *invocation,
                                struct session_of_command *session, struct buf *out, void *arg)
{
    struct user user = {0};

    TRY(create(session, arg, &user));
    if (!invocation->json) {
        user_write_row(out, &user);
        return ERR_OK;
    }
    user_begin_json(out, &user);
    buf_putc(out, '}');
    return ERR_OK;
}

static int run_create(struct invocation *invocation, int argc, char **argv)
{
    struct creation creation = {0};
    const struct command_option options[] = {
        {"tenant", &creation.tenant, NULL},
        {"username", &creation.username, NULL},
        {"email", &creation.email, NULL},
        {"name", &creation.name, NULL},
        {"password-file", &creation.password_file, NULL},
        {"password-stdin", NULL, &creation.password_stdin},
        {"role", &creation.role, NULL},
        {"custom-fields", &creation.custom_fields, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (creation.tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    if (creation.username == NULL && creation.email == NULL)
        return command_usage(invocation, "a user needs --username or --email");
    if (creation.password_stdin == (creation.password_file != NULL))
        return command_usage(invocation, "give the password by --password-file or "
                                         "--password-stdin");
    return command_work(invocation, create_and_show, &creation);
}

/* --- list --- */

struct listing {
    const struct invocation *invocation;
    const char *tenant, *search;
    struct uuid after; /* zero = from the first */
    bool begun;
};

static void begin_list(const struct invocation *invocation, struct buf *out)
{
    if (invocation->json)
        buf_puts(out, "{\"users\":[");
    else
        buf_printf(out, "%-36s  %-6s  %-8s  %-10s  %-24s  %s\n", "id", "role", "state", "created",
                   "username", "email");
}

static enum err list_page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct listing *listing = arg;
    const struct uuid after = listing->after;
    struct list page = {0};
    bool cut = false;

    if (!listing->begun)
        begin_list(listing->invocation, out);
    if (listing->search != NULL)
        TRY(user_search(ctx, listing->search, SEARCH_LIMIT, &page));
    else
        TRY(user_list_page(ctx, listing->begun ? &after : NULL, PAGE, &cut, &page));

    const struct user *users = page.items;

    for (size_t i = 0; i < page.count; i++) {
        if (!listing->invocation->json) {
            user_write_row(out, &users[i]);
            continue;
        }
        buf_puts(out, listing->begun || i > 0 ? "," : "");
        user_begin_json(out, &users[i]);
        buf_putc(out, '}');
    }
    listing->begun = true;
    *ret_more = cut || (listing->search == NULL && page.count == PAGE);
    if (page.count > 0)
        listing->after = users[page.count - 1].id;
    if (!*ret_more && listing->invocation->json)
        buf_puts(out, "]}\n");
    return ERR_OK;
}

static enum err list_all(const struct invocation *invocation, struct session_of_command *session,
                         struct buf *out, void *arg)
{
    struct listing *listing = arg;

    (void)out;
    listing->invocation = invocation;
    TRY(command_use_tenant(session, listing->tenant));
    return command_pages(invocation, session, list_page, listing);
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    struct listing listing = {0};
    const struct command_option options[] = {
        {"tenant", &listing.tenant, NULL}, {"search", &listing.search, NULL}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (listing.tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    return command_work(invocation, list_all, &listing);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"create", run_create},
        {"list", run_list},
        {"show", run_user_show},
        {"role", run_user_role},
        {"activate", run_user_activate},
        {"deactivate", run_user_deactivate},
        {"delete", run_user_delete},
        {"set-password", run_user_set_password},
        {"revoke-sessions", run_user_revoke_sessions},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_user = {
    .name = "user",
    .summary = "make, list, show, change and delete the users of a tenant",
    .help = "usage: tenantd user create --tenant SLUG [--username NAME] [--email ADDRESS]\n"
            "                           (--password-file FILE|- | --password-stdin)\n"
            "                           [--name NAME] [--role ROLE] [--custom-fields JSON]\n"
            "       tenantd user list --tenant SLUG [--search TEXT]\n"
            "       tenantd user show USER --tenant SLUG\n"
            "       tenantd user role USER user|admin|owner --tenant SLUG\n"
            "       tenantd user activate USER --tenant SLUG\n"
            "       tenantd user deactivate USER --tenant SLUG\n"
            "       tenantd user set-password USER --tenant SLUG\n"
            "                           [--password-file FILE|- | --password-stdin]\n"
            "       tenantd user revoke-sessions USER --tenant SLUG\n"
            "       tenantd user delete USER --tenant SLUG --confirm USER\n"
            "\n"
            "USER is an id, a user name or an e-mail address. A change of role, activity or\n"
            "password ends all sessions and tokens of the user within a second. The last active\n"
            "owner of a tenant stays one. \"set-password\" asks without echo on a terminal, and\n"
            "unlocks the account.\n"
            "\n"
            "  --tenant SLUG          the tenant\n"
            "  --username NAME        and/or --email ADDRESS: what the user logs in with\n"
            "  --password-file FILE   whose first line is the password; - is standard input,\n"
            "                         without echo on a terminal\n"
            "  --password-stdin       the same as --password-file -\n"
            "  --role ROLE            user (default), admin or owner\n"
            "  --search TEXT          how user name or address begins; at most 500 users\n"
            "  --custom-fields JSON   an object, as the API takes it\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd user create --tenant acme --username grace --role admin --password-stdin\n"
            "  tenantd user create --tenant acme --email u@acme.example --password-file pw.txt \\\n"
            "      --custom-fields '{\"department\": \"ML\"}'\n"
            "  tenantd user role grace owner --tenant acme\n"
            "  tenantd user list --tenant acme --json | jq -r '.users[].email'\n",
    .run = run,
};
