/*
 * Runs a fuzz target over stored inputs, without libFuzzer.
 *
 * usage: fuzz_NAME PATH...
 *
 * Each PATH is a file or a directory; directories are read one level deep, a missing PATH is
 * skipped. The empty input always runs first, so that a target without a corpus runs too.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t replayed;

static void stop(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

/* The input is copied to a block of its exact size, so that ASan sees a read past its end. */
static void replay_bytes(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);

    if (exact == NULL)
        stop("memory");
    if (size > 0)
        memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replayed++;
}

static void replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);

    if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
        stop(path);
    fclose(file);
    fprintf(stderr, "%s\n", path);
    replay_bytes(data, size);
    free(data);
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void replay_directory(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, compare_names);

    if (count < 0)
        stop(directory);
    for (int i = 0; i < count; i++) {
        char path[4096];
        struct stat status;
        int length = snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);

        if (length < 0 || (size_t)length >= sizeof path || stat(path, &status) != 0)
            stop(entries[i]->d_name);
        if (S_ISREG(status.st_mode))
            replay_file(path, (size_t)status.st_size);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);

    replay_bytes(NULL, 0);
    for (int i = 1; i < argc; i++) {
        struct stat status;

        if (stat(argv[i], &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            replay_directory(argv[i]);
        else
            replay_file(argv[i], (size_t)status.st_size);
    }
    printf("%zu inputs replayed\n", replayed);
    return 0;
}
