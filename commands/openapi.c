/* tenantd openapi: the API description that /openapi.json answers. */
#include "commands/commands.h"

#include "app/openapi.h"

#define TEXT_MAX ((size_t)4 * 1024 * 1024)

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct arena arena;
    struct buf text;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    arena_init(&arena, 3 * TEXT_MAX);
    buf_init(&text, &arena, TEXT_MAX);
    openapi_write(&text);
    status = command_print(invocation, &text);
    arena_clear(&arena);
    return status;
}

const struct command command_openapi = {
    .name = "openapi",
    .summary = "print the OpenAPI description of the API",
    .help = "usage: tenantd openapi\n"
            "\n"
            "Prints the OpenAPI 3.1 description, made from the same tables that answer\n"
            "requests. Needs neither configuration nor database; always JSON.\n"
            "\n"
            "Examples:\n"
            "  tenantd openapi > openapi.json\n"
            "  tenantd openapi | jq -r '.paths | keys[]'\n",
    .run = run,
};
