/* Between the files of models/import*.c. */
#pragma once

#include "app/lines.h"
#include "app/value.h"
#include "models/custom_index.h"
#include "models/import.h"
#include "models/user.h"
#include "models/user_authority.h"
#include "models/user_line.h"
#include "models/user_value.h"

#define IMPORT_KEPT_MS (INT64_C(7) * 24 * 3600 * 1000) /* chunks that nobody deleted */

/* --- import_chunk.c: the text at rest, sealed under a key of the tenant --- */

struct import_chunk {
    const char *id; /* "<tenant>:<import>:<number>" in hex */
    struct uuid tenant_id;
    int64_t mac; /* number of the tenant's MAC key from which the sealing one is derived */
    struct bytes sealed;
    int64_t expires_at;
};

extern const struct schema import_chunk_schema;

CHECKED enum err import_chunk_put(struct ctx *ctx, const struct uuid *import_id, int64_t number,
                                  const struct bytes *text);
/* ERR_NOT_FOUND. */
CHECKED enum err import_chunk_get(struct ctx *ctx, const struct uuid *import_id, int64_t number,
                                  struct bytes *ret_text);
/* All chunks that so many bytes of text may have. */
CHECKED enum err import_chunks_delete(struct ctx *ctx, const struct uuid *import_id, int64_t bytes);
/* "<tenant>:<import>:" and what follows, in the ctx's arena; NULL without memory. */
const char *import_name(struct ctx *ctx, const struct uuid *import_id, const char *rest);

/* --- import_job.c --- */

/* Where to go on. */
struct import_place {
    int64_t line, offset;
    bool ended; /* … nowhere: its end is in the audit log */
};

extern const struct schema import_input_schema, import_result_schema, import_place_schema;

CHECKED enum err import_of_job(struct ctx *ctx, const struct job *job, struct import *ret_import);

/* --- import_entry.c: one line and what is to become of it --- */

enum import_outcome {
    IMPORT_PENDING = 0,
    IMPORT_FAILED,
    IMPORT_SKIPPED,
    IMPORT_CREATE,
    IMPORT_UPDATE
};

/* Of a dry run: the value of a unique custom field that a line gives. */
struct import_mark {
    const struct custom_index *index;
    struct user_value value;
    const char *id; /* of its key (import_seen.c); the same for values that are the same */
    bool taken;     /* another user has it */
    int64_t line;   /* … or a line of a batch before; 0 = none */
};

struct import_entry {
    int64_t number, offset; /* of the line, and of what follows it */
    const char *text;
    size_t length;
    struct user_line in;
    const struct value *custom_fields; /* as given, or NULL */
    uint64_t keys[3];                  /* hashes of id, user name and address in canonical form */
    struct user given;                 /* as the line says */
    struct user before;                /* who is there, when exists */
    struct user user;                  /* as it is to be */
    bool exists;
    int clash; /* 1 + the key by which it is somebody else than by the others; 0 = none */
    const char *seen_ids[3]; /* of a dry run: names of its keys, and who had one of them before */
    int64_t seen_line;
    int seen_key;
    struct import_mark *marks;
    size_t mark_count;
    bool is_marked; /* … are filled in */
    bool refused;   /* for good: */
    const char *error, *pointer, *message;
    enum import_outcome outcome; /* of this attempt */
    uint64_t mask;               /* of an update: what differs */
    bool ends;                   /* … and ends what was issued */
    int64_t epoch;               /* … below this epoch */
};

struct import_work {
    struct job_run *run;
    const struct import_input *input;
    struct authority authority;
};

/* Parses and checks the line by itself; a mistake is the entry's. Errors are the database's. */
CHECKED enum err import_entry_read(struct ctx *ctx, const struct import_work *work,
                                   struct import_entry *entry);
/* The failure of the ctx becomes the entry's when it is about data, and is forgotten; else it is
 * returned. */
CHECKED enum err import_entry_refuse(struct ctx *ctx, struct import_entry *entry, enum err err);
/* The password of a line is hashed; no login waits for it. */
CHECKED enum err import_entry_hash(struct ctx *ctx, const struct import_work *work,
                                   struct import_entry *entry);
/* What a new user is, and what an existing one becomes; nothing is written. */
CHECKED enum err import_entry_make(struct ctx *ctx, struct import_entry *entry);
CHECKED enum err import_entry_merge(struct ctx *ctx, const struct import_work *work,
                                    struct import_entry *entry);

/* --- import_match.c: who is there already --- */

/* Fills before, exists and clash of the entries. */
CHECKED enum err import_match(struct ctx *ctx, struct import_entry *entries, size_t count);
/* The entry before this one, from first on, that is to be written and is the same user by some key:
 * *ret_key is which. NULL when there is none. */
const struct import_entry *import_twin(const struct import_entry *first,
                                       const struct import_entry *entry, int *ret_key);
/* The failure that a taken key means. */
CHECKED enum err import_taken(struct ctx *ctx, int key, const char *detail);

/* --- import_batch.c: lines in one transaction --- */

struct import_batch {
    struct import_work work;
    struct import_entry *entries;
    size_t from, to;              /* those of this transaction */
    struct list unique;           /* of a dry run: struct custom_index of the unique fields */
    struct import_result *result; /* of everything before; changed when it is committed */
    struct import_place *place;
    /* Of the attempt: */
    struct import_result after;
    size_t conflict; /* 1 + where the next one ends, a write having been refused; 0 = none was */
};

/* Takes count entries, in as many transactions as duplicates need. */
CHECKED enum err import_batch_take(struct ctx *ctx, struct import_batch *batch, size_t count);

/* --- import_seen.c: what a dry run would have made --- */

extern const struct schema import_key_schema;

/* The name of what is remembered of one value of this kind; NULL without memory. */
const char *import_seen_id(struct ctx *ctx, const struct uuid *import_id, int key,
                           const char *text);
/* Fills seen_ids, and of those who stand in the file before seen_line and seen_key. */
CHECKED enum err import_seen_load(struct ctx *ctx, struct import_batch *batch);
/* Fills the line of these marks, at most DB_MAX_RESULTS. */
CHECKED enum err import_seen_marks(struct ctx *ctx, struct import_mark *const *marks, size_t count);
/* Remembers whom this batch would make, and with which unique values. */
CHECKED enum err import_seen_add(struct ctx *ctx, const struct import_batch *batch);
/* Forgets some of them; *ret_more when there are others. */
CHECKED enum err import_seen_forget(struct ctx *ctx, const struct uuid *import_id, bool *ret_more);

/* --- import_unique.c: the unique custom fields --- */

/* Fills unique, and the marks of the entries that would be written as far as is decided: one look
 * for all of them. */
CHECKED enum err import_unique_load(struct ctx *ctx, struct import_batch *batch);
/* ERR_VALUE_TAKEN when entry i, which would be written, gives a value that somebody else has; those
 * before it are decided for good. */
CHECKED enum err import_unique_judge(struct ctx *ctx, const struct import_batch *batch, size_t i);
