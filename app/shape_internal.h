/*
 * What the parts of the shape compiler share: where they are in a schema, and how they refuse it.
 * Nobody else needs it. One thread at a time.
 */
#pragma once

#include "app/shape.h"

/* Where in a schema or document the walk is; on the stack, innermost last. NULL is the root. */
struct place {
    const struct place *up;
    const char *key;
};

/* RFC 6901 behind prefix; of a place too long to show, the nearest one above it that is not. NULL
 * without memory. */
const char *place_pointer(struct ctx *ctx, const char *prefix, const struct place *place);

struct compiler {
    struct ctx *ctx;
    size_t properties, patterns;
    size_t nameless; /* schemas around this one that are of no member by name */
};

/* One keyword of one schema. */
struct site {
    struct compiler *compiler;
    const struct place *place;
    const struct value *value;
    const struct value *schema; /* that it stands in */
    struct shape *shape;
    int which; /* of the table's row */
    bool is_property;
};

/* The sentence behind the pointer of the place. */
enum err shape_refuse(const struct compiler *compiler, const struct place *place,
                      const char *sentence);
enum err shape_refuse_site(const struct site *site, const char *sentence);
enum err shape_no_memory(const struct site *site);
/* Reads the keyword of the site into its shape; ERR_NOT_FOUND when the name is none. */
CHECKED enum err shape_read_keyword(struct site *site, const char *name);
/* The whole of a schema within a schema. */
CHECKED enum err shape_compile_within(struct compiler *compiler, const struct value *schema,
                                      const struct place *place, bool is_property,
                                      const struct shape **ret_shape);
