/* tenantd migrate new: begins a migration in a source tree. Needs no configuration. */
#include "commands/migrate_new.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/arena.h"

#define STEPS       "models/migrations"
#define TEXT_MAX    ((size_t)1024 * 1024)
#define NAME_LENGTH 40
#define NUMBER_MAX  9999

struct step {
    const struct invocation *invocation;
    struct arena *arena;
    int directory; /* of the steps */
    const char *name;
    int number;
};

static int failed(const char *what, const char *file)
{
    fprintf(stderr, "tenantd: %s %s/%s: %s\n", what, STEPS, file, strerror(errno));
    return COMMAND_FAILED;
}

/* --- files --- */

static const char *read_all(const struct step *step, const char *file)
{
    int in = openat(step->directory, file, O_RDONLY | O_CLOEXEC);
    struct buf text;
    char part[4096];
    ssize_t size;

    if (in < 0)
        return NULL;
    buf_init(&text, step->arena, TEXT_MAX);
    while ((size = read(in, part, sizeof part)) > 0)
        buf_add(&text, part, (size_t)size);
    close(in);
    return size == 0 ? buf_text(&text) : NULL;
}

static bool write_all(int file, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        const ssize_t size = write(file, text, left);

        if (size <= 0)
            return false;
        text += size;
        left -= (size_t)size;
    }
    return true;
}

/* Under another name first, so that no half of it is ever there. */
static int replace(const struct step *step, const char *file, const char *text)
{
    const char *beside = arena_printf(step->arena, "%s.new", file);
    int out = beside != NULL
                  ? openat(step->directory, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                  : -1;

    if (out < 0)
        return failed("cannot write", file);
    const bool written = write_all(out, text);
    close(out);
    if (!written || renameat(step->directory, beside, step->directory, file) != 0)
        return failed("cannot write", file);
    return COMMAND_OK;
}

/* --- what is written --- */

/* The highest number of a file 0001_….c; 0 when there is none. */
static int last_number(const struct step *step)
{
    DIR *entries = fdopendir(dup(step->directory));
    int last = 0;

    if (entries == NULL)
        return 0;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char *end = NULL;
        const long long number = strtoll(entry->d_name, &end, 10);

        if (end == entry->d_name + 4 && *end == '_' && number > last && number <= NUMBER_MAX)
            last = (int)number;
    }
    closedir(entries);
    return last;
}

/* clang-format off */
#define TEMPLATE \
    "/* Migration %d: what it changes, and why. */\n" \
    "#include \"models/migrations/migrations.h\"\n" \
    "\n" \
    "/* May be interrupted anywhere and run again. For new collections, validators and indexes the\n" \
    " * tables of step 1 are enough: .structure has them made before, and no up is needed. */\n" \
    "static enum err up(struct ctx *ctx)\n" \
    "{\n" \
    "    (void)ctx;\n" \
    "    return ERR_OK;\n" \
    "}\n" \
    "\n" \
    "/* What the version before needs. */\n" \
    "static enum err down(struct ctx *ctx)\n" \
    "{\n" \
    "    (void)ctx;\n" \
    "    return ERR_OK;\n" \
    "}\n" \
    "\n" \
    "const struct migration migration_%04d = {\n" \
    "    .number = %d,\n" \
    "    .name = \"%s\",\n" \
    "    .revision = \"1\",\n" \
    "    .structure = true,\n" \
    "    .up = up,\n" \
    "    .down = down,\n" \
    "};\n"
/* clang-format on */

static int write_step(const struct step *step, const char **ret_file)
{
    struct buf text;
    int out;

    *ret_file = arena_printf(step->arena, "%04d_%s.c", step->number, step->name);
    buf_init(&text, step->arena, TEXT_MAX);
    buf_printf(&text, TEMPLATE, step->number, step->number, step->number, step->name);
    if (*ret_file == NULL || !buf_ok(&text))
        return COMMAND_FAILED;
    out = openat(step->directory, *ret_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0)
        return failed("cannot write", *ret_file);
    const bool written = write_all(out, buf_text(&text));
    close(out);
    return written ? COMMAND_OK : failed("cannot write", *ret_file);
}

