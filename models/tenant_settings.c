/* What a tenant's owner changes of it: the document and the audit row in one transaction. */
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/custom_registration.h"
#include "models/tenant.h"

struct change {
    const bson_t *update;
    const char *action;
    int64_t version; /* that the document must have; 0 = any */
    struct tenant *tenant;
};

static enum err apply(struct ctx *ctx, void *arg)
{
    struct change *change = arg;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("active"));

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    if (change->version != 0)
        bson_put_int(filter, "version", change->version);
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = change->update},
                           change->tenant));
    return audit_insert(ctx, change->action, "success", &ctx->who.user_id, NULL);
}

static enum err run(struct ctx *ctx, struct change *change)
{
    const enum err applied = db_transaction(ctx, apply, change);

    tenant_forget(ctx, ctx->tenant);
    if (applied == ERR_NOT_FOUND)
        return change->version != 0 ? ERR_PRECONDITION : ERR_TENANT_NOT_FOUND;
    return applied;
}

/* "discoverable" is asked for in queries of all tenants, so it stands beside the settings. */
static void put_discoverable(const struct tenant_settings *settings, uint64_t mask, bson_t *set)
{
    const int index = schema_field_index(&tenant_settings_schema, "discoverable");

    if ((mask & (UINT64_C(1) << index)) != 0)
        bson_put_bool(set, "discoverable", !settings->has_discoverable || settings->discoverable);
}

/* Also when the setting goes back to its default. */
static bool opens_registration(const struct tenant_settings *settings, uint64_t mask)
{
    const int index = schema_field_index(&tenant_settings_schema, "self_registration");

    return (mask & (UINT64_C(1) << index)) != 0 &&
           (!settings->has_self_registration || settings->self_registration);
}

enum err tenant_settings_update(struct ctx *ctx, const struct tenant_settings *settings,
                                uint64_t mask, int64_t version, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "version", BCON_INT64(1), "}");
    struct change change = {.update = update,
                            .action = "tenant.settings_changed",
                            .version = version,
                            .tenant = ret_tenant};
    bson_t set;

    if (opens_registration(settings, mask))
        TRY(custom_registration_open(ctx));
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    (void)schema_to_bson_masked(&tenant_settings_schema, settings, mask, "settings.", &set);
    put_discoverable(settings, mask, &set);
    bson_append_document_end(update, &set);
    (void)schema_put_unset(&tenant_settings_schema, settings, mask, "settings.", update);
    return run(ctx, &change);
}

enum err tenant_profile_update(struct ctx *ctx, const struct tenant *profile, uint64_t mask,
                               int64_t version, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "version", BCON_INT64(1), "}");
    struct change change = {
        .update = update, .action = "tenant.changed", .version = version, .tenant = ret_tenant};
    const char *name_key = NULL;
    bson_t set;

    if (profile->name != NULL)
        TRY(text_canonical(ctx, profile->name, &name_key));
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    (void)schema_to_bson_masked(&tenant_schema, profile, mask, "", &set);
    if (name_key != NULL)
        bson_put_text(&set, "name_key", name_key);
    bson_append_document_end(update, &set);
    (void)schema_put_unset(&tenant_schema, profile, mask, "", update);
    return run(ctx, &change);
}
