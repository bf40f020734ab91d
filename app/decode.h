/*
 * One value of a parsed tree into one field: what schema_decode.c walks with. Nobody else needs it.
 * The first mistake ends a decoding, told as a sentence that says what is allowed and never shows
 * what a text held: it may be a password. One thread at a time.
 */
#pragma once

#include "app/schema.h"

struct decoder {
    struct ctx *ctx;
    enum decode_mode mode;
};

/* The way to a value; on the stack, innermost last. Items of lists have no name. */
struct path {
    const struct path *up;
    const char *name;
    size_t index;
    unsigned line;
};

/* ERR_VALIDATION, or the code given: "<path> <sentence>". A NULL sentence is memory that ran out.
 */
CHECKED enum err decode_refuse(struct decoder *decoder, const struct path *path,
                               const char *sentence);
CHECKED enum err decode_refuse_as(struct decoder *decoder, enum err code, const struct path *path,
                                  const char *sentence);
CHECKED enum err decode_refuse_type(struct decoder *decoder, const struct path *path,
                                    const char *wanted, const struct value *value);
CHECKED enum err decode_refuse_count(struct decoder *decoder, const struct field *field,
                                     const struct path *path, size_t count);
CHECKED enum err decode_no_memory(struct decoder *decoder);
/* "settings.access_token_ttl", "redirect_uris.2"; NULL when memory is out. */
const char *decode_path_text(struct ctx *ctx, const struct path *path);

/* Every type but objects and lists of them. */
CHECKED enum err decode_scalar(struct decoder *decoder, const struct field *field,
                               const struct value *value, const struct path *path, void *ret);
