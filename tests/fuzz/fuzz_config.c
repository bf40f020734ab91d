/*
 * Any bytes as config.yaml: a configuration or sentences about it, never a crash or a leak (IN-15).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config.h"
#include "app/schema.h"
#include "support/fuzz.h"

/* What was accepted must also be printable. */
static void print(const struct config *config)
{
    struct arena arena;
    struct buf out;

    arena_init(&arena, (size_t)8 * 1024 * 1024);
    buf_init(&out, &arena, (size_t)4 * 1024 * 1024);
    schema_to_yaml_masked(&config_schema, config, &out);
    if (!buf_ok(&out))
        abort();
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    char *message = NULL;
    char path[64];
    int file = memfd_create("config", MFD_CLOEXEC);

    if (file < 0 || (size > 0 && write(file, data, size) != (ssize_t)size))
        abort();
    if (fchmod(file, 0600) != 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (config_load(path, &config, &message) == ERR_OK) {
        print(config);
        config_unref(config);
    } else if (message == NULL || message[0] == '\0') {
        abort();
    }
    free(message);
    close(file);
    return 0;
}
