/* What the subcommands share. */
#include "commands/commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/clock.h"
#include "app/config_env.h"
#include "app/nearest.h"
#include "app/router.h"
#include "app/value.h"
#include "models/tenant.h"

#define OPTIONS_MAX 16
#define ACTIONS_MAX 16
#define TEXT_MAX    ((size_t)8 * 1024 * 1024)
#define ARENA_LIMIT ((size_t)16 * 1024 * 1024)

enum { OPTION_HELP = 256, OPTION_JSON, OPTION_CONFIG, OPTION_OWN };

/* --- options --- */

int command_usage(const struct invocation *invocation, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("tenantd: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, "; see \"tenantd %s --help\"\n", invocation->command->name);
    va_end(args);
    return COMMAND_USAGE;
}

/* getopt's table: the common options, then the command's own. */
static void fill_options(struct option *table, const struct command_option *options)
{
    size_t count = 0;

    table[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    table[count++] = (struct option){"json", no_argument, NULL, OPTION_JSON};
    table[count++] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    for (int i = 0; options != NULL && options[i].name != NULL && count < OPTIONS_MAX; i++)
        table[count++] = (struct option){
            options[i].name,
            options[i].text != NULL ? required_argument : no_argument,
            NULL,
            OPTION_OWN + i,
        };
    table[count] = (struct option){0};
}

static int unknown_option(const struct invocation *invocation, const struct option *table,
                          const char *word)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;

    if (optopt > 0 && optopt < OPTION_HELP)
        return command_usage(invocation,
                             "there is no option \"-%c\" (an id or name that begins with a hyphen "
                             "stands behind \"--\")",
                             optopt);
    while (table[count].name != NULL) {
        names[count] = table[count].name;
        count++;
    }
    const char *meant = strncmp(word, "--", 2) == 0 ? nearest_word(word + 2, names, count) : NULL;
    if (meant != NULL)
        return command_usage(invocation, "there is no option \"%.60s\"; did you mean \"--%s\"?",
                             word, meant);
    return command_usage(invocation, "there is no option \"%.60s\"", word);
}

bool command_parse(struct invocation *invocation, int argc, char **argv,
                   const struct command_option *options, int *ret_status)
{
    struct option table[OPTIONS_MAX + 1];
    int found;

    fill_options(table, options);
    optind = 0;
    while ((found = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (found == OPTION_HELP) {
            fputs(invocation->command->help, invocation->out);
            *ret_status = COMMAND_OK;
            return false;
        }
        if (found == '?' || found == ':') {
            *ret_status = found == ':'
                              ? command_usage(invocation, "%s needs a value", argv[optind - 1])
                              : unknown_option(invocation, table, argv[optind - 1]);
            return false;
        }
        if (found == OPTION_JSON)
            invocation->json = true;
        else if (found == OPTION_CONFIG)
            invocation->config_path = optarg;
        else if (options[found - OPTION_OWN].text != NULL &&
                 *options[found - OPTION_OWN].text != NULL) {
            *ret_status =
                command_usage(invocation, "--%s is given twice", options[found - OPTION_OWN].name);
            return false;
        } else if (options[found - OPTION_OWN].text != NULL)
            *options[found - OPTION_OWN].text = optarg;
        else
            *options[found - OPTION_OWN].flag = true;
    }
    invocation->args = argv + optind;
    invocation->arg_count = argc - optind;
    return true;
}

int command_dispatch(struct invocation *invocation, int argc, char **argv,
                     const struct command_action *actions)
{
    const char *names[ACTIONS_MAX];
    size_t count = 0;
    int status;

    if (argc < 2)
        return command_usage(invocation, "say what to do");
    if (argv[1][0] == '-')
        return command_parse(invocation, argc, argv, NULL, &status)
                   ? command_usage(invocation, "say what to do")
                   : status;
    for (size_t i = 0; actions[i].name != NULL; i++) {
        if (strcmp(argv[1], actions[i].name) == 0)
            return actions[i].run(invocation, argc - 1, argv + 1);
        names[count++] = actions[i].name;
    }
    const char *meant = nearest_word(argv[1], names, count);
    if (meant != NULL)
        return command_usage(invocation, "\"%s\" has no \"%.60s\"; did you mean \"%s\"?",
                             invocation->command->name, argv[1], meant);
    return command_usage(invocation, "\"%s\" has no \"%.60s\"", invocation->command->name, argv[1]);
}

bool command_wants_args(const struct invocation *invocation, int count, const char *what)
{
    if (invocation->arg_count == count)
        return true;
    if (invocation->arg_count < count)
        command_usage(invocation, "%s is missing", what);
    else
        command_usage(invocation, "\"%.60s\" is one argument too many", invocation->args[count]);
    return false;
}

/* --- the service --- */

static const char *find_config(const struct invocation *invocation)
{
    static const char *const places[] = {"config.yaml", "/etc/tenantd/config.yaml"};
    const char *named = getenv("TENANTD_CONFIG");

    if (invocation->config_path != NULL)
        return invocation->config_path;
    if (named != NULL && named[0] != '\0')
        return named;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], F_OK) == 0)
            return places[i];
    }
    fputs("tenantd: there is no configuration: neither ./config.yaml nor /etc/tenantd/config.yaml "
          "exists; name one with --config FILE or TENANTD_CONFIG\n",
          stderr);
    return NULL;
}

