/* tenantd user show, role, activate …: what administrators do to users, by the same models. */
#include "commands/user.h"

#include <string.h>
#include <unistd.h>

#include "app/clock.h"
#include "models/user_admin.h"
#include "models/user_security.h"
#include "models/user_sessions.h"

#define SESSIONS_SHOWN 10

/* What one action is called with. */
struct call {
    const char *tenant, *login;
    const char *confirm, *password_file;
    const char *role;
    bool password_stdin, active;
};

/* By id, user name or address. */
static enum err find(struct session_of_command *session, const struct call *call,
                     struct user *ret_user)
{
    struct ctx *ctx = &session->ctx;
    struct uuid id;

    TRY(command_use_tenant(session, call->tenant));

    const enum err found = uuid_parse(call->login, &id)
                               ? user_find(ctx, &id, ret_user)
                               : user_find_by_login(ctx, call->login, ret_user);

    if (found != ERR_NOT_FOUND)
        return found;
    fail_clear(ctx);
    return fail(ctx, ERR_NOT_FOUND, NULL, "There is no user \"%.200s\" in the tenant \"%s\".",
                call->login, call->tenant);
}

static void write_user(const struct invocation *invocation, const struct user *user,
                       struct buf *out)
{
    if (!invocation->json) {
        user_write_row(out, user);
        return;
    }
    user_begin_json(out, user);
    buf_putc(out, '}');
}

/* Parses what all have; NULL or the number of arguments is wrong: *ret_status. */
static bool begin(struct invocation *invocation, int argc, char **argv,
                  const struct command_option *options, int *ret_status)
{
    if (!command_parse(invocation, argc, argv, options, ret_status))
        return false;
    *ret_status = COMMAND_USAGE;
    if (invocation->arg_count < 1) {
        command_usage(invocation, "the user is missing: an id, a name or an address");
        return false;
    }
    return true;
}

static int run_with(struct invocation *invocation, command_work_fn work, struct call *call)
{
    if (call->tenant == NULL)
        return command_usage(invocation, "--tenant is missing");
    call->login = invocation->args[0];
    return command_work(invocation, work, call);
}

/* An action that takes a tenant, a user and nothing else. */
static int run_on_user(struct invocation *invocation, int argc, char **argv, command_work_fn work,
                       struct call *call)
{
    const struct command_option options[] = {{"tenant", &call->tenant, NULL}, {0}};
    int status;

    if (!begin(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the user"))
        return COMMAND_USAGE;
    return run_with(invocation, work, call);
}

/* --- show --- */

static void write_sessions(const struct invocation *invocation, const struct list *sessions,
                           struct buf *out)
{
    const struct user_session *items = sessions->items;

    for (size_t i = 0; i < sessions->count && invocation->json; i++) {
        buf_puts(out, i > 0 ? "," : "");
        schema_to_json(&user_session_schema, &items[i], out);
    }
    for (size_t i = 0; i < sessions->count && i < SESSIONS_SHOWN && !invocation->json; i++) {
        char seen[TIME_TEXT_SIZE];

        time_text(items[i].last_seen_at, seen);
        buf_printf(out, "    %s  %-7s  %-15s  %s\n", seen, items[i].kind,
                   items[i].ip != NULL ? items[i].ip : "-",
                   items[i].device != NULL ? items[i].device : "-");
    }
}

static void write_time(struct buf *out, const char *label, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms == 0)
        return;
    time_text(ms, text);
    buf_printf(out, "  %-11s %s\n", label, text);
}

static enum err show(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct user user = {0};
    struct list sessions = {0};

    TRY(find(session, arg, &user));
    TRY(user_sessions_list(&session->ctx, &user.id, &sessions));
    if (invocation->json) {
        user_begin_json(out, &user);
        command_json_time(out, "last_login_at", user.last_login_at);
        command_json_time(out, "deletion_at", user.deletion_at);
        buf_puts(out, ",\"sessions\":[");
        write_sessions(invocation, &sessions, out);
        buf_puts(out, "]}");
        return ERR_OK;
    }
    user_write_row(out, &user);
    if (user.name != NULL)
        buf_printf(out, "  %-11s %s\n", "name", user.name);
    write_time(out, "last login", user.last_login_at);
    write_time(out, "removed at", user.deletion_at);
    buf_printf(out, "  %-11s %zu\n", "sessions", sessions.count);
    write_sessions(invocation, &sessions, out);
    return ERR_OK;
}

int run_user_show(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};

