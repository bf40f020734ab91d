/*
 * Making a tenant so that nothing half-made is ever visible: reserve the slug, build the user
 * collection, then one transaction activates the tenant with its owner, keys and audit row. What a
 * crash leaves behind expires and is removed by housekeeping.
 */
#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/keys.h"
#include "app/text.h"
#include "models/access_key.h"
#include "models/audit.h"
#include "models/tenant.h"
#include "models/tenant_places.h"
#include "models/tenant_records.h"
#include "models/user.h"

#define CREATION_MS 60000
#define SLUG_TRIES  20

/* Everything the activating transaction writes; prepared before it, so that it can be run again. */
struct creation {
    const struct new_tenant *wanted;
    struct tenant *tenant;
    struct new_keys keys;
    struct user owner;
    struct made_key key;
    bool has_owner;
};

enum err tenant_check_creation(struct ctx *ctx)
{
    const enum registration registration = app_config(ctx->app)->tenants.registration;

    if (registration == REGISTRATION_OPEN || ctx->who.credential == CREDENTIAL_PLATFORM)
        return ERR_OK;
    if (registration == REGISTRATION_VERIFIED)
        return fail(ctx, ERR_REGISTRATION_CLOSED, NULL,
                    "Registration by mail is not available here: this installation sends no mail "
                    "yet. Its administrators can make a tenant.");
    return fail(ctx, ERR_REGISTRATION_CLOSED, NULL,
                "Registration is closed here: its administrators can make a tenant.");
}

/* A retry of the same creation (ctx_new_id) goes on with what an earlier try reserved. */
static enum err adopt(struct ctx *ctx, struct tenant *tenant)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("creating"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "expires_at", BCON_DATE_TIME(tenant->expires_at), "}");
    struct tenant earlier;

    bson_put_uuid(filter, "_id", &tenant->id);
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = update}, &earlier));
    tenant->slug = earlier.slug;
    return tenant_place_release(ctx); /* its document holds one already */
}

/* Inserts the tenant in state creating: the unique slug is ours from here on. */
static enum err reserve(struct ctx *ctx, struct tenant *tenant)
{
    enum err inserted = db_insert(ctx, &tenant_schema, tenant);

    if (inserted == ERR_CONFLICT && ctx->object_id != NULL) {
        fail_clear(ctx);
        inserted = adopt(ctx, tenant);
        if (inserted == ERR_NOT_FOUND)
            inserted = ERR_CONFLICT;
    }
    if (inserted == ERR_CONFLICT)
        return fail(ctx, ERR_SLUG_TAKEN, "tenant_slug", "The slug \"%s\" is taken.", tenant->slug);
    return inserted;
}

/* A slug made from the name, numbered until one is free. */
static enum err reserve_derived(struct ctx *ctx, const struct new_tenant *wanted,
                                struct tenant *tenant)
{
    const char *base = NULL;

    TRY(text_slugify(ctx, tenant->name, &base));
    for (int number = 1; number <= SLUG_TRIES; number++) {
        uint32_t random;

        secret_random(&random, sizeof random);
        if (number == 1)
            tenant->slug = base;
        else if (number < SLUG_TRIES)
            tenant->slug = arena_printf(ctx->arena, "%.50s-%d", base, number);
        else
            tenant->slug = arena_printf(ctx->arena, "%.50s-%08x", base, random);
        if (tenant->slug == NULL)
            return ERR_MEMORY;
        if (wanted->is_reserved(tenant->slug))
            continue;

        const enum err reserved = reserve(ctx, tenant);

        if (reserved != ERR_SLUG_TAKEN)
            return reserved;
        fail_clear(ctx);
    }
    return fail(ctx, ERR_SLUG_TAKEN, "client_name", "No slug is free for this name.");
}

/* Slug and place: both are the document's once it is there, until housekeeping removes it. */
static enum err reserve_place_and_slug(struct ctx *ctx, const struct new_tenant *wanted,
                                       struct tenant *tenant)
{
    TRY(tenant_place_reserve(ctx));

    const enum err reserved =
        tenant->slug != NULL ? reserve(ctx, tenant) : reserve_derived(ctx, wanted, tenant);
    const struct failure failure = ctx->failure;

    /* A document that may be there keeps its place; if it is not, the repair frees it. */
    if (reserved == ERR_OK || db_outcome_unknown(ctx))
        return reserved;
    TRY(tenant_place_release(ctx));
    ctx->failure = failure;
    return reserved;
}

