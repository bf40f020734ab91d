/* The indexes that every collection of users has, added where they are not there yet. */
#include "models/migrations/migrations.h"

#include "models/user.h"

/* Whatever the tenant's life; a collection that is no tenant's may have them too. */
static enum err add_indexes(struct ctx *ctx, const struct uuid *tenant_id, void *arg)
{
    struct arena arena;
    struct ctx own;

    (void)arg;
    arena_init(&arena, (size_t)1024 * 1024);
    ctx_init(&own, ctx->app, &arena);
    ctx_set_tenant(&own, NULL, tenant_id);

    const enum err added = db_create_indexes(&own, &user_schema, user_indexes, user_index_count);

    if (added != ERR_OK)
        ctx->failure = (struct failure){.code = added};
    ctx_clear(&own);
    arena_clear(&arena);
    return added;
}

enum err migrations_add_user_indexes(struct ctx *ctx)
{
    return db_walk_user_collections(ctx, add_indexes, NULL);
}

enum err migrations_leave_user_indexes(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}
