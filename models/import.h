/*
 * Bringing users into a tenant (docs/adr/0023-import.md): lines of NDJSON (models/user_line.h) are
 * kept, sealed, in the collection import_chunks; a job of the tenant takes them from there, some
 * hundred lines in one transaction with the place where to go on, so that whoever dies in the
 * middle neither loses a line nor takes one twice. What cannot be taken is told by its line. Any
 * thread.
 */
#pragma once

#include "app/arena.h"
#include "app/ctx.h"
#include "app/schema.h"
#include "models/job.h"

#define IMPORT_CHUNK      ((size_t)256 * 1024)
#define IMPORT_MAX_BYTES  (INT64_C(1024) * 1024 * 1024)
#define IMPORT_TOO_LARGE  "An import may have at most 1 GiB: bring the rest by further ones."
#define IMPORT_ERRORS_MAX 1000 /* that are told */

enum import_mode {
    IMPORT_MODE_UNSET = 0,
    IMPORT_INSERT, /* who is there already is an error */
    IMPORT_UPSERT, /* … is changed */
    IMPORT_SKIP,   /* … stays as they are */
};

extern const char *const import_mode_names[]; /* {NULL, "insert", "upsert", "skip", NULL} */
extern const struct job_kind import_job_kind;

/* What is asked for. */
struct import_input {
    int mode;
    bool dry_run;
    bool with_hashes; /* lines may have password_hash */
    int64_t bytes, lines;
};

struct import_error {
    int64_t line;
    const char *error, *pointer, *message;
};

/* What came of it so far. */
struct import_result {
    int64_t created, updated, skipped, failed;
    struct list errors; /* of struct import_error */
};

/* An import as it is shown. */
struct import {
    struct uuid id;
    int state; /* enum job_state */
    int mode;
    bool dry_run;
    int64_t processed, total; /* lines */
    int64_t created, updated, skipped, failed;
    struct list errors;
    const char *error, *message; /* why the whole failed */
    int64_t created_at, started_at, ended_at;
};

extern const struct schema import_schema;

/* ERR_NOT_FOUND. */
CHECKED enum err import_find(struct ctx *ctx, const struct uuid *id, struct import *ret_import);
/* What has been taken stays. ERR_NOT_FOUND when it was over before. */
CHECKED enum err import_cancel(struct ctx *ctx, const struct uuid *id, struct import *ret_import);

/* --- sending the lines --- */

struct import_upload {
    struct uuid id; /* of the import to be */
    struct arena scratch;
    char *held; /* a chunk that is not full yet */
    size_t held_size;
    int64_t chunks, bytes, lines;
    bool ends_in_line;
};

/* ERR_CONFLICT while another import of the tenant is not over. To be ended by submit or abandon. */
CHECKED enum err import_begin(struct ctx *ctx, struct import_upload *upload);
/* Each chunk has a time budget of its own. ERR_TOO_LARGE; ERR_VALIDATION for what is packed. */
CHECKED enum err import_add(struct ctx *ctx, struct import_upload *upload, const char *bytes,
                            size_t size);
/* Everything is there: the job begins. Abandons what it cannot submit. */
CHECKED enum err import_submit(struct ctx *ctx, struct import_upload *upload,
                               const struct import_input *input, struct import *ret_import);
/* Why a text that begins so is none, as when it is packed; or NULL. */
const char *import_foreign_form(const char *bytes, size_t size);
/* Forgets what was added. */
void import_abandon(struct ctx *ctx, struct import_upload *upload);
