/*
 * One tree for everything that comes in as text: JSON bodies (json.c), forms (form.c), the YAML
 * configuration (config.c). schema.c decodes it into structs, document.c into free-form BSON. The
 * whole tree lives in an arena; strings are valid UTF-8 without NUL. Read-only after parsing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
    VALUE_UNSET = 0,
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT,
};

struct member;

struct value {
    enum value_type type;
    bool plain;    /* a YAML plain scalar or a form field: "8080" may stand for a number */
    unsigned line; /* in the source, for YAML; else 0 */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *text; /* NUL-terminated */
            size_t length;
        } string;
        struct {
            struct value *items;
            size_t count;
        } array;
        struct {
            struct member *members; /* in source order, names unique */
            size_t count;
        } object;
    };
};

struct member {
    const char *name;
    unsigned line;
    struct value value;
};

/* The member of that name, or NULL (also when value is no object). */
const struct value *value_get(const struct value *value, const char *name);
const char *value_type_name(enum value_type type); /* "a string", "an object", … for sentences */
