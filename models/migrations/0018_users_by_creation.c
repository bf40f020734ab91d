/* Migration 18: users are listed and found by when they were made. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/user.h"

/* Whatever the tenant's life; a collection that is no tenant's may have it too. */
static enum err add_index(struct ctx *ctx, const struct uuid *tenant_id, void *arg)
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

static enum err up(struct ctx *ctx)
{
    return db_walk_user_collections(ctx, add_index, NULL);
}

/* An older version does not mind one index more. */
static enum err down(struct ctx *ctx)
{
    (void)ctx;
    return ERR_OK;
}

const struct migration migration_0018 = {
    .number = 18,
    .name = "users_by_creation",
    .revision = "1",
    .up = up,
    .down = down,
};
