/* tenantd doctor: says what is wrong with the database, and mends it. */
#include "models/doctor.h"

#include "commands/commands.h"
#include "commands/progress.h"

struct visit {
    const struct invocation *invocation;
    struct buf *out;
    struct progress progress;
    const char *tenant;
    bool fix;
    int64_t findings, open;
};

static void write_json(struct visit *visit, const struct finding *finding)
{
    buf_puts(visit->out, visit->findings > 1 ? ",{" : "{");
    command_json_text(visit->out, "check", finding->check);
    command_json_text(visit->out, "tenant", finding->tenant);
    command_json_text(visit->out, "problem", finding->problem);
    command_json_text(visit->out, "remedy", finding->remedy);
    command_json_bool(visit->out, "warning", finding->is_warning);
    command_json_bool(visit->out, "mended", finding->mended);
    buf_putc(visit->out, '}');
}

static void report(const struct finding *finding, void *arg)
{
    struct visit *visit = arg;

    visit->findings++;
    progress_end(&visit->progress);
    if (visit->invocation->json) {
        write_json(visit, finding);
        return;
    }
    buf_printf(visit->out, "%s  %s%s%s\n    %s\n",
               finding->mended       ? "mended "
               : finding->is_warning ? "warning"
                                     : "open   ",
               finding->check, finding->tenant != NULL ? " of " : "",
               finding->tenant != NULL ? finding->tenant : "", finding->problem);
    if (!finding->mended)
        buf_printf(visit->out, "    what helps: %s\n", finding->remedy);
}

static void progress(int64_t looked_at, const char *what, void *arg)
{
    struct visit *visit = arg;

    progress_show(&visit->progress, "%lld %s looked at", (long long)looked_at, what);
}

static enum err look(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct visit *visit = arg;
    const struct doctor doctor = {.fix = visit->fix,
                                  .tenant = visit->tenant,
                                  .report = report,
                                  .progress = progress,
                                  .arg = visit};

    visit->invocation = invocation;
    visit->out = out;
    if (invocation->json)
        buf_puts(out, "{\"findings\":[");

    const enum err err = doctor_run(&session->ctx, &doctor, &visit->open);

    progress_end(&visit->progress);
    TRY(err);
    if (invocation->json) {
        buf_putc(out, ']');
        command_json_int(out, "open", visit->open);
        buf_putc(out, '}');
    } else if (visit->findings == 0) {
        buf_puts(out, "nothing is wrong\n");
    } else if (visit->open > 0) {
        buf_printf(out, "%lld open%s\n", (long long)visit->open,
                   visit->fix ? "" : ": --fix mends what can be mended");
    }
    return ERR_OK;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct visit visit = {.findings = 0};
    const struct command_option options[] = {
        {"fix", NULL, &visit.fix}, {"tenant", &visit.tenant, NULL}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    status = command_work(invocation, look, &visit);
    return status == COMMAND_OK && visit.open > 0 ? COMMAND_FAILED : status;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "say what is wrong with the database, and mend it",
    .help = "usage: tenantd doctor [--fix] [--tenant SLUG]\n"
            "\n"
            "Compares the clock with the database server's, then migrations, validators and\n"
            "indexes of the central collections, unfinished tenants, and of each tenant the user\n"
            "collection, its view, the keys and the counters with what they should be; names user\n"
            "collections without a tenant.\n"
            "Exits 1 while something is open; warnings alone are 0. Instances may serve.\n"
            "\n"
            "  --fix           mend what can be mended without losing anything\n"
            "  --tenant SLUG   of the tenants only this one\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd doctor\n"
            "  tenantd doctor --fix --json | jq .open\n",
    .run = run,
};
