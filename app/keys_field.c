/* The keys that seal encrypted custom fields: the first is made when a field is first sealed. */
#include "app/keys.h"

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"

#define READ_AGAIN_MS 1000

static bool has_it(const struct key_set *keys, uint32_t number)
{
    return number == 0 ? keys->field_count > 0 : key_set_field(keys, number) != NULL;
}

static enum err read_again(struct ctx *ctx, const struct key_set **ret_keys)
{
    cache_drop(ctx->app->keys, &ctx->tenant_id, sizeof ctx->tenant_id);
    return keys_get(ctx, ret_keys);
}

/* Apart from the ctx's transaction, which may be undone: what another one sealed with the key must
 * stay readable. */
static enum err make_first(struct ctx *ctx)
{
    struct ctx own = *ctx;
    struct data_key key;

    own.transaction = NULL;
    own.before_commit = NULL;

    enum err made = keys_make_field(&own, 1, &key);

    if (made == ERR_OK)
        made = db_insert(&own, &data_key_schema, &key);
    ctx->db_calls = own.db_calls;
    if (made == ERR_OK || made == ERR_CONFLICT)
        return ERR_OK;
    ctx->failure = own.failure;
    return made;
}

enum err keys_get_field(struct ctx *ctx, uint32_t number, const struct key_set **ret_keys)
{
    TRY(keys_get(ctx, ret_keys));
    if (has_it(*ret_keys, number))
        return ERR_OK;
    if ((*ret_keys)->field_count == 0) {
        TRY(read_again(ctx, ret_keys));
        if ((*ret_keys)->field_count == 0)
            TRY(make_first(ctx));
    } else if (clock_monotonic_ms() - (*ret_keys)->loaded_at < READ_AGAIN_MS) {
        return ERR_OK;
    }
    TRY(read_again(ctx, ret_keys));
    return (*ret_keys)->field_count > 0
               ? ERR_OK
               : fail_internal(ctx, ERR_DB_UNAVAILABLE, "the key for custom fields was not made");
}