static enum err insert_owner(struct ctx *ctx, struct creation *creation)
{
    const struct tenant_usage usage = {.tenant_id = creation->tenant->id,
                                       .users = creation->has_owner ? 1 : 0,
                                       .access_keys = creation->wanted->with_key ? 1 : 0,
                                       .owners = creation->has_owner ? 1 : 0,
                                       .has_owners = true};

    TRY(db_insert(ctx, &tenant_usage_schema, &usage));
    return creation->has_owner ? user_insert(ctx, &creation->owner) : ERR_OK;
}

static enum err insert_domain(struct ctx *ctx, const struct creation *creation)
{
    if (creation->wanted->domain == NULL)
        return ERR_OK;

    uint8_t random[24];
    char challenge[BASE64URL_LENGTH(sizeof random) + 1];

    secret_random(random, sizeof random);
    base64url_encode(random, sizeof random, challenge);

    const struct tenant_domain domain = {
        .id = uuid_new(),
        .tenant_id = creation->tenant->id,
        .domain = creation->wanted->domain,
        .status = "pending",
        .challenge = challenge,
        .created_at = creation->tenant->created_at,
    };

    return db_insert(ctx, &tenant_domain_schema, &domain);
}

static enum err activate(struct ctx *ctx, const struct tenant *tenant)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("creating"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "status", BCON_UTF8("active"), "}", "$unset", "{",
                              "expires_at", BCON_INT32(1), "}");

    bson_put_uuid(filter, "_id", &tenant->id);
    return db_update_one(ctx, &tenant_schema, filter, update);
}

static enum err activate_all(struct ctx *ctx, void *arg)
{
    struct creation *creation = arg;

    TRY(activate(ctx, creation->tenant));
    TRY(insert_owner(ctx, creation));
    TRY(keys_insert(ctx, &creation->keys));
    if (creation->wanted->with_key)
        TRY(access_key_insert(ctx, &creation->key.key));
    TRY(insert_domain(ctx, creation));
    return audit_insert(ctx, "tenant.created", "success",
                        creation->has_owner ? &creation->owner.id : NULL, NULL);
}

static enum err prepare(struct ctx *ctx, struct creation *creation,
                        struct created_tenant *ret_created)
{
    const struct new_tenant *wanted = creation->wanted;

    creation->has_owner = wanted->owner_username != NULL || wanted->owner_email != NULL;
    creation->owner = (struct user){
        .id = uuid_new(),
        .username = wanted->owner_username,
        .email = wanted->owner_email,
        .password_hash = wanted->owner_password_hash,
        .role = ROLE_OWNER,
        .is_active = true,
    };
    ret_created->owner_id = creation->has_owner ? creation->owner.id : (struct uuid){0};
    TRY(keys_prepare(ctx, &creation->tenant->id, &creation->keys));
    if (wanted->with_key) {
        TRY(access_key_make(
            ctx, &creation->tenant->id,
            &(struct new_access_key){.label = "first key", .scopes = ACCESS_KEY_ALL_SCOPES},
            &creation->key));
        ret_created->access_key = creation->key.text;
    }
    return ERR_OK;
}

enum err tenant_create(struct ctx *ctx, const struct new_tenant *new_tenant,
                       struct created_tenant *ret_created)
{
    /* In the arena: the ctx goes on pointing to it. */
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);
    struct creation creation = {.wanted = new_tenant, .tenant = tenant};
    const int64_t now = clock_now_ms();

    if (tenant == NULL)
        return ERR_MEMORY;

    *tenant = (struct tenant){
        .id = ctx_new_id(ctx),
        .slug = new_tenant->slug,
        .name = new_tenant->name,
        .industry = new_tenant->industry,
        .plan = new_tenant->plan,
        .status = TENANT_CREATING,
        .discoverable = true,
        .limits = new_tenant->limits,
        .epoch = 1,
        .created_at = now,
        .expires_at = now + CREATION_MS,
        .version = 1,
    };
    TRY(text_canonical(ctx, tenant->name, &tenant->name_key));
    TRY(prepare(ctx, &creation, ret_created));
    TRY(reserve_place_and_slug(ctx, new_tenant, tenant));
    ctx_set_tenant(ctx, tenant, &tenant->id);
    TRY(db_ensure_collection(ctx, &user_schema, user_indexes, user_index_count));
    tenant->status = TENANT_ACTIVE;
    tenant->expires_at = 0;
    ret_created->tenant = *tenant;
    TRY(db_transaction(ctx, activate_all, &creation));
    /* Neither this instance nor, by the change stream, another keeps "there is no such tenant". */
    tenant_forget(ctx, tenant);
    return ERR_OK;
}
