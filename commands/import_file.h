/* The file of the command "import": read in parts, converted record by record, sent. */
#pragma once

#include <stdio.h>

#include "commands/import.h"
#include "models/import.h"

struct import_file {
    const char *path;
    FILE *in;
    const char *errors_path;
    FILE *errors;                /* what could not be taken; NULL: nobody asked */
    struct from_options options; /* system NULL: the lines as they are */
    struct from_summary summary;
    struct import_upload *upload;
};

CHECKED enum err import_file_open(struct ctx *ctx, const char *path, const char *errors_path,
                                  struct import_file *file);
/* Of an import that is only followed. errors_path may be NULL. */
CHECKED enum err import_file_open_errors(struct ctx *ctx, const char *errors_path,
                                         struct import_file *file);
void import_file_close(struct import_file *file);
/* ERR_STOPPING when it was interrupted. */
CHECKED enum err import_file_send(struct ctx *ctx, struct import_file *file);
/* Adds the import's errors to those of the conversion; closes that file. */
CHECKED enum err import_file_tell(struct ctx *ctx, struct import_file *file,
                                  const struct import *import);
