/*
 * Files that hold one secret: read only when nobody else may read them, written so that they are
 * whole or not there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/ctx.h"
#include "app/problems.h"

/* Where in a configuration a file was named. */
struct secret_file {
    const char *key; /* "master_key_file" */
    const char *path;
    unsigned line;
};

/* At most size - 1 bytes of a regular file that only its owner and group may read. False with a
 * problem. */
bool secret_file_read(const struct secret_file *file, struct problems *problems, char *ret_text,
                      size_t size);
/* True when there is something at the path, readable or not. */
bool secret_file_exists(const char *path);

/* Writes text and a newline, mode 0600, to a new file beside path; *ret_draft is its name, in the
 * arena. ERR_INTERNAL with the reason. */
CHECKED enum err secret_file_draft(struct ctx *ctx, const char *path, const char *text,
                                   const char **ret_draft);
/* The draft becomes the file, or goes. */
CHECKED enum err secret_file_keep(struct ctx *ctx, const char *draft, const char *path);
void secret_file_drop(const char *draft);
