/* tenantd cleanup: removes what has expired, and tells how much of each kind. */
#include "models/cleanup.h"

#include "commands/commands.h"
#include "commands/progress.h"

struct report {
    const struct invocation *invocation;
    struct buf *out;
    struct progress progress;
    int64_t total;
    bool any;
};

static void report(const char *kind, int64_t count, bool done, void *arg)
{
    struct report *report = arg;

    if (!done) {
        progress_show(&report->progress, "%s: %lld", kind, (long long)count);
        return;
    }
    progress_end(&report->progress);
    report->total += count;
    if (report->invocation->json) {
        buf_puts(report->out, report->any ? ",{" : "{");
        command_json_text(report->out, "kind", kind);
        command_json_int(report->out, "count", count);
        buf_putc(report->out, '}');
    } else {
        buf_printf(report->out, "%-20s  %lld\n", kind, (long long)count);
    }
    report->any = true;
}

static enum err cleanup(const struct invocation *invocation, struct session_of_command *session,
                        struct buf *out, void *arg)
{
    const bool *dry_run = arg;
    struct report state = {.invocation = invocation, .out = out};
    const struct cleanup how = {.dry_run = *dry_run, .report = report, .arg = &state};

    if (invocation->json)
        buf_puts(out, "{\"kinds\":[");

    const enum err err = cleanup_run(&session->ctx, &how);

    progress_end(&state.progress);
    TRY(err);
    if (invocation->json) {
        buf_putc(out, ']');
        command_json_int(out, *dry_run ? "expired" : "removed", state.total);
        buf_putc(out, '}');
    } else {
        buf_printf(out, "%-20s  %lld\n", *dry_run ? "would be removed" : "removed",
                   (long long)state.total);
    }
    return ERR_OK;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    bool dry_run = false;
    const struct command_option options[] = {{"dry-run", NULL, &dry_run}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    return command_work(invocation, cleanup, &dry_run);
}

const struct command command_cleanup = {
    .name = "cleanup",
    .summary = "remove what has expired",
    .help =
        "usage: tenantd cleanup [--dry-run]\n"
        "\n"
        "Removes ended grants and sessions, tries, limits, revocations, keys, recorded answers\n"
        "and audit rows whose days are over, tenants that were never finished, and tenants and\n"
        "accounts whose deletion is due; prints how many of each. MongoDB and the instances do\n"
        "the same by themselves within minutes; this does it now. Instances may serve.\n"
        "\n"
        "  --dry-run       only count\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd cleanup --dry-run\n"
        "  tenantd cleanup --json | jq .removed\n",
    .run = run,
};
