/* Writing, loading and refusing configuration files in unit tests. */
#include "support/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Last: its macro "fail" would change ctx.h. */
#include <cmocka.h>

static char directory[] = "/tmp/test_config_XXXXXX";
static char path[64], key_path[64];

int config_file_setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/c.yaml", directory);
    snprintf(key_path, sizeof key_path, "%s/key", directory);
    return 0;
}

int config_file_teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(key_path);
    return rmdir(directory);
}

void write_file(const char *name, const void *text, size_t size, mode_t mode)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(name, mode), 0);
}

struct config *load(const char *text)
{
    struct config *config = NULL;
    char *message = NULL;

    write_file(path, text, strlen(text), 0600);
    if (config_load(path, &config, &message) != ERR_OK)
        fail_msg("refused: %s", message);
    assert_null(message);
    return config;
}

const char *config_file_path(void)
{
    return path;
}

const char *config_file_key_path(void)
{
    return key_path;
}

/* The message without the directory: "c.yaml:3: …". */
static char *refused_bytes(const char *text, size_t size)
{
    static char result[8192];
    struct config *config = NULL;
    char *message = NULL;

    write_file(path, text, size, 0600);
    assert_int_not_equal(config_load(path, &config, &message), ERR_OK);
    assert_null(config);
    assert_non_null(message);
    result[0] = '\0';
    size_t used = 0;
    for (char *rest = message, *line; (line = strsep(&rest, "\n")) != NULL;) {
        assert_memory_equal(line, path, strlen(path));
        int more = snprintf(result + used, sizeof result - used, "%s%s", used > 0 ? "\n" : "",
                            line + strlen(directory) + 1);
        assert_true(more > 0 && used + (size_t)more < sizeof result);
        used += (size_t)more;
    }
    free(message);
    return result;
}

char *refused(const char *text)
{
    return refused_bytes(text, strlen(text));
}

void assert_says(const char *message, const char *part)
{
    if (strstr(message, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, message);
}
