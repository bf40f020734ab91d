/* Finds the built-in files. */
#include "app/embed.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const struct embedded_file *)row)->path);
}

const struct embedded_file *embed_find(const char *path)
{
    if (embedded_file_count == 0)
        return NULL;
    return bsearch(path, embedded_files, embedded_file_count, sizeof embedded_files[0], compare);
}
