/*
 * The parameter "fields" of routes that answer with users (api.md §7): what the answer is cut down
 * to, "email,custom_fields.address.city". Names are the members of a user and paths of custom
 * fields; id is always there. What the caller may not see is not there either way. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

#define USER_FIELDS_DOC                                                               \
    "Members that the answer has, by name and separated by commas, such as email or " \
    "custom_fields.city; id is always there. Without it all."

struct user_fields {
    uint64_t mask;     /* of user_schema; 0 = everything */
    struct strs paths; /* of custom fields; none: all of them */
    size_t longest;    /* of the paths */
};

extern const struct schema user_fields_query_schema; /* the parameter alone */

/* text NULL: everything. ERR_BAD_REQUEST with the names that are allowed. */
CHECKED enum err user_fields_parse(struct ctx *ctx, const char *text,
                                   struct user_fields *ret_fields);
/* Cuts the user down for the answer. */
CHECKED enum err user_fields_apply(struct ctx *ctx, const struct user_fields *fields,
                                   struct user *user);
