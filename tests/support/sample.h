/* A struct with one field of every type, and its table: what the tests of schema.c work on. */
#pragma once

#include "app/schema.h"
#include "app/text.h"

enum color { COLOR_UNSET = 0, COLOR_RED, COLOR_GREEN };

struct part {
    const char *label;
    int64_t count;
};

struct inner {
    int64_t ttl;
    bool has_ttl;
    bool strict;
    bool has_strict;
    const char *note;
};

struct sample {
    struct uuid id;
    struct uuid tenant_id;
    const char *name;      /* required, 2–10 */
    const char *email;     /* optional, checked, lowered */
    const char *nick;      /* optional, trimmed */
    const char *motto;     /* "" is a value */
    const char *level;     /* text of a closed list */
    const char *password;  /* write-only */
    const char *hash;      /* secret */
    const char *canonical; /* internal */
    int64_t port;
    int64_t quota;
    bool has_quota;
    bool active;
    bool verified;
    bool has_verified;
    int color; /* enum color */
    int64_t created_at;
    int64_t seen_at;
    struct bytes mac;
    struct bytes custom;
    struct strs tags;
    struct inner inner;
    struct list parts;
    const char *shown; /* computed, not stored */
};

static const char *const color_names[] = {NULL, "red", "green", NULL};
static const char *const level_names[] = {"low", "high", NULL};

/* clang-format off */
static const struct field part_fields[] = {
    FIELD_STR(struct part, label, "label", F_REQUIRED, 1, 5),
    FIELD_INT(struct part, count, "count", F_NONE, 0, 9),
};
static const struct schema part_schema = {
    .name = "part", .size = sizeof(struct part), SCHEMA_FIELDS(part_fields)};

static const struct field inner_fields[] = {
    FIELD_INT_OPT(struct inner, ttl, has_ttl, "ttl", F_PATCH | F_NULL_CLEARS, 1, 3600),
    FIELD_BOOL_OPT(struct inner, strict, has_strict, "strict", F_PATCH),
    FIELD_STR(struct inner, note, "note", F_NONE, 1, 20),
};
static const struct schema inner_schema = {
    .name = "inner", .size = sizeof(struct inner), SCHEMA_FIELDS(inner_fields)};

static const struct field sample_fields[] = {
    FIELD_UUID(struct sample, id, "id", F_READONLY, .bson = "_id"),
    FIELD_UUID(struct sample, tenant_id, "tenant_id", F_READONLY),
    FIELD_STR(struct sample, name, "name", F_REQUIRED | F_PATCH, 2, 10, .doc = "A name.", .example = "Ana"),
    FIELD_STR(struct sample, email, "email", F_TRIM | F_LOWER, 3, 254, .check = text_check_email),
    FIELD_STR(struct sample, nick, "nick", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 5),
    FIELD_STR(struct sample, motto, "motto", F_EMPTY_OK | F_PATCH, 0, 4),
    FIELD_STR(struct sample, level, "level", F_NONE, 1, 10, .values = level_names),
    FIELD_STR(struct sample, password, "password", F_WRITE_ONLY, 8, 72),
    FIELD_STR(struct sample, hash, "hash", F_SECRET, 1, 100),
    FIELD_STR(struct sample, canonical, "canonical", F_INTERNAL, 1, 100, .bson = "canon"),
    FIELD_INT(struct sample, port, "port", F_PATCH, 1, 65535),
    FIELD_INT_OPT(struct sample, quota, has_quota, "quota", F_PATCH | F_NULL_CLEARS, INT64_MIN, INT64_MAX),
    FIELD_BOOL(struct sample, active, "active", F_PATCH),
    FIELD_BOOL_OPT(struct sample, verified, has_verified, "verified", F_ALWAYS),
    FIELD_ENUM(struct sample, color, "color", F_PATCH | F_NULL_CLEARS, color_names),
    FIELD_TIME(struct sample, created_at, "created_at", F_PATCH),
    FIELD_TIME(struct sample, seen_at, "seen_at", F_READONLY | F_ALWAYS),
    FIELD_BYTES(struct sample, mac, "mac", F_NONE),
    FIELD_DOC(struct sample, custom, "custom", F_PATCH | F_NULL_CLEARS | F_ALWAYS),
    FIELD_STRS(struct sample, tags, "tags", F_PATCH | F_NULL_CLEARS, 1, 4, 3),
    FIELD_OBJECT(struct sample, inner, "inner", F_PATCH, &inner_schema),
    FIELD_LIST(struct sample, parts, "parts", F_PATCH, &part_schema, 2),
    FIELD_STR(struct sample, shown, "shown", F_READONLY | F_NOT_STORED, 1, 10),
};
static const struct schema sample_schema = {
    .name = "sample", .collection = "samples", .size = sizeof(struct sample),
    SCHEMA_FIELDS(sample_fields)};
/* clang-format on */
