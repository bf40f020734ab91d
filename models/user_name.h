/*
 * What introspection says of a token's user beside the token's own claims: as it is, or was less
 * than a second ago. A resource server asks for the same token again and again, and whether it is
 * still good does not depend on this: revocation tells that. Any thread.
 */
#pragma once

#include "app/ctx.h"

#define USER_NAME_AGE_MS 1000

struct user_name {
    const char *login_name;
    enum role role;
};

/* Of the ctx's tenant, borrowed until ctx_clear. ERR_NOT_FOUND also when the user may not sign in.
 */
CHECKED enum err user_name_get(struct ctx *ctx, const struct uuid *user_id,
                               const struct user_name **ret_name);
/* The loader of app->user_names (cache.h). */
enum err user_name_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
