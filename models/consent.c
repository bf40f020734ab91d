/* Consents: asking, remembering, taking back. */
#include "models/consent.h"

#include <stdio.h>
#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/revocation.h"
#include "models/audit.h"
#include "models/grant.h"
#include "models/resource.h"
#include "models/scope.h"

/* clang-format off */
static const struct field consent_fields[] = {
    FIELD_UUID(struct consent, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct consent, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct consent, user_id, "user_id", F_READONLY | F_REQUIRED),
    FIELD_STR(struct consent, client_id, "oauth_client_id", F_READONLY | F_REQUIRED, 1, 63),
    FIELD_STR(struct consent, scope, "scope", F_READONLY, 1, CLIENT_MAX_SCOPE),
    FIELD_STRS(struct consent, resources, "resources", F_READONLY, 1, RESOURCE_BYTES, RESOURCES_SET + 1),
    FIELD_TIME(struct consent, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct consent, updated_at, "updated_at", F_READONLY),
};
/* clang-format on */

const struct schema consent_schema = {
    .name = "consent",
    .collection = "consents",
    .size = sizeof(struct consent),
    SCHEMA_FIELDS(consent_fields),
};

static void put_who(bson_t *filter, const struct uuid *user_id, const char *client_id)
{
    bson_put_uuid(filter, "user_id", user_id);
    bson_put_text(filter, "oauth_client_id", client_id);
}

static enum err find(struct ctx *ctx, const struct uuid *user_id, const char *client_id,
                     struct consent *ret_consent)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    put_who(filter, user_id, client_id);
    return db_find_one(ctx, &consent_schema, filter, ret_consent);
}

/* Unlike a grant's, a consent without resources is for this service alone. */
static bool allows(const struct consent *consent, const struct strs *resources)
{
    return resources->count == 0 ||
           (consent->resources.count > 0 && resources_are_within(resources, &consent->resources));
}

enum err consent_covers(struct ctx *ctx, const struct consent_terms *terms, bool *ret_covers)
{
    struct consent consent = {0};
    const char *beyond = NULL;
    const enum err found = find(ctx, terms->user_id, terms->client->id, &consent);

    *ret_covers = false;
    if (found == ERR_NOT_FOUND) {
        fail_clear(ctx);
        return ERR_OK;
    }
    TRY(found);
    TRY(scope_missing(ctx, terms->scope, consent.scope, &beyond));
    *ret_covers = beyond == NULL && allows(&consent, &terms->resources);
    return ERR_OK;
}

/* --- giving --- */

struct giving {
    const struct consent_terms *terms;
    const struct consent *consent;
};

/* What was allowed before stays so, unless the client gave it up: else there would be no end. */
static enum err unite_scopes(struct ctx *ctx, const struct giving *giving, const char **scope)
{
    const char *registered = giving->terms->client->scope, *still = "", *both;

    if (*scope != NULL && registered != NULL)
        TRY(scope_common(ctx, *scope, registered, &still));
    both = arena_printf(ctx->arena, "%s %s", still, giving->terms->scope);
    return both == NULL ? ERR_MEMORY : scope_normalise(ctx, both, scope);
}

/* The same for what the tenant does not name any longer. */
static enum err unite_resources(struct ctx *ctx, const struct giving *giving,
                                struct strs *resources)
{
    struct strs still = {0};

    TRY(resources_named(ctx, resources, &still));
    return resources_unite(ctx, &still, &giving->terms->resources, resources);
}

static void put_texts(bson_t *out, const char *name, const struct strs *texts)
{
    char number[24];
    bson_t list;

    BSON_APPEND_ARRAY_BEGIN(out, name, &list);
    for (size_t i = 0; i < texts->count; i++) {
        (void)snprintf(number, sizeof number, "%zu", i);
        bson_put_text(&list, number, texts->items[i]);
    }
    bson_append_array_end(out, &list);
}

static enum err change(struct ctx *ctx, const struct consent *consent)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    bson_put_uuid(filter, "_id", &consent->id);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_text(&set, "scope", consent->scope);
    put_texts(&set, "resources", &consent->resources);
    bson_put_time(&set, "updated_at", consent->updated_at);
    bson_append_document_end(update, &set);
    return db_update_one(ctx, &consent_schema, filter, update);
}

