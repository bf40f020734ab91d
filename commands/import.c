/* tenantd import: users from a file into a tenant, by the same job as POST /users/import. */
#include "commands/import.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/job_workers.h"
#include "commands/import_file.h"
#include "commands/interrupt.h"
#include "commands/progress.h"
#include "models/import.h"

#define LOOK_MS     200
#define PATIENCE_MS 60000 /* with a database that is away */
#define SCRATCH     ((size_t)4 * 1024 * 1024)
#define TEXT_MAX    ((size_t)8 * 1024 * 1024)
#define SOME_FAILED 3 /* exit status */

struct words {
    const char *tenant, *mode, *from, *map, *hash_config, *errors, *follow, *cancel;
    bool dry_run;
};

static bool is_over(const struct import *import)
{
    return import->state != JOB_QUEUED && import->state != JOB_RUNNING;
}

/* ---- sending ---- */

static enum err mode_word(struct ctx *ctx, const char *word, int *ret_mode)
{
    *ret_mode = IMPORT_INSERT;
    if (word == NULL)
        return ERR_OK;
    for (int i = IMPORT_INSERT; import_mode_names[i] != NULL; i++) {
        *ret_mode = i;
        if (strcmp(word, import_mode_names[i]) == 0)
            return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, "--mode", "--mode: must be insert, upsert or skip");
}

static enum err send(struct session_of_command *session, const struct words *words,
                     struct import_file *file, struct import *ret_import)
{
    struct import_upload *upload = ARENA_NEW(&session->arena, struct import_upload);
    struct import_input input = {.dry_run = words->dry_run, .with_hashes = true};
    struct ctx *ctx = &session->ctx;

    if (upload == NULL)
        return ERR_MEMORY;
    TRY(mode_word(ctx, words->mode, &input.mode));
    if (words->from != NULL)
        TRY(from_read_options(ctx, words->from, words->map, words->hash_config, &file->options));
    else if (words->map != NULL || words->hash_config != NULL)
        return fail(ctx, ERR_VALIDATION, "--map", "--map and --hash-config go with --from.");
    TRY(import_begin(ctx, upload));
    file->upload = upload;

    const enum err sent = import_file_send(ctx, file);

    if (sent == ERR_OK)
        return import_submit(ctx, upload, &input, ret_import);
    import_abandon(ctx, upload);
    return sent;
}

/* ---- following ---- */

/* With memory that is given back; what is shown lives in the session's arena in the end. */
static enum err look(struct session_of_command *session, struct arena *scratch,
                     struct progress *progress, struct import *import)
{
    struct ctx own = session->ctx;

    arena_reset(scratch);
    own.arena = scratch;
    own.holds = NULL;

    struct import now = {.state = 0};
    const enum err found = import_find(&own, &import->id, &now);

    ctx_clear(&own);
    if (found != ERR_OK)
        return fail_internal(&session->ctx, found, "%s",
                             own.failure.internal != NULL ? own.failure.internal : "");
    import->state = now.state;
    progress_show(progress,
                  "%s: %" PRId64 " of %" PRId64 " lines (%" PRId64 "%%), %" PRId64 " failed",
                  job_state_names[now.state], now.processed, now.total,
                  now.total > 0 ? now.processed * 100 / now.total : 0, now.failed);
    return ERR_OK;
}

/* Where the database is away for a while, as when it is restarted, the job goes on behind that. */
static bool may_wait(struct session_of_command *session, enum err err, int64_t *seen_ms)
{
    const int64_t now = clock_monotonic_ms();

    if (err == ERR_OK)
        *seen_ms = now;
    if (err != ERR_DB_UNAVAILABLE || interrupt_came() || now - *seen_ms >= PATIENCE_MS)
        return false;
    fail_clear(&session->ctx);
    return true;
}

static enum err look_again(struct session_of_command *session, struct arena *scratch,
                           struct progress *progress, struct import *import, int64_t *seen_ms)
{
    const enum err looked = look(session, scratch, progress, import);

    if (!may_wait(session, looked, seen_ms))
        return looked;
    progress_show(progress, "waiting for the database");
    return ERR_OK;
}

