/* tenantd print-config: the configuration as it is understood, defaults included, secrets masked.
 */
#include "commands/commands.h"

#include "app/schema.h"

#define TEXT_MAX ((size_t)256 * 1024)

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct arena arena;
    struct buf text;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    struct config *config = command_config(invocation, NULL, &status);
    if (config == NULL)
        return status;
    arena_init(&arena, 2 * TEXT_MAX);
    buf_init(&text, &arena, TEXT_MAX);
    if (invocation->json)
        schema_to_json(&config_schema, config, &text);
    else
        schema_to_yaml_masked(&config_schema, config, &text);
    status = command_print(invocation, &text);
    arena_clear(&arena);
    config_unref(config);
    return status;
}

const struct command command_print_config = {
    .name = "print-config",
    .summary = "print the configuration in effect, secrets masked",
    .help = "usage: tenantd print-config [--config FILE] [--json]\n"
            "\n"
            "Prints the configuration with all defaults and variables filled in. Secrets are\n"
            "shown as ********; as JSON they are left out.\n"
            "\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON instead of YAML\n"
            "\n"
            "Examples:\n"
            "  tenantd print-config\n"
            "  tenantd print-config --json | jq .server.port\n",
    .run = run,
};
