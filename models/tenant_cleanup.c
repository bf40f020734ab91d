/* Removes what a creation that never finished left behind. */
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/tenant.h"
#include "models/tenant_places.h"
#include "models/tenant_records.h"
#include "models/user.h"

#define REMOVALS_PER_ROUND 20

/* Claims an expired creation, so that its own activation can no longer happen. */
static enum err claim_expired(struct ctx *ctx, struct tenant *ret_tenant)
{
    AUTO(bson_destroy)
    bson_t *expired = BCON_NEW("$lt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy)
    bson_t *filter =
        BCON_NEW("status", "{", "$in", "[", BCON_UTF8("creating"), BCON_UTF8("deleted"), "]", "}",
                 "expires_at", "{", "$gt", BCON_DATE_TIME(0), "}");
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "status", BCON_UTF8("deleted"), "}");

    BSON_APPEND_DOCUMENT(filter, "$expr", expired);
    return db_find_and_update(ctx, &tenant_schema,
                              &(struct db_change){.filter = filter, .update = update}, ret_tenant);
}

/* The document and the place that it held. */
static enum err remove_document(struct ctx *ctx, void *arg)
{
    const struct tenant *tenant = arg;
    AUTO(bson_destroy) bson_t *by_id = bson_new();

    bson_put_uuid(by_id, "_id", &tenant->id);
    TRY(db_delete_one(ctx, &tenant_schema, by_id));
    return tenant_place_release(ctx);
}

enum err tenant_remove_expired(struct ctx *ctx, int64_t *ret_removed)
{
    *ret_removed = 0;
    for (int round = 0; round < REMOVALS_PER_ROUND; round++) {
        struct tenant tenant = {0};
        const enum err claimed = claim_expired(ctx, &tenant);

        if (claimed == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(claimed);

        ctx_set_tenant(ctx, &tenant, &tenant.id);

        const enum err dropped = db_drop_collection(ctx, &user_schema);

        ctx_set_tenant(ctx, NULL, NULL);
        if (dropped != ERR_NOT_FOUND)
            TRY(dropped);
        TRY(db_transaction(ctx, remove_document, &tenant));
        (*ret_removed)++;
    }
    return ERR_OK;
}
