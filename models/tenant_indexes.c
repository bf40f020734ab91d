/* Which tenants' user indexes this process has seen to be there. */
#include "models/tenant_indexes.h"

#include <stdatomic.h>
#include <string.h>

#include "app/auto.h"
#include "app/cache.h"
#include "app/db.h"
#include "app/log.h"
#include "models/user.h"
#include "models/user_place.h"

/* A tenant whose place another took is looked at again: that costs a round trip, no more. */
#define PLACES 8192

static _Atomic uint64_t seen[PLACES];

/* The random half of a UUIDv7. */
static uint64_t key_of(const struct uuid *id)
{
    uint64_t key;

    memcpy(&key, id->bytes + 8, sizeof key);
    return key;
}

static enum err look(struct ctx *ctx, struct user_place *ret_wanted)
{
    TRY(user_place_find(ctx, ret_wanted));
    return db_verify_indexes(ctx, &user_schema, ret_wanted->indexes.items,
                             ret_wanted->indexes.count);
}

/* A schema may have been published since the tenant was read: only what is missing by the one that
 * is in force now is missing. */
static enum err check_as_tenant(struct ctx *ctx)
{
    AUTO(user_place_clear) struct user_place wanted = {0};
    enum err checked = look(ctx, &wanted);

    if (checked == ERR_NOT_FOUND) {
        fail_clear(ctx);
        user_place_clear(&wanted);
        TRY(tenant_refresh(ctx));
        checked = look(ctx, &wanted);
    }
    if (checked != ERR_NOT_FOUND)
        return checked;
    log_event(LOG_ERROR, "user_index_missing", "tenant", ctx->tenant->slug, "detail",
              ctx->failure.internal, NULL);
    fail_clear(ctx);
    return user_place_ensure(ctx, &wanted);
}

/* With the tenant in a ctx of its own: the caller's may not have it yet. */
static enum err check(struct ctx *ctx, const struct tenant *tenant)
{
    struct ctx own = *ctx;
    enum err checked;

    own.holds = NULL;
    own.may_load = NULL;
    ctx_set_tenant(&own, tenant, &tenant->id);
    checked = check_as_tenant(&own);
    ctx->failure = own.failure;
    ctx->db_calls = own.db_calls;
    cache_release_holds(&own);
    return checked;
}

enum err tenant_indexes_check(struct ctx *ctx, const struct tenant *tenant)
{
    const uint64_t key = key_of(&tenant->id);
    _Atomic uint64_t *place = &seen[key % PLACES];

    if (atomic_load_explicit(place, memory_order_relaxed) == key)
        return ERR_OK;
    TRY(check(ctx, tenant));
    atomic_store_explicit(place, key, memory_order_relaxed);
    return ERR_OK;
}
