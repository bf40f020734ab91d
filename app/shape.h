/*
 * The shape of custom fields: a tenant's JSON Schema (draft 2020-12, the keywords of api.md §7) in
 * a form that is made once and then only read. shape_compile.c makes it, in an arena;
 * shape_check.c holds a document against it in one walk and tells everything that is wrong.
 *
 * A document is the BSON of app/document.h. Numbers are compared exactly, an int64 with a double
 * too; 1.0 is an integer; lengths are code points. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/pattern.h"
#include "app/schema.h"
#include "app/value.h"

#define SHAPE_MAX_PROPERTIES 200 /* of all objects: no document has more members */
#define SHAPE_MAX_NAME       255 /* bytes, of a property */
#define SHAPE_MAX_PATTERNS   32
#define SHAPE_MAX_VALUES     200 /* of an enum */
#define SHAPE_MAX_FAILURES   100 /* that are told of one document */

enum shape_type {
    SHAPE_NULL = 1 << 0,
    SHAPE_BOOLEAN = 1 << 1,
    SHAPE_INTEGER = 1 << 2,
    SHAPE_FRACTION = 1 << 3, /* a number that is no integer */
    SHAPE_NUMBER = SHAPE_INTEGER | SHAPE_FRACTION,
    SHAPE_STRING = 1 << 4,
    SHAPE_ARRAY = 1 << 5,
    SHAPE_OBJECT = 1 << 6,
    SHAPE_ANY = (1 << 7) - 1,
};

enum shape_format {
    SHAPE_NO_FORMAT = 0,
    SHAPE_EMAIL,
    SHAPE_DATE,
    SHAPE_DATE_TIME,
    SHAPE_URI,
    SHAPE_UUID,
};

/* Who may read or write a field; each may what those before it may. */
enum shape_party { SHAPE_PARTY_UNSET = 0, SHAPE_USER, SHAPE_ADMIN, SHAPE_SERVER };

enum shape_limit {
    SHAPE_MINIMUM,
    SHAPE_MAXIMUM,
    SHAPE_ABOVE,
    SHAPE_BELOW,
    SHAPE_MULTIPLE,
    SHAPE_LIMITS
};

enum shape_count {
    SHAPE_MIN_LENGTH,
    SHAPE_MAX_LENGTH,
    SHAPE_MIN_ITEMS,
    SHAPE_MAX_ITEMS,
    SHAPE_LEAST_PROPERTIES,
    SHAPE_MOST_PROPERTIES,
    SHAPE_COUNTS
};

struct number {
    bool given, real;
    int64_t integer;
    double fraction; /* the value when real */
};

struct shape {
    unsigned types; /* enum shape_type */
    struct number limits[SHAPE_LIMITS];
    int64_t counts[SHAPE_COUNTS]; /* -1: not given */
    const struct pattern *pattern;
    const char *pattern_text;
    enum shape_format format;
    struct bytes values;        /* enum: {"v": [...]}; empty: not given */
    struct bytes constant;      /* const: {"v": ...} */
    struct bytes standard;      /* default: {"v": ...} */
    const struct shape *items;  /* NULL: anything */
    const struct shape *others; /* additionalProperties; NULL: anything */
    bool closed;                /* additionalProperties: false */
    bool unique_items;
    struct strs required;
    struct shape_property *properties; /* by name */
    size_t property_count;
    bool is_unique, is_indexed, ignores_case, is_encrypted;
    enum shape_party read, write; /* UNSET: as the object around it */
    /* Here or below there is something … */
    bool has_readers; /* that not everybody may see */
    bool has_writers; /* that not everybody may write: who cannot see a field cannot write it */
    bool has_moments; /* of format date or date-time, which the database has as dates */
    bool has_indexes; /* that is unique or indexed */
    bool has_secrets; /* that is encrypted */
    const char *title, *description;
};

struct shape_property {
    const char *name;
    const struct shape *shape;
    size_t position; /* in the schema as it was written */
};

/* ERR_SCHEMA with the pointer and what is allowed. Everything lives in ctx->arena; texts are
 * borrowed from value. */
CHECKED enum err shape_compile(struct ctx *ctx, const struct value *schema,
                               const struct shape **ret_shape);

/* ERR_SCHEMA when nothing, or one user alone, could ever fit something in the shape. pointer: of
 * the shape, "" for the whole. */
CHECKED enum err shape_check_sense(struct ctx *ctx, const struct shape *shape, const char *pointer);

/* What is wrong with one place of a document. */
struct shape_failure {
    const char *pointer; /* below prefix, RFC 6901 */
    const char *keyword;
    const char *message; /* "must be …" */
};

struct shape_failures {
    struct shape_failure *items; /* at most SHAPE_MAX_FAILURES */
    size_t count;                /* also of those that are not told */
};

/* Everything that is wrong with the document (empty bytes: {}); count 0 means that it fits. prefix
 * begins the pointers ("/custom_fields"). */
CHECKED enum err shape_check(struct ctx *ctx, const struct shape *shape, const char *prefix,
                             const struct bytes *document, struct shape_failures *ret_failures);

struct shape_change {
    const struct bytes *before, *after;
    enum shape_party party; /* who makes it */
};

/* The first field that differs between before and after though the party may not write it: its
 * pointer, or NULL. */
CHECKED enum err shape_check_writer(struct ctx *ctx, const struct shape *shape,
                                    const struct shape_change *change, const char **ret_pointer);

/* The document with the defaults of the members that it has not, but those of except (or NULL). */
CHECKED enum err shape_fill(struct ctx *ctx, const struct shape *shape,
                            const struct bytes *document, const struct strs *except,
                            struct bytes *ret_document);

/* NULL, or what a text of that format must be. */
const char *shape_format_check(enum shape_format format, const char *text);
const struct shape_property *shape_find(const struct shape *shape, const char *name);
/* Where a property stands in a schema: pointer, "/properties/" and its name. NULL without memory.
 */
const char *shape_pointer(struct ctx *ctx, const char *pointer, const char *name);
/* The properties as they were written, property_count of them, in the ctx's arena. */
CHECKED enum err shape_ordered(struct ctx *ctx, const struct shape *shape,
                               const struct shape_property ***ret_properties);

/* The value of a number; given is false for what is none. */
struct number number_of(const bson_iter_t *element);
/* <0, 0, >0; exact. */
int number_compare(const struct number *a, const struct number *b);
bool number_is_multiple(const struct number *number, const struct number *of);
void number_put(const struct number *number, struct buf *out);
/* JSON equality: 1 and 1.0 are equal, true and 1 are not, the order of members means nothing. */
bool element_equal(const bson_iter_t *a, const bson_iter_t *b);
/* Equal elements have equal sums. */
uint64_t element_hash(const bson_iter_t *element);
