/* tenantd user: makes and lists the users of a tenant. */
#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "app/json.h"
#include "commands/commands.h"
#include "models/sign_up.h"
#include "models/user.h"

#define TEXT_MAX ((size_t)8 * 1024 * 1024)
#define PAGE     200

/* --- create --- */

struct creation {
    const char *tenant, *username, *email, *name, *password_file, *role, *custom_fields;
    bool password_stdin;
};

static enum err role_of(struct ctx *ctx, const char *word, int *ret_role)
{
    *ret_role = ROLE_USER;
    if (word == NULL)
        return ERR_OK;
    for (int i = ROLE_USER; role_names[i] != NULL; i++) {
        *ret_role = i;
        if (strcmp(word, role_names[i]) == 0)
            return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, "--role", "--role: must be user, admin or owner");
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
    struct new_user wanted = {
        .username = creation->username,
        .email = creation->email,
        .name = creation->name,
    };
    const char *from = creation->password_stdin ? "-" : creation->password_file;

    TRY(command_use_tenant(session, creation->tenant));
    TRY(role_of(ctx, creation->role, &wanted.role));
    TRY(fields_of(ctx, creation->custom_fields, &wanted.custom_fields));
    TRY(command_read_password(ctx, from, &wanted.password));
    return sign_up(ctx, &wanted, ret_user);
}

static void write_json_user(struct buf *out, const struct user *user)
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
    buf_putc(out, '}');
}

static void write_row(struct buf *out, const struct user *user)
{
    char id[UUID_TEXT_SIZE], created[TIME_TEXT_SIZE];

    uuid_text(&user->id, id);
    time_text(user->created_at, created);
    buf_printf(out, "%s  %-6s  %-8s  %.10s  %-24s  %s\n", id, role_names[user->role],
               user->is_active ? "active" : "inactive", created,
               user->username != NULL ? user->username : "-",
               user->email != NULL ? user->email : "-");
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
    struct session_of_command session;
    struct user user = {0};
    struct buf text;
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
    if (!command_open(invocation, &session, &status))
        return status;
    buf_init(&text, &session.arena, TEXT_MAX);
    enum err err = create(&session, &creation, &user);
    if (err == ERR_OK && invocation->json)
        write_json_user(&text, &user);
    else if (err == ERR_OK)
        write_row(&text, &user);
    status = err == ERR_OK ? command_print(invocation, &text) : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

/* --- list --- */

static enum err list_all(const struct invocation *invocation, struct session_of_command *session,
                         const char *slug, struct buf *out)
{
    const struct uuid *after = NULL;
    struct list page = {0};

    TRY(command_use_tenant(session, slug));
    if (invocation->json)
        buf_puts(out, "{\"users\":[");
    else
        buf_printf(out, "%-36s  %-6s  %-8s  %-10s  %-24s  %s\n", "id", "role", "state", "created",
                   "username", "email");
    do {
        TRY(user_list(&session->ctx, after, PAGE, &page));
        const struct user *users = page.items;
        for (size_t i = 0; i < page.count; i++) {
            if (!invocation->json) {
                write_row(out, &users[i]);
                continue;
            }
            buf_puts(out, after == NULL && i == 0 ? "" : ",");
            write_json_user(out, &users[i]);
        }
        after = page.count > 0 ? &users[page.count - 1].id : after;
    } while (page.count == PAGE);
    if (invocation->json)
        buf_puts(out, "]}");
    return ERR_OK;
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    const char *tenant = NULL;
    const struct command_option options[] = {{"tenant", &tenant, NULL}, {0}};
    struct session_of_command session;
    struct buf text;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    if (!command_open(invocation, &session, &status))
        return status;
    buf_init(&text, &session.arena, TEXT_MAX);
    enum err err = list_all(invocation, &session, tenant, &text);
    status = err == ERR_OK ? command_print(invocation, &text) : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"create", run_create},
        {"list", run_list},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_user = {
    .name = "user",
    .summary = "make and list the users of a tenant",
    .help = "usage: tenantd user create --tenant SLUG [--username NAME] [--email ADDRESS]\n"
            "                           (--password-file FILE|- | --password-stdin)\n"
            "                           [--name NAME] [--role ROLE] [--custom-fields JSON]\n"
            "       tenantd user list --tenant SLUG\n"
            "\n"
            "  --tenant SLUG          the tenant\n"
            "  --username NAME        and/or --email ADDRESS: what the user logs in with\n"
            "  --password-file FILE   whose first line is the password; - is standard input,\n"
            "                         without echo on a terminal\n"
            "  --password-stdin       the same as --password-file -\n"
            "  --role ROLE            user (default), admin or owner\n"
            "  --custom-fields JSON   an object, as the API takes it\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd user create --tenant acme --username grace --role admin --password-stdin\n"
            "  tenantd user create --tenant acme --email u@acme.example --password-file pw.txt \\\n"
            "      --custom-fields '{\"department\": \"ML\"}'\n"
            "  tenantd user list --tenant acme --json | jq -r '.users[].email'\n",
    .run = run,
};