/* With everything that is told in the end; the database may go away just then, too. */
static enum err find_whole(struct session_of_command *session, struct import *import)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    int64_t seen_ms = clock_monotonic_ms();
    enum err found = import_find(&session->ctx, &import->id, import);

    while (may_wait(session, found, &seen_ms)) {
        (void)nanosleep(&pause, NULL);
        found = import_find(&session->ctx, &import->id, import);
    }
    return found;
}

/* This process works on it, too, so that no service has to run. */
static enum err follow(struct session_of_command *session, struct import *import)
{
    const struct job_kind *const kinds[] = {&import_job_kind, NULL};
    struct progress progress = {.shown = false};
    struct job_workers *workers = NULL;
    struct arena scratch;
    int64_t seen_ms = clock_monotonic_ms();
    enum err err = job_workers_start(session->app, kinds, &session->ctx.tenant_id, &workers);

    arena_init(&scratch, SCRATCH);
    while (err == ERR_OK && !is_over(import) && !interrupt_came()) {
        job_workers_await_end(workers, LOOK_MS);
        err = look_again(session, &scratch, &progress, import, &seen_ms);
    }
    atomic_store(&session->app->stopping, interrupt_came());
    job_workers_stop(workers);
    arena_clear(&scratch);
    progress_end(&progress);
    TRY(err);
    return find_whole(session, import);
}

/* ---- telling ---- */

/* Names that stand in a file may hold what a terminal obeys (C0, DEL, C1). */
static const char *harmless(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);

    for (unsigned char *at = (unsigned char *)copy; copy != NULL && *at != '\0'; at++) {
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
        else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
            at[0] = at[1] = '?';
    }
    return copy != NULL ? copy : "?";
}

static void tell_conversion(FILE *out, const struct import_file *file)
{
    const struct from_summary *summary = &file->summary;

    if (file->options.system == NULL)
        return;
    fprintf(out, "%s: %" PRId64 " records, %" PRId64 " users", file->options.system->name,
            summary->records, summary->users);
    for (size_t i = 0; i < summary->hash_count; i++)
        fprintf(out, ", %" PRId64 " with %s", summary->hashes[i].n, summary->hashes[i].what);
    fprintf(out, ", %" PRId64 " without a password, %" PRId64 " refused\n",
            summary->without_password, summary->refused);
    for (size_t i = 0; i < summary->reason_count; i++)
        fprintf(out, "  %" PRId64 ": %s\n", summary->reasons[i].n,
                harmless(summary->arena, summary->reasons[i].what));
}

static void tell_import(FILE *out, struct arena *arena, const struct import *import)
{
    const struct import_error *errors = import->errors.items;
    char id[UUID_TEXT_SIZE];

    uuid_text(&import->id, id);
    fprintf(out,
            "import %s %s%s: %" PRId64 " lines, %" PRId64 " created, %" PRId64 " updated, %" PRId64
            " skipped, %" PRId64 " failed\n",
            id, job_state_names[import->state], import->dry_run ? " (dry run)" : "",
            import->processed, import->created, import->updated, import->skipped, import->failed);
    if (import->error != NULL)
        fprintf(out, "%s\n", import->message != NULL ? import->message : import->error);
    for (size_t i = 0; i < import->errors.count; i++)
        fprintf(out, "line %-8" PRId64 " %-22s %-24s %s\n", errors[i].line, errors[i].error,
                errors[i].pointer != NULL ? harmless(arena, errors[i].pointer) : "-",
                errors[i].message != NULL ? harmless(arena, errors[i].message) : "");
    if (import->failed > (int64_t)import->errors.count)
        fprintf(out, "and %" PRId64 " further lines\n",
                import->failed - (int64_t)import->errors.count);
}

static void put_counts(struct buf *out, const char *name, const struct from_count *counts,
                       size_t count)
{
    buf_printf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < count; i++)
        command_json_int(out, counts[i].what, counts[i].n);
    buf_putc(out, '}');
}

