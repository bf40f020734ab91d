/* tenantd audit: lists, exports and verifies the audit log. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "commands/commands.h"
#include "commands/progress.h"
#include "models/audit.h"
#include "models/audit_event.h"
#include "models/audit_verify.h"

#define TEXT_MAX      ((size_t)8 * 1024 * 1024)
#define LIST_STANDARD 50
#define LIST_MAX      1000
#define PART_ROWS     500
#define DAY_MS        (INT64_C(24) * 3600 * 1000)

/* --- options --- */

struct words {
    const char *tenant, *action, *status, *user, *from, *to, *limit;
};

/* A number from 1 to maximum. */
static bool number_of(const char *text, int64_t maximum, int64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret_number >= 1 && *ret_number <= maximum;
}

static bool is_status(const char *text)
{
    for (size_t i = 0; audit_statuses[i] != NULL; i++) {
        if (strcmp(text, audit_statuses[i]) == 0)
            return true;
    }
    return false;
}

/* NULL, or what is wrong with the words. */
static const char *filter_of(const struct words *words, struct audit_filter *ret_filter)
{
    *ret_filter = (struct audit_filter){
        .action = words->action, .status = words->status, .limit = LIST_STANDARD};
    if (words->tenant == NULL)
        return "--tenant SLUG is missing";
    if (words->status != NULL && !is_status(words->status))
        return "--status is success or failed";
    if (words->user != NULL && !uuid_parse(words->user, &ret_filter->user_id))
        return "--user takes the id of a user";
    if (words->from != NULL && !time_parse(words->from, &ret_filter->from))
        return "--from takes a time such as 2026-01-31T09:30:00Z";
    if (words->to != NULL && !time_parse(words->to, &ret_filter->to))
        return "--to takes a time such as 2026-01-31T09:30:00Z";
    if (ret_filter->from != 0 && ret_filter->to != 0 && ret_filter->from > ret_filter->to)
        return "--from must not be later than --to";
    if (words->limit != NULL && !number_of(words->limit, LIST_MAX, &ret_filter->limit))
        return "--limit takes a number from 1 to 1000";
    return NULL;
}

/* --- list --- */

static void add_line(struct buf *out, const struct audit_row *row)
{
    char time[TIME_TEXT_SIZE], user[UUID_TEXT_SIZE] = "-";

    time_text(row->timestamp, time);
    if (!uuid_is_zero(&row->user_id))
        uuid_text(&row->user_id, user);
    buf_printf(out, "%s  %-24s %-7s  %-36s  %-15s %s", time, row->action, row->status, user,
               row->ip_address != NULL ? row->ip_address : "-",
               row->reason != NULL ? row->reason : "");
    if (row->has_count)
        buf_printf(out, " (%" PRId64 " times)", row->count);
    buf_putc(out, '\n');
}

static enum err list(struct invocation *invocation, struct session_of_command *session,
                     const char *tenant, struct audit_filter *filter)
{
    struct list rows = {0};
    struct buf text;

    TRY(command_use_tenant(session, tenant));
    TRY(audit_list(&session->ctx, filter, &rows));

    const struct audit_row *row = rows.items;

    buf_init(&text, &session->arena, TEXT_MAX);
    if (invocation->json)
        buf_puts(&text, "{\"events\":[");
    for (size_t i = 0; i < rows.count; i++) {
        const struct audit_event event = audit_event_of(&row[i]);

        if (invocation->json) {
            buf_puts(&text, i > 0 ? "," : "");
            schema_to_json(&audit_event_schema, &event, &text);
        } else {
            add_line(&text, &row[i]);
        }
    }
    if (invocation->json)
        buf_puts(&text, "]}");
    else if (rows.count == 0)
        buf_puts(&text, "no rows\n");
    return command_print(invocation, &text) == COMMAND_OK ? ERR_OK : ERR_INTERNAL;
}

typedef enum err (*filtered_fn)(struct invocation *invocation, struct session_of_command *session,
                                const char *tenant, struct audit_filter *filter);

