/*
 * Between the files of the command "import": the export of another system, record by record, into
 * lines (models/user_line.h). A record that cannot be a user becomes an empty line, so that line
 * numbers are record numbers.
 */
#pragma once

#include "app/value.h"
#include "commands/commands.h"

/* What became of the records. */
#define FROM_KINDS 24
struct from_count {
    const char *what;
    int64_t n;
};
struct from_summary {
    struct arena *arena; /* of what it names */
    const char *notice;  /* what the last record was refused for, or goes without; or NULL */
    const char *code;    /* … in the latter case */
    int64_t records, users, without_password, refused;
    struct from_count hashes[FROM_KINDS];  /* by algorithm */
    struct from_count reasons[FROM_KINDS]; /* why refused, or without a password */
    size_t hash_count, reason_count;
};

/* One record on its way. Texts are the record's, or live in ctx->arena. */
struct from_user {
    const char *id, *username, *email, *name, *role;
    const char *password_hash, *algorithm;
    bool no_active, is_active, has_verified, is_verified;
    const char *created_at, *updated_at, *last_login_at; /* RFC 3339 */
    const char *reason; /* why it has no password although it had one */
    const char *remark; /* what else was left away */
    struct buf fields;  /* members of custom_fields, without the braces */
};

/* --map NAME=path,…: where members come from instead. */
#define FROM_MAPS 64
struct from_map {
    const char *name, *path;
};

struct from_options {
    const struct from_system *system;
    struct from_map maps[FROM_MAPS];
    size_t map_count;
    bool maps_fields; /* some are custom fields: then only those are */
    /* Of Firebase's project. */
    int64_t rounds, mem_cost;
    const char *signer_key, *salt_separator;
};

struct from_system {
    const char *name;
    const char *list; /* the member with the users; NULL: the text is the list */
    bool csv;         /* or a table with a head line */
    /* NULL, or why this is no user: static, or in the arena. */
    const char *(*convert)(struct ctx *ctx, const struct from_options *options,
                           const struct value *record, struct from_user *user);
};

extern const struct from_system from_keycloak, from_auth0, from_firebase, from_supabase,
    from_django, from_mongodb;

/* --- import_from.c --- */

/* ERR_VALIDATION with a sentence. */
CHECKED enum err from_read_options(struct ctx *ctx, const char *system, const char *map,
                                   const char *hash_config, struct from_options *ret_options);
/* One record as a line with its end; an empty one when it is refused. Counts it. */
CHECKED enum err from_line(struct ctx *ctx, const struct from_options *options,
                           struct from_summary *summary, const struct value *record,
                           struct buf *out);
/* One that is no record at all. */
void from_count_refused(struct from_summary *summary, const char *reason);

/* --- import_value.c: trees --- */

/* "a.b": the member of a member, or NULL. */
const struct value *from_at(const struct value *value, const char *path);
/* Texts that are not empty; numbers as text; else NULL. */
const char *from_text(struct ctx *ctx, const struct value *value, const char *path);
bool from_bool(const struct value *value, const char *path, bool standard);
/* Milliseconds or seconds since 1970 (numbers or texts of digits), RFC 3339 and what databases
 * write for it, extended JSON's {"$date"}; as RFC 3339, or NULL. unit_ms: 1 or 1000. */
const char *from_time(struct ctx *ctx, const struct value *value, const char *path,
                      int64_t unit_ms);
/* JSON; extended JSON's numbers, dates and ids become plain. */
void from_put(const struct value *value, struct buf *out);
/* "name":value to custom fields; the name gets "_" for what names may not have. */
void from_put_field(struct buf *fields, const char *name, const struct value *value);
void from_put_field_text(struct buf *fields, const char *name, const char *text);
/* Every member of an object. */
void from_put_fields(struct buf *fields, const struct value *object);

/* --- import_csv.c: tables --- */

struct csv;
/* A record after the other; names from the first. In the session's arena. */
CHECKED enum err csv_open(struct ctx *ctx, struct csv **ret_csv);
void csv_feed(struct csv *csv, const char *bytes, size_t size, bool last);
/* *ret_record in ctx->arena, or its problem; false when more is needed. */
bool csv_next(struct csv *csv, struct ctx *ctx, struct value *ret_record, const char **ret_problem);