static void put_json(const struct import_file *file, const struct import *import, struct buf *out)
{
    const struct from_summary *summary = &file->summary;

    buf_puts(out, "{\"import\":");
    schema_to_json(&import_schema, import, out);
    if (file->options.system != NULL) {
        buf_puts(out, ",\"conversion\":{");
        command_json_text(out, "from", file->options.system->name);
        command_json_int(out, "records", summary->records);
        command_json_int(out, "users", summary->users);
        command_json_int(out, "without_password", summary->without_password);
        command_json_int(out, "refused", summary->refused);
        put_counts(out, "hashes", summary->hashes, summary->hash_count);
        put_counts(out, "reasons", summary->reasons, summary->reason_count);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

static int tell(const struct invocation *invocation, struct session_of_command *session,
                const struct import_file *file, const struct import *import)
{
    const bool clean = import->failed == 0 && file->summary.refused == 0;
    struct buf text;

    if (invocation->json) {
        buf_init(&text, &session->arena, TEXT_MAX);
        put_json(file, import, &text);
        if (command_print(invocation, &text) != COMMAND_OK)
            return COMMAND_FAILED;
    } else {
        tell_conversion(invocation->out, file);
        tell_import(invocation->out, &session->arena, import);
    }
    if (import->state != JOB_DONE)
        return COMMAND_FAILED;
    return clean ? COMMAND_OK : SOME_FAILED;
}

static int tell_how_to_go_on(const struct words *words, const struct import *import)
{
    char id[UUID_TEXT_SIZE];

    uuid_text(&import->id, id);
    fprintf(stderr,
            "Nothing is lost. A running tenantd goes on with it by itself.\n"
            "Go on here:  tenantd import --tenant %s --follow %s\n"
            "Give it up:  tenantd import --tenant %s --cancel %s\n",
            words->tenant, id, words->tenant, id);
    return COMMAND_TEMPORARY;
}

static int tell_errors(struct session_of_command *session, struct import_file *file,
                       const struct import *import, int status)
{
    const enum err told = import_file_tell(&session->ctx, file, import);

    return told == ERR_OK ? status : command_failed(&session->ctx, told);
}

/* ---- the whole ---- */

static enum err find_named(struct session_of_command *session, const char *id,
                           struct import *ret_import)
{
    struct uuid wanted;

    if (!uuid_parse(id, &wanted))
        return fail(&session->ctx, ERR_NOT_FOUND, NULL, "\"%.60s\" is no id of an import.", id);

    const enum err found = import_find(&session->ctx, &wanted, ret_import);

    return found == ERR_NOT_FOUND
               ? fail(&session->ctx, ERR_NOT_FOUND, NULL, "The tenant has no import %s.", id)
               : found;
}

static enum err cancel(struct session_of_command *session, struct import *import)
{
    const enum err cancelled = import_cancel(&session->ctx, &import->id, import);

    return cancelled == ERR_NOT_FOUND
               ? fail(&session->ctx, ERR_NOT_FOUND, NULL, "The import was over already.")
               : cancelled;
}

static enum err work(struct invocation *invocation, struct session_of_command *session,
                     const struct words *words, struct import_file *file, struct import *ret_import)
{
    TRY(command_use_tenant(session, words->tenant));
    if (words->cancel != NULL || words->follow != NULL)
        TRY(find_named(session, words->cancel != NULL ? words->cancel : words->follow, ret_import));
    if (words->cancel != NULL)
        return cancel(session, ret_import);
    if (words->follow != NULL)
        TRY(import_file_open_errors(&session->ctx, words->errors, file));
    else {
        TRY(import_file_open(&session->ctx, invocation->args[0], words->errors, file));

        const enum err sent = send(session, words, file, ret_import);

        import_file_close(file);
        TRY(sent);
    }
    return follow(session, ret_import);
}

static int run_words(struct invocation *invocation, const struct words *words)
{
    struct session_of_command session;
    struct import_file file = {.path = NULL};
    struct import import = {.state = 0};
    int status;

    if (!command_open(invocation, &session, &status))
        return status;
    interrupt_catch();
    file.summary.arena = &session.arena;

    const enum err err = work(invocation, &session, words, &file, &import);

    if (err != ERR_OK) {
        status = command_failed(&session.ctx, err);
        if (err == ERR_DB_UNAVAILABLE && !uuid_is_zero(&import.id) && words->cancel == NULL)
            status = tell_how_to_go_on(words, &import);
    } else if (!is_over(&import) && words->cancel == NULL) {
        fprintf(stderr, "stopped behind line %" PRId64 " of %" PRId64 ".\n", import.processed,
                import.total);
        status = tell_how_to_go_on(words, &import);
    } else {
        status = tell(invocation, &session, &file, &import);
        if (file.errors != NULL)
            status = tell_errors(&session, &file, &import, status);
    }
    if (words->cancel != NULL && err == ERR_OK)
        status = COMMAND_OK;
    command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct words words = {0};
    const struct command_option options[] = {
        {"tenant", &words.tenant, NULL},   {"mode", &words.mode, NULL},
        {"from", &words.from, NULL},       {"map", &words.map, NULL},
        {"errors", &words.errors, NULL},   {"hash-config", &words.hash_config, NULL},
        {"follow", &words.follow, NULL},   {"cancel", &words.cancel, NULL},
        {"dry-run", NULL, &words.dry_run}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;

    const bool named = words.follow != NULL || words.cancel != NULL;

    if (!command_wants_args(invocation, named ? 0 : 1, "FILE"))
        return COMMAND_USAGE;
    if (words.tenant == NULL)
        return command_usage(invocation, "--tenant SLUG is missing");
    if (words.follow != NULL && words.cancel != NULL)
        return command_usage(invocation, "--follow and --cancel exclude each other");
    if (named && (words.mode != NULL || words.from != NULL || words.map != NULL ||
                  words.hash_config != NULL || words.dry_run ||
                  (words.cancel != NULL && words.errors != NULL)))
        return command_usage(invocation, "what an import does was said when it began: --follow "
                                         "takes --errors beside it, --cancel nothing");
    return run_words(invocation, &words);
}

const struct command command_import = {
    .name = "import",
    .summary = "bring users in from a file, also of another system",
    .help =
        "usage: tenantd import FILE --tenant SLUG [--mode insert|upsert|skip] [--dry-run]\n"
        "                      [--from SYSTEM [--map NAME=PATH,...] [--hash-config FILE]]\n"
        "                      [--errors FILE]\n"
        "       tenantd import --tenant SLUG --follow ID [--errors FILE]\n"
        "       tenantd import --tenant SLUG --cancel ID\n"
        "\n"
        "FILE (\"-\" is standard input) has one user a line, as \"tenantd export\" writes them,\n"
        "or is what the system of --from exports. The lines go into the database and are taken\n"
        "by a background job, here and by every running tenantd; killed or stopped, it goes on\n"
        "where it was. Lines that cannot be taken are told with their number.\n"
        "\n"
        "  --tenant SLUG        whose users they will be\n"
        "  --mode MODE          a user who is there already is an error (insert), is changed\n"
        "                       (upsert), or stays (skip); insert if absent\n"
        "  --dry-run            only tell what would come of it\n"
        "  --from SYSTEM        keycloak, auth0, firebase, supabase, django or mongodb:\n"
        "                       docs/MIGRATION.md says which file and what becomes of what\n"
        "  --map NAME=PATH,...  take members from elsewhere, e.g. custom_fields.age=profile.age;\n"
        "                       with one of custom_fields there are no others\n"
        "  --hash-config FILE   firebase: the project's password hash parameters, as the console\n"
        "                       shows them or as JSON\n"
        "  --errors FILE        what could not be taken, one JSON object a line: every record\n"
        "                       that --from refused, and the first 1,000 lines that failed\n"
        "  --follow ID          go on with an import and wait for its end\n"
        "  --cancel ID          give it up; users that it brought in stay\n"
        "  --config FILE        default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json               JSON on standard output\n"
        "\n"
        "Exit status: 3 when everything went well but some lines could not be taken; 75 when\n"
        "it was interrupted or the database did not come back, and it can be gone on with.\n"
        "\n"
        "Examples:\n"
        "  tenantd import users.ndjson --tenant acme --dry-run\n"
        "  tenantd import realm.json --from keycloak --tenant acme --errors failed.ndjson\n"
        "  tenantd import people.json --from mongodb --tenant acme \\\n"
        "      --map email=mail,password_hash=auth.bcrypt,custom_fields.age=age\n",
    .run = run,
};