/* What list and export share once their options are read. */
static int run_filtered(struct invocation *invocation, const struct words *words, filtered_fn work)
{
    struct session_of_command session;
    struct audit_filter filter;
    int status;

    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;

    const char *wrong = filter_of(words, &filter);

    if (wrong != NULL)
        return command_usage(invocation, "%s", wrong);
    if (!command_open(invocation, &session, &status))
        return status;
    enum err err = work(invocation, &session, words->tenant, &filter);
    status = err == ERR_OK ? COMMAND_OK : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    struct words words = {0};
    const struct command_option options[] = {
        {"tenant", &words.tenant, NULL}, {"action", &words.action, NULL},
        {"status", &words.status, NULL}, {"user", &words.user, NULL},
        {"from", &words.from, NULL},     {"to", &words.to, NULL},
        {"limit", &words.limit, NULL},   {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    return run_filtered(invocation, &words, list);
}

/* --- export --- */

/* One part into text, which lives in the ctx's arena. */
static enum err export_part(struct ctx *ctx, struct audit_filter *filter, struct buf *text,
                            size_t *ret_count)
{
    struct list rows = {0};

    TRY(audit_list(ctx, filter, &rows));

    const struct audit_row *row = rows.items;

    for (size_t i = 0; i < rows.count; i++) {
        const struct audit_event event = audit_event_of(&row[i]);

        schema_to_json(&audit_event_schema, &event, text);
        buf_putc(text, '\n');
    }
    if (rows.count > 0)
        filter->after = row[rows.count - 1].audit_id;
    *ret_count = rows.count;
    return buf_ok(text) ? ERR_OK : ERR_MEMORY;
}

static enum err export_all(struct invocation *invocation, struct session_of_command *session,
                           struct audit_filter *filter)
{
    struct progress progress = {.shown = false};
    size_t count = PART_ROWS;
    int64_t rows = 0;
    struct arena part;

    arena_init(&part, TEXT_MAX);
    while (count == PART_ROWS) {
        struct ctx own = session->ctx;
        struct buf text;

        own.arena = &part;
        buf_init(&text, &part, TEXT_MAX);
        enum err err = export_part(&own, filter, &text, &count);
        if (err == ERR_OK && fwrite(text.data, 1, text.size, invocation->out) != text.size)
            err = fail_internal(&own, ERR_INTERNAL, "the output cannot be written");
        if (err != ERR_OK) {
            session->ctx.failure = (struct failure){.code = err};
            (void)fail_internal(&session->ctx, err, "%s",
                                own.failure.internal != NULL ? own.failure.internal : "");
            progress_end(&progress);
            arena_clear(&part);
            return err;
        }
        rows += (int64_t)count;
        progress_show(&progress, "exported %" PRId64 " rows", rows);
        arena_reset(&part);
    }
    arena_clear(&part);
    progress_end(&progress);
    fprintf(stderr, "exported %" PRId64 " rows\n", rows);
    return fflush(invocation->out) == 0 ? ERR_OK : ERR_INTERNAL;
}

static enum err write_out(struct invocation *invocation, struct session_of_command *session,
                          const char *tenant, struct audit_filter *filter)
{
    TRY(command_use_tenant(session, tenant));
    filter->oldest_first = true;
    filter->limit = PART_ROWS;
    if (filter->to == 0)
        filter->to = clock_now_ms();
    TRY(audit_write(&session->ctx, "audit.exported", "success", NULL, NULL));
    return export_all(invocation, session, filter);
}

static int run_export(struct invocation *invocation, int argc, char **argv)
{
    struct words words = {0};
    const struct command_option options[] = {
        {"tenant", &words.tenant, NULL}, {"from", &words.from, NULL}, {"to", &words.to, NULL}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    return run_filtered(invocation, &words, write_out);
}

/* --- verify --- */

/* Findings are printed as they come: their number has no bound. */
struct report {
    FILE *out;
    bool json, any;
    struct progress progress;
};

static const char *flaw_word(enum audit_flaw flaw)
{
    static const char *const words[] = {
        [AUDIT_ALTERED] = "altered", [AUDIT_INSERTED] = "inserted", [AUDIT_MISSING] = "missing"};

    return words[flaw];
}

static void print_finding(const struct audit_finding *finding, void *arg)
{
    struct report *report = arg;
    char writer[UUID_TEXT_SIZE], row[UUID_TEXT_SIZE], before[TIME_TEXT_SIZE];

    uuid_text(&finding->writer, writer);
    uuid_text(&finding->audit_id, row);
    time_text(finding->before, before);
    progress_end(&report->progress);
    if (report->json)
        fprintf(report->out,
                "%s{\"flaw\":\"%s\",\"writer\":\"%s\",\"first\":%" PRId64 ",\"last\":%" PRId64,
                report->any ? "," : "", flaw_word(finding->flaw), writer, finding->first,
                finding->last);
    else
        fprintf(report->out, "%-8s  writer %s  ", flaw_word(finding->flaw), writer);
    report->any = true;
    if (report->json && finding->flaw == AUDIT_MISSING)
        fprintf(report->out, ",\"before\":\"%s\"}", before);
    else if (report->json)
        fprintf(report->out, ",\"audit_id\":\"%s\"}", row);
    else if (finding->flaw == AUDIT_MISSING)
        fprintf(report->out, "numbers %" PRId64 " to %" PRId64 ", written before %s\n",
                finding->first, finding->last, before);
    else
        fprintf(report->out, "number %" PRId64 ", row %s\n", finding->first, row);
}

static void print_progress(int64_t rows, void *arg)
{
    struct report *report = arg;

    progress_show(&report->progress, "verified %" PRId64 " rows", rows);
}

static bool is_intact(const struct audit_verdict *verdict)
{
    return verdict->altered == 0 && verdict->inserted == 0 && verdict->missing == 0;
}

static void print_verdict(const struct report *report, const struct audit_verdict *verdict)
{
    const struct {
        const char *name;
        int64_t count;
    } counts[] = {
        {"rows", verdict->rows},       {"writers", verdict->writers},
        {"altered", verdict->altered}, {"inserted", verdict->inserted},
        {"missing", verdict->missing}, {"expired", verdict->expired},
        {"pending", verdict->pending},
    };

    if (report->json)
        fputs("],", report->out);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (report->json)
            fprintf(report->out, "\"%s\":%" PRId64 ",", counts[i].name, counts[i].count);
        else
            fprintf(report->out, "%" PRId64 " %s, ", counts[i].count, counts[i].name);
    }
    if (report->json)
        fprintf(report->out, "\"intact\":%s}\n", is_intact(verdict) ? "true" : "false");
    else
        fputs(is_intact(verdict) ? "intact\n" : "NOT intact\n", report->out);
}

static int verify(struct invocation *invocation, struct session_of_command *session,
                  int64_t retention_ms)
{
    struct report report = {.out = invocation->out, .json = invocation->json};
    struct audit_verify how = {.retention_ms = retention_ms,
                               .found = print_finding,
                               .progress = print_progress,
                               .arg = &report};
    struct audit_verdict verdict;

    if (how.retention_ms == 0)
        how.retention_ms = audit_retention_ms(&session->ctx);
    if (report.json)
        fputs("{\"findings\":[", report.out);

    const enum err err = audit_verify(&session->ctx, &how, &verdict);

    progress_end(&report.progress);
    if (err != ERR_OK)
        return command_failed(&session->ctx, err);
    print_verdict(&report, &verdict);
    return is_intact(&verdict) ? COMMAND_OK : COMMAND_FAILED;
}

static int run_verify(struct invocation *invocation, int argc, char **argv)
{
    const char *days_text = NULL;
    const struct command_option options[] = {{"retention-days", &days_text, NULL}, {0}};
    struct session_of_command session;
    int64_t days = 0;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (days_text != NULL && !number_of(days_text, 36600, &days))
        return command_usage(invocation, "--retention-days takes a number from 1 to 36600");
    if (!command_open(invocation, &session, &status))
        return status;
    status = verify(invocation, &session, days * DAY_MS);
    command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"list", run_list},
        {"export", run_export},
        {"verify", run_verify},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_audit = {
    .name = "audit",
    .summary = "list, export and verify the audit log",
    .help =
        "usage: tenantd audit list --tenant SLUG [--action ACTION] [--status success|failed]\n"
        "                          [--user ID] [--from TIME] [--to TIME] [--limit NUMBER]\n"
        "       tenantd audit export --tenant SLUG [--from TIME] [--to TIME]\n"
        "       tenantd audit verify [--retention-days NUMBER]\n"
        "\n"
        "\"list\" shows the newest rows, \"export\" writes all as NDJSON, oldest first, and is\n"
        "itself a row. \"verify\" reads the rows of all tenants and finds those that were\n"
        "altered, inserted or taken away; it exits 1 when there are any. What it cannot find\n"
        "stands in docs/AUDIT.md.\n"
        "\n"
        "  --tenant SLUG            the tenant\n"
        "  --action ACTION          rows of this action alone, such as login\n"
        "  --status STATUS          rows with this status alone\n"
        "  --user ID                rows about this user alone\n"
        "  --from TIME              rows of this moment and later, RFC 3339\n"
        "  --to TIME                rows before this moment\n"
        "  --limit NUMBER           list: how many rows, 50 if absent, at most 1000\n"
        "  --retention-days NUMBER  verify: rows older than this may be gone by right; the\n"
        "                           shortest audit_days of a plan if absent\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd audit list --tenant acme --action login --status failed --limit 20\n"
        "  tenantd audit export --tenant acme --from 2026-01-01T00:00:00Z > acme.ndjson\n"
        "  tenantd audit verify --json | jq -e .intact\n",
    .run = run,
};
