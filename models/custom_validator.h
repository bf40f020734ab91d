/*
 * A shape as the database's own $jsonSchema over the stored form: what the service accepts the
 * database accepts, and what it can refuse it refuses. Not told to it: default, the annotations,
 * what depends on more than it can see (constraints of encrypted values; enum and const over
 * objects, dates and secrets; patterns outside of what both libraries read alike, and on strings of
 * more than 400 characters; multipleOf of doubles beyond 15 digits). Any thread.
 */
#pragma once

#include <bson/bson.h>

#include "app/ctx.h"
#include "app/shape.h"

struct custom_validator {
    const struct shape *shape; /* NULL: anything */
    /* While documents may still have the stored form of another version: where that form differs,
     * either passes. The other one's, NULL: there was no schema. */
    bool is_bridge;
    const struct shape *from;
};

/* For user documents as wholes: {$jsonSchema: {…}}; NULL without memory. Caller destroys. */
bson_t *custom_validator_make(struct ctx *ctx, const struct custom_validator *validator);
/* The validator of a user collection: its own, and all of these. */
bson_t *custom_validator_join(struct ctx *ctx, const struct custom_validator *const *validators,
                              size_t count);
/* Where a bridge could not refuse what the new version refuses, because the old form hides it (a
 * date or a secret that becomes plain and is told more about than its type): the pointer of that
 * property in the schema, or NULL. */
CHECKED enum err custom_validator_gap(struct ctx *ctx, const struct shape *from,
                                      const struct shape *to, const char **ret_pointer);
