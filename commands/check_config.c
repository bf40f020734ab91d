/* tenantd check-config: tells every problem of a configuration, each with its line. */
#include "commands/commands.h"

static int run(struct invocation *invocation, int argc, char **argv)
{
    const char *path = NULL;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    struct config *config = command_config(invocation, &path, &status);
    if (invocation->json)
        fprintf(invocation->out, "{\"ok\":%s}\n", config != NULL ? "true" : "false");
    if (config == NULL)
        return status;
    if (!invocation->json)
        fprintf(invocation->out, "%s is fine: %s, %s\n", path,
                config->environment == ENV_PRODUCTION ? "production" : "development",
                config->server.public_url);
    config_unref(config);
    return COMMAND_OK;
}

const struct command command_check_config = {
    .name = "check-config",
    .summary = "check a configuration without starting",
    .help =
        "usage: tenantd check-config [--config FILE] [--json]\n"
        "\n"
        "Reads the configuration as \"serve\" would and prints every problem on standard\n"
        "error, one a line: FILE:LINE: what is wrong and what is allowed. Files that it\n"
        "names are checked too; MongoDB is not asked. Exits 1 when there is a problem.\n"
        "\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          {\"ok\": true} or {\"ok\": false} on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd check-config\n"
        "  tenantd check-config --config /etc/tenantd/config.yaml && systemctl reload tenantd\n",
    .run = run,
};
