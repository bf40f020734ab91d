/*
 * Field tables: one constant table describes a struct wherever it crosses a border. From it come
 * the decoding and checking of JSON, forms and YAML, the JSON that may leave, BSON in both
 * directions, collection validators, OpenAPI shapes and patch whitelists. No struct has a codec of
 * its own.
 *
 * "Absent" is NULL for strings, lists and documents, all-zero for UUIDs, 0 for times; integers and
 * booleans that may be absent name a bool beside them (FIELD_INT_OPT, FIELD_BOOL_OPT).
 * Tables are static const; decoded bytes live in the ctx's arena. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

#include "app/buf.h"
#include "app/ctx.h"
#include "app/value.h"

enum field_type {
    FT_UNSET = 0,
    FT_STR,    /* const char *; min/max in code points */
    FT_UUID,   /* struct uuid */
    FT_TIME,   /* int64_t milliseconds since 1970; RFC 3339 in JSON, date in BSON */
    FT_INT,    /* int64_t; min/max inclusive */
    FT_BOOL,   /* bool */
    FT_ENUM,   /* int: index into values (1-based; values[0] is NULL for "unset") */
    FT_BYTES,  /* struct bytes; binary in BSON, never in JSON */
    FT_DOC,    /* struct bytes holding one BSON document: free-form object (app/document.h) */
    FT_STRS,   /* struct strs; min/max length of each in code points, max_items of the list */
    FT_OBJECT, /* embedded struct described by sub */
    FT_LIST,   /* struct list of structs described by sub */
};

enum field_flags {
    F_NONE = 0,
    F_REQUIRED = 1 << 0,     /* must be in the input; "required" in OpenAPI and validator */
    F_READONLY = 1 << 1,     /* never taken from JSON (input ignores it, patch refuses it) */
    F_SECRET = 1 << 2,       /* never in JSON out, masked in print-config */
    F_INTERNAL = 1 << 3,     /* never in JSON out, not secret */
    F_PATCH = 1 << 4,        /* a PATCH or settings PUT may change it */
    F_TRIM = 1 << 5,         /* surrounding blanks of the input are dropped */
    F_LOWER = 1 << 6,        /* ASCII letters of the input are lowered */
    F_EMPTY_OK = 1 << 7,     /* "" is a value; else "" counts as absent for optional strings */
    F_NOT_STORED = 1 << 8,   /* not in BSON */
    F_ALWAYS = 1 << 9,       /* in JSON out also when absent (as null, [] or {}) */
    F_WRITE_ONLY = 1 << 10,  /* input only: password and the like; never out, never stored */
    F_NULL_CLEARS = 1 << 11, /* null in a patch clears it */
};

struct bytes {
    const uint8_t *data;
    size_t size;
};

struct strs {
    const char **items;
    size_t count;
};

/* Whether text is one of them, byte for byte. */
bool strs_has(const struct strs *list, const char *text);

struct list {
    void *items; /* count structs of sub->size */
    size_t count;
};

struct schema;

/* A further check of a decoded string: NULL when fine, else what is allowed, in words that follow
 * the field's name: "must be one e-mail address…". */
typedef const char *(*field_check_fn)(const char *text);

struct field {
    const char *name; /* JSON member */
    const char *bson; /* BSON element; NULL = name */
    enum field_type type;
    unsigned flags;
    size_t offset;
    size_t has_offset; /* of the bool that says an INT or BOOL is present; 0 = always present */
    int64_t min, max;
    size_t max_items;
    const char *const *values; /* closed list, NULL-terminated; for FT_ENUM starts with values[1] */
    field_check_fn check;
    const struct schema *sub;
    const char *doc;     /* one sentence for OpenAPI and config comments; may be NULL */
    const char *example; /* may be NULL */
};

struct schema {
    const char *name;           /* OpenAPI component name, "user" */
    const char *collection;     /* central collection; NULL: not stored by itself */
    bool per_tenant_collection; /* stored in the tenant's own users_<hex> */
    bool global;                /* documents carry no tenant_id (tenants, leases, migrations) */
    bool open;                  /* an answer may have further members, which somebody else names */
    size_t size;                /* of the struct */
    const struct field *fields;
    size_t field_count;
    /* Of a uint64_t in the struct: when it is not 0, only the fields whose bit is set leave in
     * JSON. 0: the struct has none. */
    size_t mask_offset;
    /* Called with every struct that was read from BSON; its error is that of the reading. */
    enum err (*loaded)(struct ctx *ctx, void *struct_ptr);
    const struct schema
        *query; /* of a body: what its route takes in the query beside it, or NULL */
};

#define SCHEMA_FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof(table)[0]

/* Every macro takes further designated initialisers at its end: .bson = "_id", .doc = "...". */
#define FIELD_(T, m, jname, ftype, ...)                                                  \
    {                                                                                    \
        .name = (jname), .type = (ftype), .offset = offsetof(T, m), .flags = __VA_ARGS__ \
    }
#define FIELD_STR(T, m, n, f, lo, ...) FIELD_(T, m, n, FT_STR, (f), .min = (lo), .max = __VA_ARGS__)
#define FIELD_UUID(T, m, n, ...)       FIELD_(T, m, n, FT_UUID, __VA_ARGS__)
#define FIELD_TIME(T, m, n, ...)       FIELD_(T, m, n, FT_TIME, __VA_ARGS__)
#define FIELD_INT(T, m, n, f, lo, ...) FIELD_(T, m, n, FT_INT, (f), .min = (lo), .max = __VA_ARGS__)
#define FIELD_INT_OPT(T, m, has, n, f, lo, ...) \
    FIELD_(T, m, n, FT_INT, (f), .has_offset = offsetof(T, has), .min = (lo), .max = __VA_ARGS__)
