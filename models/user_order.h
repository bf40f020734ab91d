/*
 * The order of a list of users: "custom_fields.age,-created_at", at most three fields; users that
 * have not the field come first, with a minus last; ids decide between equals. Any thread.
 */
#pragma once

#include "app/bson_auto.h"
#include "app/ctx.h"
#include "models/user.h"
#include "models/user_field.h"
#include "models/user_value.h"

#define USER_ORDER_MAX 3

struct user_order {
    struct user_field fields[USER_ORDER_MAX]; /* before the id; none: the order of ids alone */
    bool down[USER_ORDER_MAX];
    size_t count;
    bool id_down;
};

/* Where a page ended. */
struct user_position {
    struct user_value values[USER_ORDER_MAX];
    struct uuid id;
};

/* ERR_VALIDATION. text may be NULL: the order of ids. */
CHECKED enum err user_order_read(struct ctx *ctx, const char *text, struct user_order *ret_order);
bool user_order_ignores_case(const struct user_order *order);
/* The same in one text, for what must not be mixed up. */
CHECKED enum err user_order_text(struct ctx *ctx, const struct user_order *order,
                                 const char **ret_text);

/* For a sort in the database's memory: {_k0: expression, …}, {_k0: 1, …, _id: 1}, and the
 * expression that is true behind a position. */
CHECKED enum err user_order_put_keys(struct ctx *ctx, const struct user_order *order, bson_t *out);
void user_order_put_sort(const struct user_order *order, bson_t *out);
void user_order_put_after(const struct user_order *order, const struct user_position *position,
                          bson_t *out);

/* The position of a user, as a cursor carries it (values has room for all and the id), and back.
 * ERR_VALIDATION when its texts are too long; ERR_BAD_CURSOR. */
CHECKED enum err user_order_position(struct ctx *ctx, const struct user_order *order,
                                     const struct user *user,
                                     const char *ret_values[USER_ORDER_MAX + 1]);
CHECKED enum err user_order_parse(const struct user_order *order, const char *const *values,
                                  struct user_position *ret_position);
