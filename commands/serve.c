/* tenantd serve: the start, the loop of signals, the stop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "app/clock.h"
#include "app/log.h"
#include "app/router.h"
#include "app/server.h"
#include "commands/commands.h"

/* Without a watchdog nothing has to be done between two signals. */
#define IDLE_MS 3600000

static void block_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
    /* Before any thread exists: all of them inherit it, and only this one takes signals. */
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
}

static void end_at_once(int signal)
{
    (void)signal;
    _exit(COMMAND_FAILED);
}

/* From here on a second SIGTERM or SIGINT does not wait for anything. */
static void arm_second_signal(void)
{
    struct sigaction action = {.sa_handler = end_at_once};
    sigset_t set;

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* No core file of a process that holds keys. */
static void forbid_core_files(const struct config *config)
{
    const struct rlimit none = {0, 0};

    if (config->environment == ENV_PRODUCTION && setrlimit(RLIMIT_CORE, &none) != 0)
        log_event(LOG_WARN, "core_limit.failed", "reason", strerror(errno), NULL);
}

static void say_ready(const struct invocation *invocation, const struct app *app)
{
    const struct config *config = app_config(app);
    char took[24], port[24], extra[24], metrics[24], cost[24];

    snprintf(took, sizeof took, "%lld",
             (long long)(clock_monotonic_us() - invocation->started_us) / 1000);
    snprintf(port, sizeof port, "%lld", (long long)config->server.port);
    snprintf(extra, sizeof extra, "%lld", (long long)config->server.extra_port);
    snprintf(metrics, sizeof metrics, "%lld", (long long)config->server.metrics_port);
    snprintf(cost, sizeof cost, "%lld", (long long)config->password.cost);
    bool bcrypt = config->password.scheme == PASSWORD_BCRYPT;
    log_event(LOG_INFO, "ready", "version", TENANTD_VERSION, "environment",
              app_is_development(app) ? "development" : "production", "url",
              config->server.public_url, "bind", config->server.bind, "port", port, "extra_port",
              extra, "metrics_port", metrics, "password_scheme", bcrypt ? "bcrypt" : "argon2id",
              "password_cost", bcrypt ? cost : NULL, "start_ms", took, NULL);
}

/* Each problem is a line of its own. */
static void log_lines(const char *event, char *message)
{
    char *rest = message;

    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        log_event(LOG_ERROR, event, "message", line, NULL);
}

static void reload(const struct invocation *invocation, struct app *app)
{
    char *message = NULL;

    invocation->notify("RELOADING=1");
    if (app_reload(app, &message) == ERR_OK) {
        log_event(LOG_INFO, "config.reloaded", "file", app->config_path, NULL);
    } else {
        log_lines("config.invalid", message);
        log_event(LOG_WARN, "config.kept", "message", "the configuration from before stays", NULL);
    }
    free(message);
    invocation->notify("READY=1");
}

static void wait_for_stop(const struct invocation *invocation, struct app *app,
                          const sigset_t *signals)
{
    const int64_t wait_ms = invocation->watchdog_ms > 0 ? invocation->watchdog_ms : IDLE_MS;
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};

    for (;;) {
        int signal = sigtimedwait(signals, NULL, &wait);
        if (signal == SIGTERM || signal == SIGINT) {
            log_event(LOG_INFO, "stopping", "signal", signal == SIGTERM ? "SIGTERM" : "SIGINT",
                      NULL);
            return;
        }
        if (signal == SIGHUP)
            reload(invocation, app);
        invocation->notify("WATCHDOG=1");
    }
}

static int start_failed(enum err err, char *message)
{
    fprintf(stderr, "tenantd: %s\n", message != NULL ? message : error_info(err)->sentence);
    free(message);
    return command_status_of(err);
}

static int serve(const struct invocation *invocation, struct app *app, const sigset_t *signals)
{
    struct server *server = NULL;
    char *message = NULL;
    enum err err = server_start(app, &server, &message);

    if (err != ERR_OK)
        return start_failed(err, message);
    app->ready = true;
    say_ready(invocation, app);
    invocation->notify("READY=1");
    wait_for_stop(invocation, app, signals);
    invocation->notify("STOPPING=1");
    arm_second_signal();
    app->stopping = true;
    server_stop(server);
    return COMMAND_OK;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct app *app = NULL;
    const char *path = NULL;
    char *message = NULL;
    sigset_t signals;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    struct config *config = command_config(invocation, &path, &status);
    if (config == NULL)
        return status;
    forbid_core_files(config);
    const char *mistake = app_check_tables();
    if (mistake != NULL) {
        config_unref(config);
        return start_failed(ERR_INTERNAL, strdup(mistake));
    }
    block_signals(&signals);
    router_init();
    enum err err = app_new(config, true, &app, &message);
    if (err != ERR_OK)
        return start_failed(err, message);
    app->config_path = strdup(path);
    status = serve(invocation, app, &signals);
    app_free(app);
    return status;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "run the service",
    .help = "usage: tenantd serve [--config FILE]\n"
            "\n"
            "Runs the service until SIGTERM or SIGINT: then /ready says 503, running requests\n"
            "end, and the exit status is 0; a second signal ends it at once. SIGHUP reads the\n"
            "configuration again: a valid one takes effect as a whole, an invalid one is logged\n"
            "and changes nothing. Log lines (JSON) go to standard output.\n"
            "\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "\n"
            "Exit status: 1 when it cannot start, 75 when MongoDB did not answer in time.\n"
            "\n"
            "Examples:\n"
            "  tenantd serve\n"
            "  PORT=8081 tenantd serve --config config.yaml\n"
            "  kill -HUP \"$(pidof tenantd)\"\n",
    .run = run,
};
