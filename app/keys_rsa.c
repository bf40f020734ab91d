/* The first RSA key of a tenant, made when it is first asked for: most tenants never need one. */
#include "app/keys.h"

#include "app/app.h"
#include "app/cache.h"
#include "app/db.h"
#include "app/rsa_pool.h"

#define WAIT_MS 5000

static enum err read_again(struct ctx *ctx, const struct key_set **ret_keys)
{
    cache_drop(ctx->app->keys, &ctx->tenant_id, sizeof ctx->tenant_id);
    return keys_get(ctx, ret_keys);
}

static enum err make_first(struct ctx *ctx, const struct key_set **ret_keys)
{
    const struct uuid id = keys_agreed_id(&ctx->tenant_id, "signing key RS256 1");
    struct signing_key key;

    TRY(read_again(ctx, ret_keys));
    if (key_set_signer(*ret_keys, JWS_RS256) != NULL)
        return ERR_OK;
    TRY(keys_make_signing(ctx, JWS_RS256, &id, &key));

    const enum err inserted = db_insert(ctx, &signing_key_schema, &key);

    if (inserted != ERR_CONFLICT)
        TRY(inserted);
    fail_clear(ctx);
    return read_again(ctx, ret_keys);
}

enum err keys_get_complete(struct ctx *ctx, const struct key_set **ret_keys)
{
    struct rsa_claim claim = {.tenant_id = ctx->tenant_id};
    struct rsa_pool *pool = ctx->app->rsa;

    TRY(keys_get(ctx, ret_keys));
    if (key_set_signer(*ret_keys, JWS_RS256) != NULL)
        return ERR_OK;
    if (rsa_pool_claim(pool, &claim, ctx_remaining(ctx, WAIT_MS))) {
        const enum err made = make_first(ctx, ret_keys);

        rsa_pool_release(pool, &claim);
        TRY(made);
    } else {
        TRY(read_again(ctx, ret_keys));
    }
    if (key_set_signer(*ret_keys, JWS_RS256) != NULL)
        return ERR_OK;
    return fail_internal(ctx, ERR_DB_UNAVAILABLE,
                         "the tenant's first RSA key was not made in time");
}