static enum err give(struct ctx *ctx, void *arg)
{
    const struct giving *giving = arg;
    const struct consent *consent = giving->consent;
    struct consent found = {0};
    const enum err before = find(ctx, &consent->user_id, consent->client_id, &found);

    if (before != ERR_OK && before != ERR_NOT_FOUND)
        return before;
    if (before == ERR_NOT_FOUND) {
        fail_clear(ctx);
        TRY(db_insert(ctx, &consent_schema, consent));
    } else {
        found.updated_at = consent->updated_at;
        TRY(unite_scopes(ctx, giving, &found.scope));
        TRY(unite_resources(ctx, giving, &found.resources));
        TRY(change(ctx, &found));
    }
    return audit_insert(ctx, "consent.given", "success", &consent->user_id, NULL);
}

enum err consent_give(struct ctx *ctx, const struct consent_terms *terms)
{
    const int64_t now = clock_now_ms();
    struct consent consent = {.id = uuid_new(),
                              .tenant_id = ctx->tenant_id,
                              .user_id = *terms->user_id,
                              .client_id = terms->client->id,
                              .scope = terms->scope[0] != '\0' ? terms->scope : NULL,
                              .resources = terms->resources,
                              .created_at = now,
                              .updated_at = now};
    struct giving giving = {.terms = terms, .consent = &consent};
    enum err given = db_transaction(ctx, give, &giving);

    /* Two first consents at the same time: the second finds what the first one made. */
    if (given == ERR_CONFLICT) {
        fail_clear(ctx);
        given = db_transaction(ctx, give, &giving);
    }
    return given;
}

/* --- taking back --- */

enum err consent_list(struct ctx *ctx, const struct uuid *user_id, struct list *ret_list)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(-1));

    bson_put_uuid(filter, "user_id", user_id);
    return db_find_many(ctx, &consent_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = CONSENTS_MAX},
                        ret_list);
}

struct revoking {
    struct uuid user_id;
    const char *client_id;
    struct list ended; /* struct grant */
};

static void put_states(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *states = BCON_NEW("$in", "[", BCON_UTF8("code"), BCON_UTF8("active"), "]");

    BSON_APPEND_DOCUMENT(filter, "state", states);
}

static enum err take_back(struct ctx *ctx, void *arg)
{
    struct revoking *revoking = arg;
    AUTO(bson_destroy) bson_t *who = bson_new();
    AUTO(bson_destroy) bson_t *grants = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("revoked"), "}");
    int64_t modified = 0;

    put_who(who, &revoking->user_id, revoking->client_id);
    TRY(db_delete_one(ctx, &consent_schema, who));
    put_who(grants, &revoking->user_id, revoking->client_id);
    put_states(grants);
    TRY(db_find_many(ctx, &grant_schema, &(struct db_find){.filter = grants}, &revoking->ended));
    TRY(db_update_many(ctx, &grant_schema, grants, update, &modified));

    const struct grant *ended = revoking->ended.items;

    for (size_t i = 0; i < revoking->ended.count; i++)
        TRY(revocation_write(ctx, REVOKED_GRANT, &ended[i].id, 0, GRANT_REVOCATION_SECONDS));
    return audit_insert(ctx, "consent.revoked", "success", &revoking->user_id, NULL);
}

enum err consent_revoke(struct ctx *ctx, const struct uuid *user_id, const char *client_id)
{
    struct revoking revoking = {.user_id = *user_id, .client_id = client_id};

    TRY(db_transaction(ctx, take_back, &revoking));

    const struct grant *ended = revoking.ended.items;

    for (size_t i = 0; i < revoking.ended.count; i++)
        revocation_apply(ctx, REVOKED_GRANT, &ended[i].id, 0, GRANT_REVOCATION_SECONDS);
    return ERR_OK;
}

enum err consent_delete_user(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;

    bson_put_uuid(filter, "user_id", user_id);
    return db_delete_many(ctx, &consent_schema, filter, &deleted);
}