struct config *command_config(const struct invocation *invocation, const char **ret_path,
                              int *ret_status)
{
    struct config *config = NULL;
    char *message = NULL;
    const char *path = find_config(invocation);

    *ret_status = COMMAND_FAILED;
    if (path == NULL)
        return NULL;
    if (config_load(path, &config, &message) != ERR_OK) {
        fprintf(stderr, "%s\n", message != NULL ? message : "tenantd: out of memory");
        free(message);
        return NULL;
    }
    config_env_hide();
    if (ret_path != NULL)
        *ret_path = path;
    return config;
}

int command_status_of(enum err err)
{
    if (err == ERR_OK || err == ERR_STOPPING)
        return COMMAND_OK;
    return error_info(err)->status == 503 ? COMMAND_TEMPORARY : COMMAND_FAILED;
}

bool command_open(const struct invocation *invocation, struct session_of_command *session,
                  int *ret_status)
{
    char *message = NULL;
    struct config *config = command_config(invocation, NULL, ret_status);

    if (config == NULL)
        return false;
    router_init();
    enum err err = app_new(config, false, &session->app, &message);
    if (err != ERR_OK) {
        fprintf(stderr, "tenantd: %s\n", message != NULL ? message : "out of memory");
        free(message);
        *ret_status = command_status_of(err);
        return false;
    }
    arena_init(&session->arena, ARENA_LIMIT);
    ctx_init(&session->ctx, session->app, &session->arena);
    /* Who may run commands here is the operator: models/user_authority.h. */
    session->ctx.who.credential = CREDENTIAL_PLATFORM;
    session->ctx.request_id = "command";
    /* What rows of the audit log say about it. */
    session->ctx.user_agent =
        arena_printf(&session->arena, "tenantd %s (command line, user id %ld)",
                     invocation->command->name, (long)getuid());
    return true;
}

void command_close(struct session_of_command *session)
{
    ctx_clear(&session->ctx);
    arena_clear(&session->arena);
    app_free(session->app);
}

int command_failed(const struct ctx *ctx, enum err err)
{
    const struct failure *failure = &ctx->failure;
    const char *sentence = failure->detail != NULL ? failure->detail : error_info(err)->sentence;

    /* Whoever runs a command is the operator: what a client is not told is the sentence here. */
    if (err == ERR_INTERNAL && failure->detail == NULL && failure->internal != NULL)
        fprintf(stderr, "tenantd: %s\n", failure->internal);
    else if (failure->internal != NULL)
        fprintf(stderr, "tenantd: %s (%s)\n", sentence, failure->internal);
    else
        fprintf(stderr, "tenantd: %s\n", sentence);
    /* A service that is stopped has ended well, a command has something left to do. */
    return err == ERR_STOPPING ? COMMAND_TEMPORARY : command_status_of(err);
}

static enum err no_tenant(struct ctx *ctx, const char *slug)
{
    fail_clear(ctx);
    return fail(ctx, ERR_TENANT_NOT_FOUND, NULL,
                "There is no tenant \"%.63s\"; \"tenantd tenant list\" shows all.", slug);
}

/* To clients a tenant that is not active is not there; here it stands in the list. */
static enum err not_active(struct session_of_command *session, const char *slug)
{
    struct ctx *ctx = &session->ctx;
    struct tenant tenant;

    fail_clear(ctx);

    const enum err found = tenant_find_by_slug(ctx, slug, &tenant);

    if (found == ERR_NOT_FOUND)
        return no_tenant(ctx, slug);
    TRY(found);
    return fail(ctx, ERR_TENANT_NOT_FOUND, NULL,
                "The tenant \"%.63s\" is %s: \"tenantd tenant show %.63s\" says more.", slug,
                tenant_status_names[tenant.status], slug);
}

enum err command_use_tenant(struct session_of_command *session, const char *slug)
{
    const struct tenant *tenant = NULL;
    enum err err = tenant_get_by_slug(&session->ctx, slug, &tenant);

    if (err == ERR_TENANT_NOT_FOUND)
        return not_active(session, slug);
    TRY(err);
    ctx_set_tenant(&session->ctx, tenant, &tenant->id);
    return ERR_OK;
}

enum err command_use_any_tenant(struct session_of_command *session, const char *slug)
{
    struct tenant *tenant = ARENA_NEW(&session->arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    enum err err = tenant_find_by_slug(&session->ctx, slug, tenant);
    if (err == ERR_NOT_FOUND)
        return no_tenant(&session->ctx, slug);
    TRY(err);
    ctx_set_tenant(&session->ctx, tenant, &tenant->id);
    return ERR_OK;
}

int command_work(const struct invocation *invocation, command_work_fn work, void *arg)
{
    struct session_of_command session;
    struct buf text;
    int status;

    if (!command_open(invocation, &session, &status))
        return status;
    buf_init(&text, &session.arena, TEXT_MAX);
    enum err err = work(invocation, &session, &text, arg);
    if (err != ERR_OK)
        status = command_failed(&session.ctx, err);
    else
        status = text.size > 0 ? command_print(invocation, &text) : COMMAND_OK;
    command_close(&session);
    return status;
}

/* The failure of a page, whose memory goes. */
static enum err page_failed(struct ctx *ctx, const struct ctx *page, enum err err)
{
    const struct failure *failure = &page->failure;

