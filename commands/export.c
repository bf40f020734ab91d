/* tenantd export: all users of a tenant as NDJSON. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "commands/interrupt.h"
#include "commands/progress.h"
#include "models/user_export.h"

struct words {
    const char *tenant, *output, *filter;
    bool with_hashes;
};

/* --- the file: whole under its name, or not there --- */

/* The file takes the place of what is there: of a device or a pipe nobody wants that. */
static enum err check_place(struct ctx *ctx, const char *path)
{
    struct stat there;

    if (stat(path, &there) != 0 || S_ISREG(there.st_mode) || S_ISDIR(there.st_mode))
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "--output",
                "--output: %s is no ordinary file; leave --output out and write \"> %s\".", path,
                path);
}

static FILE *open_draft(struct ctx *ctx, const char *path, const char **ret_draft)
{
    char mark[UUID_HEX_SIZE];
    const struct uuid id = uuid_new();

    uuid_hex(&id, mark);
    *ret_draft = arena_printf(ctx->arena, "%s.%s", path, mark);
    if (*ret_draft == NULL)
        return NULL;

    const int file = open(*ret_draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    return file < 0 ? NULL : fdopen(file, "w");
}

static enum err cannot_write(struct ctx *ctx, const char *path, int reason)
{
    return fail_internal(ctx, ERR_INTERNAL, "cannot write %s: %s", path, strerror(reason));
}

/* Closes the draft, which becomes the file when all went well. */
static enum err end_draft(struct ctx *ctx, FILE *file, const char *draft, const char *path)
{
    const bool written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;

    if (fclose(file) == 0 && written && rename(draft, path) == 0)
        return ERR_OK;
    if (written)
        reason = errno;
    (void)unlink(draft);
    return cannot_write(ctx, path, reason);
}

/* --- the work --- */

struct work {
    struct user_export export;
    struct progress progress;
};

static enum err page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct work *work = arg;
    bool done = false;

    if (interrupt_came())
        return fail(ctx, ERR_STOPPING, NULL, "Interrupted: nothing was written.");
    TRY(user_export_part(ctx, &work->export, out, &done));
    *ret_more = !done;
    progress_show(&work->progress, "exported %" PRId64 " users", work->export.count);
    return ERR_OK;
}

static enum err write_users(struct invocation *invocation, struct session_of_command *session,
                            struct work *work)
{
    const enum err err = command_pages(invocation, session, page, work);

    progress_end(&work->progress);
    if (err == ERR_OK && fflush(invocation->out) != 0)
        return cannot_write(&session->ctx, "standard output", errno);
    return err;
}

static enum err write_file(struct invocation *invocation, struct session_of_command *session,
                           struct work *work, const char *path)
{
    struct invocation own = *invocation;
    const char *draft = NULL;

    TRY(check_place(&session->ctx, path));
    interrupt_catch();
    own.out = open_draft(&session->ctx, path, &draft);
    if (own.out == NULL)
        return cannot_write(&session->ctx, path, errno);

    const enum err err = write_users(&own, session, work);

    if (err == ERR_OK)
        return end_draft(&session->ctx, own.out, draft, path);
    (void)fclose(own.out);
    (void)unlink(draft);
    return err;
}

static enum err export_users(struct invocation *invocation, struct session_of_command *session,
                             const struct words *words)
{
    struct work work = {.export = {.filter = words->filter, .with_hashes = words->with_hashes}};

    TRY(command_use_tenant(session, words->tenant));
    if (words->output != NULL && strcmp(words->output, "-") != 0)
        TRY(write_file(invocation, session, &work, words->output));
    else
        TRY(write_users(invocation, session, &work));
    fprintf(stderr, "exported %" PRId64 " users%s\n", work.export.count,
            words->with_hashes ? " with their password hashes" : "");
    return ERR_OK;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct words words = {0};
    const struct command_option options[] = {{"tenant", &words.tenant, NULL},
                                             {"output", &words.output, NULL},
                                             {"filter", &words.filter, NULL},
                                             {"with-hashes", NULL, &words.with_hashes},
                                             {0}};
    struct session_of_command session;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (words.tenant == NULL)
        return command_usage(invocation, "--tenant SLUG is missing");
    if (!command_open(invocation, &session, &status))
        return status;

    const enum err err = export_users(invocation, &session, &words);

    status = err == ERR_OK ? COMMAND_OK : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

const struct command command_export = {
    .name = "export",
    .summary = "write all users of a tenant as NDJSON",
    .help =
        "usage: tenantd export --tenant SLUG [--output FILE] [--filter FILTER] [--with-hashes]\n"
        "\n"
        "One user a line, by ascending id, in the form that \"tenantd import\" reads back. The\n"
        "audit log of the tenant gets a row before the first line is written.\n"
        "\n"
        "  --tenant SLUG   whose users\n"
        "  --output FILE   there instead of standard output, mode 0600; the file is whole or\n"
        "                  not there, also after Ctrl-C\n"
        "  --filter FILTER only users whom it finds (docs/CUSTOM_FIELDS.md)\n"
        "  --with-hashes   with password_hash: whoever has the file can guess passwords at "
        "leisure\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "\n"
        "Examples:\n"
        "  tenantd export --tenant acme > acme.ndjson\n"
        "  tenantd export --tenant acme --with-hashes --output acme.ndjson\n",
    .run = run,
};
