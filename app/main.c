/* The program: finds the subcommand, and talks to the service manager. */
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/clock.h"
#include "app/log.h"
#include "app/nearest.h"
#include "app/secret.h"
#include "commands/commands.h"

/* Each heap of glibc keeps what its busiest moment needed; more than these would be memory for
 * nothing. Large tables come straight from the system, so that only their used pages count: by
 * itself glibc raises that bound when the first large block is freed. */
#define HEAPS_MAX    4
#define LARGE_BLOCKS (128 * 1024)

static const struct command *const commands[] = {
    &command_audit,        &command_bench_hash, &command_cleanup, &command_doctor,
    &command_selftest,     &command_serve,      &command_migrate, &command_check_config,
    &command_client,       &command_token,      &command_key,     &command_keys,
    &command_print_config, &command_openapi,    &command_seed,    &command_tenant,
    &command_user,         &command_export,     &command_import,  &command_profiles,
    &command_version,
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

/* sd_notify(3) by hand: libsystemd would bring a megabyte of libraries for one datagram. */
static void send_to_manager(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = path != NULL ? strlen(path) : 0;

    if (length < 2 || length >= sizeof address.sun_path || strchr("/@", path[0]) == NULL)
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* the abstract namespace */
        address.sun_path[0] = '\0';
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out < 0)
        return;
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    (void)sendto(out, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    close(out);
}

static void notify(const char *state)
{
    char text[80];

    if (strcmp(state, "RELOADING=1") != 0) {
        send_to_manager(state);
        return;
    }
    snprintf(text, sizeof text, "%s\nMONOTONIC_USEC=%lld", state, (long long)clock_monotonic_us());
    send_to_manager(text);
}

/* Half of what the service manager allows, so that one late word does no harm. */
static int64_t watchdog_ms(void)
{
    const char *allowed = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");

    if (allowed == NULL || (process != NULL && strtoll(process, NULL, 10) != getpid()))
        return 0;
    const int64_t half = strtoll(allowed, NULL, 10) / 2000;
    return half > 0 ? half : 0;
}

static void print_usage(FILE *out)
{
    fputs("usage: tenantd COMMAND [OPTION...]\n"
          "\n"
          "A multi-tenant identity service on MongoDB.\n"
          "\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-13s  %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n\"tenantd COMMAND --help\" tells more, with examples.\n"
          "Exit status: 0 fine, 1 failed, 2 wrong use, 75 trying again later may help.\n",
          out);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *meant = nearest_word(name, names, COMMAND_COUNT);
    if (meant != NULL)
        fprintf(stderr, "tenantd: there is no command \"%.60s\"; did you mean \"%s\"?\n", name,
                meant);
    else
        fprintf(stderr, "tenantd: there is no command \"%.60s\"; \"tenantd --help\" lists all\n",
                name);
    return COMMAND_USAGE;
}

/* A command's results must not mix with log lines: those go to standard error then. */
static FILE *separate_output(void)
{
    int result = dup(STDOUT_FILENO);
    FILE *out = result >= 0 ? fdopen(result, "w") : NULL;

    if (out == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return stdout;
    return out;
}

static int run_command(const struct command *command, int argc, char **argv, int64_t started_us)
{
    struct invocation invocation = {
        .command = command,
        .out = command == &command_serve ? stdout : separate_output(),
        .started_us = started_us,
        .notify = notify,
        .watchdog_ms = watchdog_ms(),
    };

    int status = command->run(&invocation, argc, argv);
    const bool written = fflush(invocation.out) == 0 && ferror(invocation.out) == 0;

    if (!written && status != COMMAND_FAILED && status != COMMAND_TEMPORARY) {
        fputs("tenantd: the result could not be written\n", stderr);
        status = COMMAND_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    const int64_t started_us = clock_monotonic_us();

    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, HEAPS_MAX);
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCKS);
    if (argc < 2) {
        print_usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return COMMAND_OK;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const struct command *command = find(name);
    if (command == NULL)
        return unknown_command(name);
    if (!secret_init()) {
        fputs("tenantd: the system gives no random numbers, so nothing can be kept secret\n",
              stderr);
        return COMMAND_FAILED;
    }
    return run_command(command, argc - 1, argv + 1, started_us);
}
