/*
 * The subcommands of tenantd, one file each, and what they share (commands.c): options, the
 * configuration, opening the service, sentences for people and JSON for scripts. Results go to
 * invocation->out; log lines and sentences go to standard error. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/ctx.h"
#include "app/schema.h"

enum command_status {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_TEMPORARY = 75, /* EX_TEMPFAIL: trying again later may help */
};

struct command;

struct invocation {
    const struct command *command;
    const char *config_path; /* of --config; NULL = search */
    bool json;
    char **args; /* what is left behind the options */
    int arg_count;
    FILE *out;
    int64_t started_us; /* monotonic, of the process */
    /* What a service manager is told (main.c); never NULL. */
    void (*notify)(const char *state);
    int64_t watchdog_ms; /* say "WATCHDOG=1" at least this often; 0 = never */
};

struct command {
    const char *name;
    const char *summary;
    const char *help; /* from "usage:" to the examples */
    int (*run)(struct invocation *invocation, int argc, char **argv);
};

extern const struct command command_audit, command_bench_hash, command_cleanup, command_doctor,
    command_selftest, command_serve, command_migrate, command_check_config, command_key,
    command_keys, command_client, command_token, command_print_config, command_openapi,
    command_profiles, command_seed, command_export, command_import, command_tenant, command_user,
    command_version;

/* --- options --- */

/* "--name VALUE" when text is set, which must be NULL before; "--name" when flag is. */
struct command_option {
    const char *name;
    const char **text;
    bool *flag;
};

/* Takes options, and --help, --json and --config, which every command has. False: the command ends
 * with *ret_status. */
bool command_parse(struct invocation *invocation, int argc, char **argv,
                   const struct command_option *options, int *ret_status);

/* "tenant create": the actions of a command. */
struct command_action {
    const char *name;
    int (*run)(struct invocation *invocation, int argc, char **argv);
};
int command_dispatch(struct invocation *invocation, int argc, char **argv,
                     const struct command_action *actions);
/* A sentence about wrong use and where help is; COMMAND_USAGE. */
int command_usage(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* False, with a sentence, when there are fewer or more arguments than wanted. */
bool command_wants_args(const struct invocation *invocation, int count, const char *what);

/* --- the service --- */

/* One command's connection to everything; command_close releases it. */
struct session_of_command {
    struct app *app;
    struct arena arena;
    struct ctx ctx;
};

/* The configuration, or NULL with *ret_status after its problems were printed. Secrets are taken
 * out of the environment. */
struct config *command_config(const struct invocation *invocation, const char **ret_path,
                              int *ret_status);
/* False: *ret_status says how the command ends. */
bool command_open(const struct invocation *invocation, struct session_of_command *session,
                  int *ret_status);
void command_close(struct session_of_command *session);
/* One sentence for an error, and the status that it means. */
int command_failed(const struct ctx *ctx, enum err err);
int command_status_of(enum err err);
/* Finds an active tenant by slug and makes it the session's. */
CHECKED enum err command_use_tenant(struct session_of_command *session, const char *slug);
/* The same for one in whatever state. */
CHECKED enum err command_use_any_tenant(struct session_of_command *session, const char *slug);

/* Opens the service, lets work fill out, prints that and closes: the whole of most commands. */
typedef enum err (*command_work_fn)(const struct invocation *invocation,
                                    struct session_of_command *session, struct buf *out, void *arg);
int command_work(const struct invocation *invocation, command_work_fn work, void *arg);
/* For results without bound: page is called until it says that there are no more, with memory and
 * output of its own each time. */
typedef enum err (*command_page_fn)(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more);
CHECKED enum err command_pages(const struct invocation *invocation,
                               struct session_of_command *session, command_page_fn page, void *arg);
/* "2026-01-31T09:30:00Z", or "30d", "12h", "45m", "90s" from now; the moment must be to come. */
CHECKED enum err command_moment(struct ctx *ctx, const char *option, const char *text,
                                int64_t *ret_ms);
/* 1 to 9999999 with s, m, h or d behind it; a number alone is seconds. */
CHECKED enum err command_duration(struct ctx *ctx, const char *option, const char *text,
                                  int64_t *ret_ms);

/* A password from the first line of a file, or of standard input for "-" (asked for without echo on
 * a terminal). ERR_VALIDATION after a sentence. */
CHECKED enum err command_read_password(struct ctx *ctx, const char *path,
                                       const char **ret_password);

/* Decodes words by the table that the API decodes by, so that the same is refused with the same
 * sentence. Ends with name NULL; a word without text is absent. */
struct command_word {
    const char *name, *text;
};
CHECKED enum err command_decode(struct ctx *ctx, const struct schema *schema, enum decode_mode mode,
                                const struct command_word *words, void *ret);

/* --- output --- */

/* "name":"text", with a comma before it unless it is the first; text NULL is null. */
void command_json_text(struct buf *out, const char *name, const char *text);
void command_json_int(struct buf *out, const char *name, int64_t number);
void command_json_bool(struct buf *out, const char *name, bool value);
void command_json_time(struct buf *out, const char *name, int64_t ms);            /* 0 is null */
void command_json_uuid(struct buf *out, const char *name, const struct uuid *id); /* zero is null */
/* Prints a finished buffer and a newline. */
int command_print(const struct invocation *invocation, const struct buf *text);
