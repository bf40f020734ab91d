/* The files of templates/, built into the binary; the table is generated and sorted by path. */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *path; /* relative to templates/ */
    const char *type; /* media type with charset */
    const unsigned char *data;
    size_t size;
    const char *etag; /* 16 hex digits of the content's SHA-256 */
};

extern const struct embedded_file embedded_files[];
extern const size_t embedded_file_count;

/* NULL when there is none. With pages.override_dir set, callers look there first (template.c). */
const struct embedded_file *embed_find(const char *path);