/* Puts text where it belongs: before the first mark that follows the last occurrence of after. */
static int insert(const struct step *step, const char *file, const char *after, const char *mark,
                  const char *text)
{
    const char *before = read_all(step, file);
    const char *last = NULL, *at;
    struct buf now;

    if (before == NULL)
        return failed("cannot read", file);
    for (at = strstr(before, after); at != NULL; at = strstr(at + 1, after))
        last = at;
    at = last != NULL ? strstr(last, mark) : NULL;
    if (at == NULL) {
        fprintf(stderr, "tenantd: %s/%s is not as this version knows it\n", STEPS, file);
        return COMMAND_FAILED;
    }
    buf_init(&now, step->arena, TEXT_MAX);
    buf_add(&now, before, (size_t)(at - before));
    buf_puts(&now, text);
    buf_puts(&now, at);
    return buf_ok(&now) ? replace(step, file, buf_text(&now)) : COMMAND_FAILED;
}

static int write_lists(const struct step *step)
{
    const char *declared =
        arena_printf(step->arena, "\nextern const struct migration migration_%04d;", step->number);
    const char *listed = arena_printf(step->arena, "    &migration_%04d,\n", step->number);

    if (declared == NULL || listed == NULL)
        return COMMAND_FAILED;
    int status =
        insert(step, "migrations.h", "extern const struct migration migration_", "\n", declared);
    if (status == COMMAND_OK)
        status = insert(step, "list.c", "&migration_", "};", listed);
    return status;
}

/* --- the command --- */

static bool is_name(const char *name)
{
    const size_t length = strlen(name);

    return length > 0 && length <= NAME_LENGTH && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static int print_file(const struct step *step, const char *file)
{
    struct buf text;

    buf_init(&text, step->arena, TEXT_MAX);
    if (step->invocation->json) {
        buf_putc(&text, '{');
        command_json_int(&text, "number", step->number);
        command_json_text(&text, "name", step->name);
        command_json_text(&text, "file", arena_printf(step->arena, "%s/%s", STEPS, file));
        buf_putc(&text, '}');
    } else {
        buf_printf(&text, "%s/%s: say what it changes, then build and run its tests\n", STEPS,
                   file);
    }
    return command_print(step->invocation, &text);
}

static int make(struct step *step)
{
    const char *file = NULL;

    step->number = last_number(step) + 1;
    if (step->number < 2 || step->number > NUMBER_MAX)
        return failed("there are no steps in", "");
    int status = write_step(step, &file);
    if (status == COMMAND_OK)
        status = write_lists(step);
    return status == COMMAND_OK ? print_file(step, file) : status;
}

int run_migrate_new(struct invocation *invocation, int argc, char **argv)
{
    const char *source = NULL;
    const struct command_option options[] = {{"source", &source, NULL}, {0}};
    struct step step = {.invocation = invocation};
    struct arena arena;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the name of the migration"))
        return COMMAND_USAGE;
    step.name = invocation->args[0];
    if (!is_name(step.name))
        return command_usage(invocation, "a name has 1 to 40 of a-z, 0-9 and _, a letter first");
    arena_init(&arena, TEXT_MAX * 8);
    step.arena = &arena;
    const char *path = arena_printf(&arena, "%s/%s", source != NULL ? source : ".", STEPS);
    step.directory = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (step.directory < 0) {
        fprintf(stderr,
                "tenantd: %s is no source tree of tenantd: migrations are written there, and "
                "compiled in; name one with --source DIR\n",
                source != NULL ? source : "this directory");
        status = COMMAND_FAILED;
    } else {
        status = make(&step);
        close(step.directory);
    }
    arena_clear(&arena);
    return status;
}
