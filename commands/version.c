/* tenantd version: of the program and of the libraries that are loaded. */
#include <dlfcn.h>
#include <string.h>

#include "commands/commands.h"

/* By name and not by header: every library's header belongs to the one file that uses the library.
 */
static const struct {
    const char *library;
    const char *symbol;
    bool takes_int; /* const char *f(int), called with argument; else const char *f(void) */
    int argument;
} libraries[] = {
    {"libmongoc", "mongoc_get_version", false, 0},
    {"libbson", "bson_get_version", false, 0},
    {"civetweb", "mg_version", false, 0},
    {"openssl", "OpenSSL_version", true, 6 /* OPENSSL_VERSION_STRING */},
    {"libsodium", "sodium_version_string", false, 0},
    {"jansson", "jansson_version_str", false, 0},
    {"libyaml", "yaml_get_version_string", false, 0},
};

static const char *library_version(size_t index)
{
    const char *(*without)(void);
    const char *(*with_int)(int);
    void *symbol = dlsym(RTLD_DEFAULT, libraries[index].symbol);

    if (symbol == NULL)
        return NULL;
    /* POSIX lets a function's address pass through a void pointer; ISO C has no cast for it. */
    if (libraries[index].takes_int) {
        memcpy(&with_int, &symbol, sizeof with_int);
        return with_int(libraries[index].argument);
    }
    memcpy(&without, &symbol, sizeof without);
    return without();
}

static void print_json(const struct invocation *invocation)
{
    fprintf(invocation->out, "{\"version\":\"%s\",\"libraries\":{", TENANTD_VERSION);
    const char *comma = "";
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        const char *version = library_version(i);
        if (version == NULL)
            continue;
        fprintf(invocation->out, "%s\"%s\":\"%s\"", comma, libraries[i].library, version);
        comma = ",";
    }
    fputs("}}\n", invocation->out);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (invocation->json) {
        print_json(invocation);
        return COMMAND_OK;
    }
    fprintf(invocation->out, "tenantd %s\n", TENANTD_VERSION);
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        const char *version = library_version(i);
        if (version != NULL)
            fprintf(invocation->out, "  %-10s %s\n", libraries[i].library, version);
    }
    return COMMAND_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the version of tenantd and of its libraries",
    .help = "usage: tenantd version [--json]\n"
            "\n"
            "Prints the version of tenantd and of the libraries that it runs with.\n"
            "\n"
            "  --json   one JSON object\n"
            "\n"
            "Examples:\n"
            "  tenantd version\n"
            "  tenantd version --json | jq -r .version\n",
    .run = run,
};
