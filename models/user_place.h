/*
 * What the user collection of a tenant has to look like: what every one has, and what the tenant's
 * schema of custom fields asks for. Any thread.
 */
#pragma once

#include <bson/bson.h>

#include "app/ctx.h"
#include "models/custom_index.h"

struct user_place {
    struct db_indexes indexes; /* in ctx->arena */
    bson_t *validator;
    /* The schema in force is gone or unreadable: nobody knows what custom indexes and validator
     * there should be, so those that are there stay. */
    bool is_partial;
};

/* Of the ctx's tenant and the version in force. Then user_place_clear. */
CHECKED enum err user_place_find(struct ctx *ctx, struct user_place *ret_place);
void user_place_clear(struct user_place *place);
static inline void user_place_clear_p(struct user_place *place)
{
    user_place_clear(place);
}
/* Whether a schema is being published: validator and custom indexes are that job's then. */
CHECKED enum err user_place_is_moving(struct ctx *ctx, bool *ret_moving);
/* Makes what is missing. */
CHECKED enum err user_place_ensure(struct ctx *ctx, const struct user_place *place);