    if (failure->detail != NULL)
        (void)fail(ctx, err, NULL, "%s", failure->detail);
    if (failure->internal != NULL)
        (void)fail_internal(ctx, err, "%s", failure->internal);
    return err;
}

enum err command_pages(const struct invocation *invocation, struct session_of_command *session,
                       command_page_fn page, void *arg)
{
    enum err err = ERR_OK;
    bool more = true;
    struct arena arena;

    arena_init(&arena, TEXT_MAX);
    while (err == ERR_OK && more) {
        struct ctx own = session->ctx;
        struct buf text;

        own.arena = &arena;
        own.holds = NULL;
        buf_init(&text, &arena, TEXT_MAX);
        err = page(&own, &text, arg, &more);
        if (err == ERR_OK && !buf_ok(&text))
            err = ERR_MEMORY;
        if (err == ERR_OK && fwrite(text.data, 1, text.size, invocation->out) != text.size)
            err = fail_internal(&own, ERR_INTERNAL, "the output cannot be written");
        if (err != ERR_OK)
            (void)page_failed(&session->ctx, &own, err);
        ctx_clear(&own);
        arena_reset(&arena);
    }
    arena_clear(&arena);
    return err;
}

/* --- values --- */

enum err command_duration(struct ctx *ctx, const char *option, const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'\0', 1000}, {'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    const size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; digits > 0 && digits < 8 && i < sizeof units / sizeof units[0]; i++) {
        if (text[digits] != units[i].unit || (text[digits] != '\0' && text[digits + 1] != '\0'))
            continue;
        *ret_ms = strtoll(text, NULL, 10) * units[i].ms;
        return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, option,
                "%s: must be a time such as 90s, 45m, 12h or 30d; a number alone is seconds.",
                option);
}

enum err command_moment(struct ctx *ctx, const char *option, const char *text, int64_t *ret_ms)
{
    const int64_t now = clock_now_ms();

    if (!time_parse(text, ret_ms)) {
        fail_clear(ctx);
        if (command_duration(ctx, option, text, ret_ms) != ERR_OK)
            return fail(ctx, ERR_VALIDATION, option,
                        "%s: must be a moment such as 2030-01-31T09:30:00Z, or a time from now "
                        "such as 30d.",
                        option);
        *ret_ms += now;
    }
    if (*ret_ms > now)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, option, "%s: must be a moment to come.", option);
}

enum err command_decode(struct ctx *ctx, const struct schema *schema, enum decode_mode mode,
                        const struct command_word *words, void *ret)
{
    struct value object = {.type = VALUE_OBJECT};
    size_t count = 0;

    while (words[count].name != NULL)
        count++;
    object.object.members = arena_array(ctx->arena, count + 1, sizeof *object.object.members);
    if (object.object.members == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *text = words[i].text;

        if (text != NULL)
            object.object.members[object.object.count++] =
                (struct member){.name = words[i].name,
                                .value = {.type = VALUE_STRING,
                                          .plain = true,
                                          .string = {.text = text, .length = strlen(text)}}};
    }
    return schema_decode(ctx, schema, &object, mode, ret);
}

/* --- output --- */

static void json_name(struct buf *out, const char *name)
{
    if (out->size > 0 && out->data[out->size - 1] != '{' && out->data[out->size - 1] != '[')
        buf_putc(out, ',');
    buf_json_string(out, name, strlen(name));
    buf_putc(out, ':');
}

void command_json_text(struct buf *out, const char *name, const char *text)
{
    json_name(out, name);
    if (text == NULL)
        buf_puts(out, "null");
    else
        buf_json_string(out, text, strlen(text));
}

void command_json_int(struct buf *out, const char *name, int64_t number)
{
    json_name(out, name);
    buf_int(out, number);
}

void command_json_bool(struct buf *out, const char *name, bool value)
{
    json_name(out, name);
    buf_puts(out, value ? "true" : "false");
}

void command_json_time(struct buf *out, const char *name, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms != 0)
        time_text(ms, text);
    command_json_text(out, name, ms != 0 ? text : NULL);
}

void command_json_uuid(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_text(id, text);
    command_json_text(out, name, uuid_is_zero(id) ? NULL : text);
}

int command_print(const struct invocation *invocation, const struct buf *text)
{
    if (!buf_ok(text)) {
        fputs("tenantd: the result is too large to print\n", stderr);
        return COMMAND_FAILED;
    }
    fwrite(text->data, 1, text->size, invocation->out);
    if (text->size == 0 || text->data[text->size - 1] != '\n')
        fputc('\n', invocation->out);
    return COMMAND_OK;
}