    return run_on_user(invocation, argc, argv, show, &call);
}

/* --- role --- */

static enum err set_role(const struct invocation *invocation, struct session_of_command *session,
                         struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct user user = {0}, after = {0};
    int role = ROLE_UNSET;

    TRY(user_role_word(&session->ctx, "ROLE", call->role, &role));
    TRY(find(session, call, &user));
    TRY(user_admin_set_role(&session->ctx, &user.id, (enum role)role, 0, &after));
    write_user(invocation, &after, out);
    return ERR_OK;
}

int run_user_role(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {{"tenant", &call.tenant, NULL}, {0}};
    int status;

    if (!begin(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 2, "the role"))
        return COMMAND_USAGE;
    call.role = invocation->args[1];
    return run_with(invocation, set_role, &call);
}

/* --- activate, deactivate --- */

static enum err set_active(const struct invocation *invocation, struct session_of_command *session,
                           struct buf *out, void *arg)
{
    const struct call *call = arg;
    const struct user_edit edit = {.is_active = call->active, .has_is_active = true};
    struct user user = {0}, after = {0};

    TRY(find(session, call, &user));
    TRY(user_admin_edit(&session->ctx, &user.id, &edit, &after));
    write_user(invocation, &after, out);
    return ERR_OK;
}

static int run_active(struct invocation *invocation, int argc, char **argv, bool active)
{
    struct call call = {.active = active};

    return run_on_user(invocation, argc, argv, set_active, &call);
}

int run_user_activate(struct invocation *invocation, int argc, char **argv)
{
    return run_active(invocation, argc, argv, true);
}

int run_user_deactivate(struct invocation *invocation, int argc, char **argv)
{
    return run_active(invocation, argc, argv, false);
}

/* --- delete --- */

static enum err delete_user(const struct invocation *invocation, struct session_of_command *session,
                            struct buf *out, void *arg)
{
    struct user user = {0};

    TRY(find(session, arg, &user));
    TRY(user_admin_delete(&session->ctx, &user.id, 0));
    if (invocation->json) {
        buf_putc(out, '{');
        command_json_uuid(out, "deleted", &user.id);
        buf_putc(out, '}');
    } else {
        buf_puts(out, "deleted\n");
    }
    return ERR_OK;
}

int run_user_delete(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL}, {"confirm", &call.confirm, NULL}, {0}};
    int status;

    if (!begin(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the user"))
        return COMMAND_USAGE;
    if (call.confirm == NULL || strcmp(call.confirm, invocation->args[0]) != 0)
        return command_usage(invocation, "say it twice, because it cannot be undone: --confirm %s",
                             invocation->args[0]);
    return run_with(invocation, delete_user, &call);
}

/* --- set-password --- */

static enum err set_password(const struct invocation *invocation,
                             struct session_of_command *session, struct buf *out, void *arg)
{
    const struct call *call = arg;
    const char *password = NULL;
    struct user user = {0};

    TRY(find(session, call, &user));
    TRY(command_read_password(&session->ctx,
                              call->password_file != NULL ? call->password_file : "-", &password));
    TRY(user_reset_password(&session->ctx, &user.id, password));
    write_user(invocation, &user, out);
    return ERR_OK;
}

int run_user_set_password(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL},
        {"password-file", &call.password_file, NULL},
        {"password-stdin", NULL, &call.password_stdin},
        {0},
    };
    int status;

    if (!begin(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the user"))
        return COMMAND_USAGE;
    if (call.password_stdin && call.password_file != NULL)
        return command_usage(invocation, "give the password by --password-file or "
                                         "--password-stdin");
    if (!call.password_stdin && call.password_file == NULL && isatty(STDIN_FILENO) == 0)
        return command_usage(invocation, "nobody can be asked for the password here: use "
                                         "--password-file or --password-stdin");
    return run_with(invocation, set_password, &call);
}

/* --- revoke-sessions --- */

static enum err revoke_sessions(const struct invocation *invocation,
                                struct session_of_command *session, struct buf *out, void *arg)
{
    struct user user = {0};

    TRY(find(session, arg, &user));
    TRY(user_admin_end_sessions(&session->ctx, &user.id));
    write_user(invocation, &user, out);
    return ERR_OK;
}

int run_user_revoke_sessions(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};

    return run_on_user(invocation, argc, argv, revoke_sessions, &call);
}