#define FIELD_BOOL(T, m, n, ...) FIELD_(T, m, n, FT_BOOL, __VA_ARGS__)
#define FIELD_BOOL_OPT(T, m, has, n, ...) \
    FIELD_(T, m, n, FT_BOOL, __VA_ARGS__, .has_offset = offsetof(T, has))
#define FIELD_ENUM(T, m, n, f, ...) FIELD_(T, m, n, FT_ENUM, (f), .values = __VA_ARGS__)
#define FIELD_BYTES(T, m, n, ...)   FIELD_(T, m, n, FT_BYTES, __VA_ARGS__)
#define FIELD_DOC(T, m, n, ...)     FIELD_(T, m, n, FT_DOC, __VA_ARGS__)
#define FIELD_STRS(T, m, n, f, lo, hi, ...) \
    FIELD_(T, m, n, FT_STRS, (f), .min = (lo), .max = (hi), .max_items = __VA_ARGS__)
#define FIELD_OBJECT(T, m, n, f, ...) FIELD_(T, m, n, FT_OBJECT, (f), .sub = __VA_ARGS__)
#define FIELD_LIST(T, m, n, f, s, ...) \
    FIELD_(T, m, n, FT_LIST, (f), .sub = (s), .max_items = __VA_ARGS__)

/* --- in --- */

enum decode_mode {
    DECODE_INPUT = 1, /* request body or form: unknown members ignored, READONLY ignored */
    DECODE_PATCH,     /* merge patch: unknown refused (ERR_UNKNOWN_FIELD), only F_PATCH taken
                         (others ERR_READONLY_FIELD), null only with F_NULL_CLEARS, required not
                         checked.     FT_DOC is only checked to be an object: document_merge takes the
                         value
                       */
    DECODE_QUERY,     /* parameters of a URL: unknown refused, "" counts as absent */
    DECODE_CONFIG,    /* YAML: unknown refused, error texts carry "line N" */
};

/* Decodes and checks. On error nothing of *ret is meaningful; ctx->failure names the field (for
 * missing required members all of them, in failure.required). null counts as absent, except in a
 * patch. INTERNAL and BYTES fields are never taken from JSON. value may be NULL: no members. Wrong
 * types, lengths, closed lists and ranges each get a sentence that says what is allowed. Fields of
 * struct not in the input keep what *ret held before (callers zero it or fill defaults). */
CHECKED enum err schema_decode(struct ctx *ctx, const struct schema *schema,
                               const struct value *value, enum decode_mode mode, void *ret);

/* Bit i is set when field i was a member of value (null included). For patches. */
uint64_t schema_present(const struct schema *schema, const struct value *value);

/* --- BSON --- */

/* Appends all stored, present fields. False only when out of space. */
bool schema_to_bson(const struct schema *schema, const void *struct_ptr, bson_t *out);
/* Appends the present fields whose bit is set in mask, names prefixed with prefix (may be ""). */
bool schema_to_bson_masked(const struct schema *schema, const void *struct_ptr, uint64_t mask,
                           const char *prefix, bson_t *out);
/* To an update, "$unset" of the fields of mask that have no value: together with what
 * schema_to_bson_masked sets, the document then is as the struct. Nothing when all have one. */
bool schema_put_unset(const struct schema *schema, const void *struct_ptr, uint64_t mask,
                      const char *prefix, bson_t *update);
/* Unknown elements are ignored; a wrong type is ERR_INTERNAL with collection and field in the log.
 */
CHECKED enum err schema_from_bson(struct ctx *ctx, const struct schema *schema, const bson_t *doc,
                                  void *ret);

/* --- out --- */

/* The JSON object with what may leave (no SECRET, INTERNAL, WRITE_ONLY). Written as text directly.
 * Lists and documents that are REQUIRED are there also when absent, like those that are ALWAYS. */
void schema_to_json(const struct schema *schema, const void *struct_ptr, struct buf *out);
/* Shows secrets as "********": print-config. YAML text with 2 blanks of indentation. */
void schema_to_yaml_masked(const struct schema *schema, const void *struct_ptr, struct buf *out);

/* --- descriptions --- */

/* {"$jsonSchema": {...}} for a collection's validator. NULL when out of memory. Caller destroys. */
bson_t *schema_validator(const struct schema *schema);
enum schema_view {
    VIEW_INPUT = 1, /* what a body may and must hold */
    VIEW_OUTPUT,    /* what an answer holds */
    VIEW_PATCH,     /* what a merge patch may change */
};

/* OpenAPI 3.1 / JSON Schema 2020-12 of the struct. */
void schema_to_openapi(const struct schema *schema, enum schema_view view, struct buf *out);
/* The same of one field, as it comes in: a parameter of a URL. */
void schema_field_to_openapi(const struct field *field, struct buf *out);
/* Programming errors of a table (no type, bad has_offset, FT_OBJECT without sub…); NULL when none.
 */
const char *schema_check(const struct schema *schema);

/* Lookup of the index of a field by JSON name; -1 when there is none. */
int schema_field_index(const struct schema *schema, const char *name);
