/* tenantd profiles: the view of a tenant's users for the operator's own code, and its role. */
#include "commands/commands.h"

#include "models/profile.h"
#include "models/tenant.h"

static int with_tenant(struct invocation *invocation, int argc, char **argv, command_work_fn work)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the tenant"))
        return COMMAND_USAGE;
    return command_work(invocation, work, NULL);
}

/* --- make, drop, show --- */

static enum err write_view(const struct invocation *invocation, struct ctx *ctx,
                           enum db_view_state state, struct buf *out)
{
    static const char *const words[] = {
        [DB_VIEW_ABSENT] = "absent", [DB_VIEW_SAME] = "current", [DB_VIEW_DIFFERENT] = "different"};
    const char *name = NULL;

    TRY(db_view_name(ctx, &name));
    if (invocation->json) {
        buf_putc(out, '{');
        command_json_text(out, "tenant", ctx->tenant->slug);
        command_json_text(out, "view", name);
        command_json_text(out, "state", words[state]);
        command_json_int(out, "profile_version", PROFILE_VERSION);
        buf_putc(out, '}');
        return ERR_OK;
    }
    if (state == DB_VIEW_ABSENT)
        buf_printf(out, "%s has no view of its users; \"tenantd profiles make %s\" makes %s.\n",
                   ctx->tenant->slug, ctx->tenant->slug, name);
    else if (state == DB_VIEW_DIFFERENT)
        buf_printf(out,
                   "%s shows the users of %s in another shape than this version's; \"tenantd "
                   "profiles make %s\" brings it up to date.\n",
                   name, ctx->tenant->slug, ctx->tenant->slug);
    else
        buf_printf(out, "%s shows the users of %s (shape %d).\n", name, ctx->tenant->slug,
                   PROFILE_VERSION);
    return ERR_OK;
}

static enum err show(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    enum db_view_state state = DB_VIEW_UNSET;

    (void)arg;
    TRY(command_use_any_tenant(session, invocation->args[0]));
    TRY(profile_look(&session->ctx, &state));
    return write_view(invocation, &session->ctx, state, out);
}

static enum err make(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    (void)arg;
    TRY(command_use_tenant(session, invocation->args[0]));
    TRY(profile_make(&session->ctx));
    return write_view(invocation, &session->ctx, DB_VIEW_SAME, out);
}

static enum err drop(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    (void)arg;
    TRY(command_use_any_tenant(session, invocation->args[0]));
    TRY(profile_drop(&session->ctx));
    return write_view(invocation, &session->ctx, DB_VIEW_ABSENT, out);
}

static int run_show(struct invocation *invocation, int argc, char **argv)
{
    return with_tenant(invocation, argc, argv, show);
}

static int run_make(struct invocation *invocation, int argc, char **argv)
{
    return with_tenant(invocation, argc, argv, make);
}

static int run_drop(struct invocation *invocation, int argc, char **argv)
{
    return with_tenant(invocation, argc, argv, drop);
}

/* --- role --- */

struct wanted {
    struct profile_role role;
    const char *database;
    bool apply;
};

static void write_role(const struct invocation *invocation, const struct wanted *wanted,
                       struct buf *out)
{
    if (!wanted->apply) {
        /* For mongosh --eval, whatever database it is connected to; and as JSON as it is. */
        if (!invocation->json)
            buf_printf(out, "db.getSiblingDB(\"%s\").runCommand(%s)\n", wanted->database,
                       wanted->role.command);
        else
            buf_printf(out, "%s\n", wanted->role.command);
        return;
    }
    if (invocation->json) {
        buf_putc(out, '{');
        command_json_text(out, "role", wanted->role.name);
        command_json_bool(out, "watches", wanted->role.watches);
        buf_putc(out, '}');
        return;
    }
    buf_printf(out,
               "The role %s is there; give it to a user: db.getSiblingDB(\"%s\").createUser({user: "
               "\"…\", pwd: passwordPrompt(), roles: [\"%s\"]})\n",
               wanted->role.name, wanted->database, wanted->role.name);
}

static enum err role(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct wanted *wanted = arg;
    bool allowed = true;

    TRY(command_use_tenant(session, invocation->args[0]));
    wanted->database = app_config(session->app)->database.name;
    if (wanted->apply)
        TRY(profile_role_make(&session->ctx, &wanted->role, &allowed));
    else
        TRY(profile_role_describe(&session->ctx, &wanted->role));
    if (!allowed)
        return fail(&session->ctx, ERR_VALIDATION, "--apply",
                    "The user of database.uri may not make roles, which is as it should be: run "
                    "what this prints without --apply in mongosh, as an administrator.");
    if (wanted->role.watches)
        fputs("tenantd: with --watch the role reads the users' own collection, password hashes "
              "included: give it to nobody who needs less.\n",
              stderr);
    write_role(invocation, wanted, out);
    return ERR_OK;
}

static int run_role(struct invocation *invocation, int argc, char **argv)
{
    struct wanted wanted = {.apply = false};
    const struct command_option options[] = {
        {"watch", NULL, &wanted.role.watches}, {"apply", NULL, &wanted.apply}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the tenant"))
        return COMMAND_USAGE;
    return command_work(invocation, role, &wanted);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"make", run_make}, {"show", run_show}, {"drop", run_drop}, {"role", run_role}, {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_profiles = {
    .name = "profiles",
    .summary = "let your own code join a tenant's users in the database",
    .help =
        "usage: tenantd profiles make TENANT\n"
        "       tenantd profiles show TENANT\n"
        "       tenantd profiles role TENANT [--watch] [--apply]\n"
        "       tenantd profiles drop TENANT\n"
        "\n"
        "\"make\" makes a read-only view of the tenant's users, profiles_<id>, without hashes\n"
        "and counters, in the database of the service: your own collections there can $lookup\n"
        "in it. Its members are a promise (profile_version). \"role\" prints the command for\n"
        "mongosh that makes a role of the database which may read this view and nothing else.\n"
        "\n"
        "  --watch         the role may also follow changes (change streams). MongoDB has these\n"
        "                  for collections only, so that such a role reads the users' own\n"
        "                  documents, password hashes included\n"
        "  --apply         make the role now, if the user of database.uri may\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd profiles make acme\n"
        "  mongosh \"$ADMIN_URI\" --eval \"$(tenantd profiles role acme)\"\n"
        "  tenantd profiles show acme --json | jq -r .view\n",
    .run = run,
};
