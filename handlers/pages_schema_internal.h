/* What the parts of handlers/pages_schema.h share: the fields of a form, in the order of the
 * schema.
 */
#pragma once

#include <bson/bson.h>

#include "handlers/pages_schema.h"

enum form_kind {
    FORM_LEFT_OUT = 0,
    FORM_GROUP, /* an object: its members follow, up to FORM_END */
    FORM_END,
    FORM_TEXT,
    FORM_LONG, /* a text of several lines */
    FORM_EMAIL,
    FORM_URL,
    FORM_DATE,
    FORM_MOMENT, /* RFC 3339: two inputs, the second is the offset from UTC */
    FORM_NUMBER,
    FORM_BOX,    /* true or false */
    FORM_CHOICE, /* one of an enum */
    FORM_RADIO,
    FORM_LINES, /* an array, an item a line */
    FORM_BOXES, /* an array of different values of an enum: a box each */
    FORM_JSON,
};

struct form_field {
    enum form_kind kind;
    const struct shape *shape;
    const char *key;   /* within its object */
    const char *name;  /* of the input */
    const char *label; /* for people */
    const char *shown; /* what it holds before anybody typed, as an input writes it; or NULL */
    size_t members;    /* of a stored group: how many it has */
    bool is_stored;    /* the user has it */
    bool demanded;     /* by the object around it */
    bool required;     /* … and all around that one: without it nothing can be stored */
    bool may_be_empty; /* a list that is demanded, if only with nothing in it */
    bool read_only;
};

#define OFFSET_SUFFIX "~offset" /* no pointer has a tilde without 0 or 1 */
#define MOMENT_SIZE   24        /* "2026-01-31T09:30:00.123" */
#define BOX_SUFFIX    "~%zu"

struct moment {
    char local[MOMENT_SIZE];
    char offset[7]; /* "+01:00" */
};

/* RFC 3339 in the parts that inputs have; false for what they cannot hold. */
bool moment_split(const char *text, struct moment *ret_moment);

bool form_is_scalar(const bson_iter_t *at);
/* Forms change the ends of lines, and what is read line by line loses the blanks around it. */
bool form_fits_line(const char *text);
/* What an enum or const allows; count 0: the shape has neither. */
struct form_choices {
    size_t count;
    bool scalars, booleans; /* all of them */
    bool strings;           /* all of them, and each as it is fits a line of a form */
};
struct form_choices form_look_at_choices(const struct shape *shape);
/* Texts stand for themselves where all values are texts; else JSON tells "1" and 1 apart. */
const char *form_choice_text(struct ctx *ctx, const bson_iter_t *item, bool strings);
/* The values of an enum or const as texts, each of them different. */
CHECKED enum err form_choices(struct ctx *ctx, const struct shape *shape, struct strs *ret_texts);
/* The value behind such a text; ERR_NOT_FOUND. */
CHECKED enum err form_choice_value(struct ctx *ctx, const struct shape *shape, const char *text,
                                   struct value *ret_value);
/* Whether false fits a field that is true or false. */
bool form_allows_false(const struct shape *shape);
