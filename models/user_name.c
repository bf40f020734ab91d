/* Names of users for a second. */
#include "models/user_name.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "models/user.h"

#define LOAD_LIMIT ((size_t)4 * 1024 * 1024) /* of one document */

struct user_key {
    struct uuid tenant_id, user_id;
};

static enum err keep(struct ctx *ctx, const struct user *user, struct user_name **ret_name)
{
    struct user_name *name = ARENA_NEW(ctx->arena, struct user_name);
    const char *login_name = arena_strdup(ctx->arena, user_login_name(user));

    if (name == NULL || login_name == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a user's name");
    *name = (struct user_name){.login_name = login_name, .role = (enum role)user->role};
    *ret_name = name;
    return ERR_OK;
}

enum err user_name_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct user_name *name = NULL;
    struct user user = {0};
    struct ctx reading = *ctx;
    struct arena arena;
    struct user_key wanted;

    if (size != sizeof wanted)
        return fail_internal(ctx, ERR_INTERNAL, "this is no key of a user");
    memcpy(&wanted, key, sizeof wanted);
    /* The whole document, its hash too, is read and not kept. */
    arena_init(&arena, LOAD_LIMIT);
    reading.arena = &arena;

    enum err code = user_find(&reading, &wanted.user_id, &user);

    if (code == ERR_OK)
        code = user.is_active ? keep(ctx, &user, &name) : ERR_NOT_FOUND;
    else if (reading.failure.internal != NULL)
        (void)fail_internal(ctx, code, "%s", reading.failure.internal);
    ctx->db_calls = reading.db_calls;
    arena_clear(&arena);
    *ret_data = name;
    return code;
}

enum err user_name_get(struct ctx *ctx, const struct uuid *user_id,
                       const struct user_name **ret_name)
{
    const struct user_key key = {.tenant_id = ctx->tenant_id, .user_id = *user_id};
    const void *data = NULL;

    TRY(cache_get(ctx->app->user_names, ctx, &key, sizeof key, &data));
    *ret_name = data;
    return ERR_OK;
}
