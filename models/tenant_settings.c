/* Changing a tenant's settings: the document and the audit row in one transaction. */
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/audit.h"
#include "models/tenant.h"

struct change {
    const bson_t *update;
    struct tenant *tenant;
};

static enum err apply(struct ctx *ctx, void *arg)
{
    struct change *change = arg;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("active"));

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = change->update},
                           change->tenant));
    return audit_insert(ctx, "tenant.settings_changed", "success", &ctx->who.user_id, NULL);
}

/* "discoverable" is asked for in queries of all tenants, so it stands beside the settings. */
static void put_discoverable(const struct tenant_settings *settings, uint64_t mask, bson_t *set)
{
    const int index = schema_field_index(&tenant_settings_schema, "discoverable");

    if ((mask & (UINT64_C(1) << index)) != 0)
        bson_put_bool(set, "discoverable", !settings->has_discoverable || settings->discoverable);
}

/* $set for what has a value, $unset for what was cleared with null. */
static void build_update(const struct tenant_settings *settings, uint64_t mask, bson_t *update)
{
    bson_t set, unset;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    (void)schema_to_bson_masked(&tenant_settings_schema, settings, mask, "settings.", &set);
    put_discoverable(settings, mask, &set);
    bson_append_document_end(update, &set);

    AUTO(bson_destroy) bson_t *present = bson_new();

    (void)schema_to_bson_masked(&tenant_settings_schema, settings, mask, "", present);
    bson_init(&unset);
    for (size_t i = 0; i < tenant_settings_schema.field_count; i++) {
        const char *name = tenant_settings_schema.fields[i].name;
        char path[96];

        if ((mask & (UINT64_C(1) << i)) == 0 || bson_has_field(present, name))
            continue;
        (void)snprintf(path, sizeof path, "settings.%s", name);
        bson_put_int(&unset, path, 1);
    }
    if (bson_count_keys(&unset) > 0)
        BSON_APPEND_DOCUMENT(update, "$unset", &unset);
    bson_destroy(&unset);
}

enum err tenant_settings_update(struct ctx *ctx, const struct tenant_settings *settings,
                                uint64_t mask, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "version", BCON_INT64(1), "}");
    struct change change = {.update = update, .tenant = ret_tenant};

    build_update(settings, mask, update);
    TRY(db_transaction(ctx, apply, &change));
    tenant_forget(ctx, ctx->tenant);
    return ERR_OK;
}
