/*
 * One value by which users are compared or sorted: as the database has it, and as a cursor carries
 * it. Any thread.
 */
#pragma once

#include "app/bson_auto.h"
#include "app/ctx.h"
#include "app/value.h"
#include "models/user_field.h"

enum user_value_type {
    USER_VALUE_UNSET = 0,
    USER_VALUE_NULL, /* also: absent */
    USER_VALUE_BOOL,
    USER_VALUE_INT,
    USER_VALUE_REAL,
    USER_VALUE_TEXT,
    USER_VALUE_TIME,
    USER_VALUE_ID,
};

struct user_value {
    enum user_value_type type;
    bool boolean;
    int64_t integer; /* milliseconds of a time */
    double real;
    const char *text;
    struct uuid id;
};

/* A literal of a filter as the field holds it. False: the field takes no such value. */
CHECKED enum err user_value_read(struct ctx *ctx, const struct user_field *field,
                                 const struct value *literal, bool *ret_fits,
                                 struct user_value *ret_value);
/* What a stored document has there; a list or an object counts as absent, and so does what the
 * database cannot compare. Text is borrowed. */
struct user_value user_value_of(const bson_t *document, const char *element);
void user_value_put(bson_t *out, const char *name, const struct user_value *value);

/* For cursors: a text, and back. NULL without memory; false when it is none. */
const char *user_value_text(struct ctx *ctx, const struct user_value *value);
bool user_value_parse(const char *text, struct user_value *ret_value);
