/* tenantd migrate: shows, applies and takes back the numbered changes of the stored structure. */
#include "commands/commands.h"

#include <errno.h>
#include <stdlib.h>

#include "app/clock.h"
#include "app/migrate.h"
#include "commands/migrate_new.h"

#define TEXT_MAX ((size_t)256 * 1024)

static const struct migration_state *state_of(const struct list *applied, int number)
{
    const struct migration_state *states = applied->items;

    for (size_t i = 0; i < applied->count; i++) {
        if (states[i].number == number)
            return &states[i];
    }
    return NULL;
}

static void write_json(struct buf *out, const struct list *applied, size_t pending)
{
    buf_puts(out, "{\"migrations\":[");
    for (size_t i = 0; i < migration_count; i++) {
        const struct migration_state *state = state_of(applied, migrations[i]->number);
        char time[TIME_TEXT_SIZE];
        buf_puts(out, i > 0 ? ",{" : "{");
        command_json_int(out, "number", migrations[i]->number);
        command_json_text(out, "name", migrations[i]->name);
        command_json_text(out, "state", state != NULL ? "applied" : "pending");
        if (state != NULL) {
            time_text(state->applied_at, time);
            command_json_text(out, "applied_at", time);
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    command_json_int(out, "pending", (int64_t)pending);
    buf_putc(out, '}');
}

static void write_table(struct buf *out, const struct list *applied, size_t pending)
{
    for (size_t i = 0; i < migration_count; i++) {
        const struct migration_state *state = state_of(applied, migrations[i]->number);
        char time[TIME_TEXT_SIZE] = "";
        if (state != NULL)
            time_text(state->applied_at, time);
        buf_printf(out, "%4d  %-8s  %-32s %s\n", migrations[i]->number,
                   state != NULL ? "applied" : "pending", migrations[i]->name, time);
    }
    if (pending == 0)
        buf_puts(out, "nothing is pending\n");
    else
        buf_printf(out, "%zu pending: run \"tenantd migrate up\"\n", pending);
}

static int print_status(const struct invocation *invocation, struct session_of_command *session,
                        size_t *ret_pending)
{
    struct list applied = {0};
    struct buf text;
    enum err err = migrate_status(&session->ctx, &applied, ret_pending);

    if (err != ERR_OK)
        return command_failed(&session->ctx, err);
    buf_init(&text, &session->arena, TEXT_MAX);
    if (invocation->json)
        write_json(&text, &applied, *ret_pending);
    else
        write_table(&text, &applied, *ret_pending);
    return command_print(invocation, &text);
}

static int run_status(struct invocation *invocation, int argc, char **argv)
{
    bool check = false;
    const struct command_option options[] = {{"check", NULL, &check}, {0}};
    struct session_of_command session;
    size_t pending = 0;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (!command_open(invocation, &session, &status))
        return status;
    status = print_status(invocation, &session, &pending);
    command_close(&session);
    return status == COMMAND_OK && check && pending > 0 ? COMMAND_FAILED : status;
}

static void report(const struct migration *step, bool done, void *arg)
{
    const char *verb = arg;

    fprintf(stderr, "%s %d %s%s\n", verb, step->number, step->name, done ? ": done" : " …");
}

/* An index or a collection that somebody dropped: structure and steps are idempotent, so each makes
 * what it lacks. */
static enum err repair(struct ctx *ctx)
{
    enum err err = migrations_verify(ctx);

    if (err != ERR_NOT_FOUND)
        return err;
    fprintf(stderr, "repair: %s\n",
            ctx->failure.internal != NULL ? ctx->failure.internal : "something is missing");
    fail_clear(ctx);
    TRY(migrations_ensure(ctx));
    for (size_t i = 0; i < migration_count; i++) {
        if (migrations[i]->up != NULL)
            TRY(migrations[i]->up(ctx));
    }
    return migrations_verify(ctx);
}

/* down_to < 0: up. */
static int change(const struct invocation *invocation, int down_to)
{
    static char up[] = "apply", down[] = "take back";
    struct session_of_command session;
    size_t pending = 0;
    int status;

    if (!command_open(invocation, &session, &status))
        return status;
    enum err err = down_to < 0 ? migrate_up(&session.ctx, report, up)
                               : migrate_down(&session.ctx, down_to, report, down);
    if (err == ERR_OK && down_to < 0)
        err = repair(&session.ctx);
    status = err == ERR_OK ? print_status(invocation, &session, &pending)
                           : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

static int run_up(struct invocation *invocation, int argc, char **argv)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    return change(invocation, -1);
}

static int run_down(struct invocation *invocation, int argc, char **argv)
{
    const char *to = NULL;
    const struct command_option options[] = {{"to", &to, NULL}, {0}};
    char *end = NULL;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (to == NULL)
        return command_usage(invocation, "--to NUMBER is missing: the last step that stays");
    errno = 0;
    unsigned long number = strtoul(to, &end, 10);
    if (errno != 0 || end == to || *end != '\0' || number > 9999)
        return command_usage(invocation, "--to takes the number of a step, 0 for none");
    return change(invocation, (int)number);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"status", run_status}, {"up", run_up}, {"down", run_down}, {"new", run_migrate_new}, {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_migrate = {
    .name = "migrate",
    .summary = "show, apply or take back changes of the database's structure",
    .help = "usage: tenantd migrate status [--check]\n"
            "       tenantd migrate up\n"
            "       tenantd migrate down --to NUMBER\n"
            "       tenantd migrate new NAME [--source DIR]\n"
            "\n"
            "Steps are numbered, applied in order under a lock that all instances share, and\n"
            "may be run again after an interruption. \"up\" also makes an index again that is\n"
            "missing. \"status\" exits 0 with pending steps too. \"new\" is for development: it\n"
            "writes the next file of models/migrations and names it in the list.\n"
            "\n"
            "  --check         status: exit 1 when a step is pending\n"
            "  --to NUMBER     down: the last step that stays; 0 takes back all, if\n"
            "                  there is no tenant\n"
            "  --source DIR    new: the source tree; default: the current directory\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd migrate status --check || tenantd migrate up\n"
            "  tenantd migrate status --json | jq .pending\n",
    .run = run,
};
