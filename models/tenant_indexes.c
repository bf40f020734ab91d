/* Which tenants' user indexes this process has seen to be there. */
#include "models/tenant_indexes.h"

#include <stdatomic.h>
#include <string.h>

#include "app/db.h"
#include "app/log.h"
#include "models/user.h"

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

/* With the tenant in a ctx of its own: the caller's may not have it yet. */
static enum err check(struct ctx *ctx, const struct tenant *tenant)
{
    struct ctx own = *ctx;

    own.holds = NULL;
    ctx_set_tenant(&own, tenant, &tenant->id);

    enum err checked = db_verify_indexes(&own, &user_schema, user_indexes, user_index_count);

    if (checked == ERR_NOT_FOUND) {
        log_event(LOG_ERROR, "user_index_missing", "tenant", tenant->slug, "detail",
                  own.failure.internal, NULL);
        fail_clear(&own);
        checked = db_ensure_collection(&own, &user_schema, user_indexes, user_index_count);
    }
    ctx->failure = own.failure;
    ctx->db_calls = own.db_calls;
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
