/*
 * By what users are asked for and sorted: the members that every user has, and custom_fields.<path>
 * as the tenant's schema describes them. A name that is none, and a field that the caller may not
 * read, are refused in the same words. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/shape.h"

/* What a text given for a field means. */
enum user_text {
    USER_TEXT_UNSET = 0,
    USER_TEXT_PLAIN,     /* itself, byte for byte */
    USER_TEXT_CANONICAL, /* a user name or address, in the form under its unique index */
    USER_TEXT_ID,
    USER_TEXT_ROLE,
    USER_TEXT_DAY,    /* a date of the database */
    USER_TEXT_MOMENT, /* the same with the time of day */
};

struct user_field {
    const char *name;    /* "custom_fields.home.city" */
    const char *element; /* in the database */
    unsigned types;      /* enum shape_type: what a single value of it may be */
    enum user_text text; /* of those that are texts */
    bool many;           /* it may be, or lie in, a list: a user has any number of values */
    bool always;         /* no user is without it */
    bool few;            /* it has few different values: an index finds many users for each */
    bool ignores_case;   /* its index does, and so do eq, ne and sw; ew too */
    bool unique;         /* the index is */
    const char *index;   /* its name, or NULL */
    bool whole;          /* every user stands in it, not only those that have the field */
    bool standing;       /* it holds users of some values alone (models/user_standing.h) */
};

/* ERR_NOT_FOUND; ERR_FORBIDDEN: it is stored encrypted. Texts are borrowed from name. */
CHECKED enum err user_field_find(struct ctx *ctx, const char *name, struct user_field *ret_field);
/* For refusals: the names that are taken, in one sentence. */
extern const char user_field_names[];
/* "a number", "a text or null", … */
const char *user_field_takes(struct ctx *ctx, const struct user_field *field);
