/* OAuth clients: making under the plan's limit, listing, changing, replacing secrets, ending. */
#include "models/oauth_client_admin.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/revocation.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/client_origins.h"
#include "models/grant.h"
#include "models/scope.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"

#define ID_BYTES     15 /* 24 characters of 5 bits */
#define ID_LENGTH    24
#define SECRET_BYTES 36 /* 48 characters of base64url */

/* --- common parts --- */

/* 5 bits a character, without those that look alike. */
enum err oauth_client_new_id(struct ctx *ctx, const char **ret_id)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    uint8_t random[ID_BYTES];
    char *id = arena_alloc(ctx->arena, ID_LENGTH + 1);

    if (id == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a client id");
    secret_random(random, sizeof random);
    for (size_t i = 0; i < ID_LENGTH; i++) {
        const size_t bit = 5 * i;
        const unsigned pair =
            (unsigned)random[bit / 8] << 8 | (bit / 8 + 1 < ID_BYTES ? random[bit / 8 + 1] : 0u);

        id[i] = letters[pair >> (11 - bit % 8) & 31];
    }
    id[ID_LENGTH] = '\0';
    *ret_id = id;
    return ERR_OK;
}

static enum err make_secret(struct ctx *ctx, struct bytes *ret_hash, const char **ret_secret)
{
    uint8_t random[SECRET_BYTES];
    char *text = arena_alloc(ctx->arena, BASE64URL_LENGTH(SECRET_BYTES) + 1);
    uint8_t *hash = arena_alloc(ctx->arena, SHA256_SIZE);

    if (text == NULL || hash == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a client secret");
    secret_random(random, sizeof random);
    base64url_encode(random, sizeof random, text);
    secret_wipe(random, sizeof random);
    secret_sha256(text, strlen(text), hash);
    *ret_hash = (struct bytes){.data = hash, .size = SHA256_SIZE};
    *ret_secret = text;
    return ERR_OK;
}

/* The row names the client that it is about. */
static enum err audit_client(struct ctx *ctx, const char *action, const char *client_id)
{
    const char *used = ctx->who.client_id;

    ctx->who.client_id = client_id;

    const enum err inserted = audit_insert(ctx, action, "success", &ctx->who.user_id, NULL);

    ctx->who.client_id = used;
    return inserted;
}

/* What the client was issued below this epoch ends, in the ctx's transaction. */
static enum err end_issued(struct ctx *ctx, const char *client_id, int64_t epoch)
{
    return revocation_write(ctx, REVOKED_CLIENT, client_id, epoch, GRANT_REVOCATION_SECONDS);
}

static void end_issued_here(struct ctx *ctx, const char *client_id, int64_t epoch)
{
    revocation_apply(ctx, REVOKED_CLIENT, client_id, epoch, GRANT_REVOCATION_SECONDS);
    oauth_client_forget(ctx, client_id);
}

/* The client in the version that was read. */
static bson_t *unchanged(const struct oauth_client *client)
{
    bson_t *filter = bson_new();

    bson_put_text(filter, "_id", client->id);
    bson_put_int(filter, "version", client->version);
    return filter;
}

static enum err changed_meanwhile(enum err code, struct ctx *ctx)
{
    return code == ERR_NOT_FOUND
               ? fail(ctx, ERR_CONFLICT, NULL, "This client was changed or deleted meanwhile.")
               : code;
}

/* --- making --- */

static enum err insert(struct ctx *ctx, void *arg)
{
    const struct oauth_client *client = arg;

    TRY(db_insert(ctx, &oauth_client_schema,
                  client)); /* first: one that was made is no question of the plan */
    TRY(tenant_usage_take(ctx, TENANT_USES_CLIENTS));
    return audit_client(ctx, "client.created", client->id);
}

/* A client that was deleted meanwhile is remembered for as long as its tokens could have lived. */
static enum err insert_once(struct ctx *ctx, void *arg)
{
    const struct oauth_client *client = arg;
    bool was_used = false;

    TRY(revocation_is_written(ctx, REVOKED_CLIENT, client->id, &was_used));
    return was_used ? fail(ctx, ERR_CONFLICT, NULL, "This client was made before.")
                    : insert(ctx, arg);
}

static enum err make(struct ctx *ctx, const struct client_metadata *metadata,
                     const struct registrar *registrar, struct made_client *made)
{
    struct oauth_client *client = &made->client;

    TRY(client_metadata_apply(ctx, metadata, registrar, client));
    client->owner_id = registrar->user_id;
    client->by_owner = registrar->role == ROLE_OWNER;
    client->created_at = client->updated_at = clock_now_ms();
    client->version = 1;
    if (oauth_client_is_public(client))
        return ERR_OK;
    client->secret_created_at = client->created_at;
    return make_secret(ctx, &client->secret_hash, &made->secret);
}

enum err oauth_client_create(struct ctx *ctx, const struct client_metadata *metadata,
                             const struct registrar *registrar, struct made_client *ret_made)
{
    *ret_made = (struct made_client){.client = {.tenant_id = ctx->tenant_id}};
    TRY(oauth_client_new_id(ctx, &ret_made->client.id));
    TRY(make(ctx, metadata, registrar, ret_made));
    TRY(db_transaction(ctx, insert, &ret_made->client));
    client_origins_forget(ctx);
    return ERR_OK;
}

enum err oauth_client_create_once(struct ctx *ctx, const char *id,
                                  const struct client_metadata *metadata,
                                  const struct registrar *registrar, struct made_client *ret_made)
{
    *ret_made = (struct made_client){.client = {.id = id, .tenant_id = ctx->tenant_id}};
    TRY(make(ctx, metadata, registrar, ret_made));
    TRY(db_transaction(ctx, insert_once, &ret_made->client));
    client_origins_forget(ctx);
    return ERR_OK;
}

/* --- reading --- */

static void put_owner(bson_t *filter, const struct uuid *owner_id)
{
    if (!uuid_is_zero(owner_id))
        bson_put_uuid(filter, "owner_id", owner_id);
}

static enum err list(struct ctx *ctx, struct oauth_client_page *page, struct db_find *find)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));

    put_owner(filter, page->owner_id);
    if (page->after != NULL) {
        bson_t range;

        BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
        bson_put_text(&range, "$gt", page->after);
        bson_append_document_end(filter, &range);
    }
    find->filter = filter;
    find->sort = sort;
    find->limit = page->limit;
    return db_find_many(ctx, &oauth_client_schema, find, &page->clients);
}

enum err oauth_client_list(struct ctx *ctx, const struct uuid *owner_id, const char *after,
                           int64_t limit, struct list *ret_clients)
{
    struct oauth_client_page page = {.owner_id = owner_id, .after = after, .limit = limit};

    TRY(list(ctx, &page, &(struct db_find){.ret_cut = NULL}));
    *ret_clients = page.clients;
    return ERR_OK;
}

enum err oauth_client_read_page(struct ctx *ctx, struct oauth_client_page *page)
{
    struct db_find find = {.most_bytes = DB_PAGE_BYTES, .ret_cut = &page->cut};

    return list(ctx, page, &find);
}

enum err oauth_client_find(struct ctx *ctx, const char *id, const struct uuid *owner_id,
                           struct oauth_client *ret_client)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_text(filter, "_id", id);
    put_owner(filter, owner_id);
    return db_find_one(ctx, &oauth_client_schema, filter, ret_client);
}

/* --- changing --- */

struct change {
    const struct oauth_client *before, *after;
};

/* Everything that metadata decides is written anew; what is absent now is taken away. */
static bson_t *replacement(const struct oauth_client *after)
{
    bson_t *update = bson_new();
    uint64_t mask = 0;
    bson_t set;

    for (size_t i = 0; i < oauth_client_schema.field_count; i++) {
        if ((oauth_client_schema.fields[i].flags & F_READONLY) == 0)
            mask |= UINT64_C(1) << i;
    }
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    (void)schema_to_bson_masked(&oauth_client_schema, after, mask, "", &set);
    bson_put_time(&set, "updated_at", after->updated_at);
    bson_put_int(&set, "version", after->version);
    bson_put_int(&set, "epoch", after->epoch);
    bson_append_document_end(update, &set);
    (void)schema_put_unset(&oauth_client_schema, after, mask, "", update);
    return update;
}

static enum err replace(struct ctx *ctx, void *arg)
{
    const struct change *change = arg;
    AUTO(bson_destroy) bson_t *filter = unchanged(change->before);
    AUTO(bson_destroy) bson_t *update = replacement(change->after);

    TRY(db_update_one(ctx, &oauth_client_schema, filter, update));
    if (change->after->epoch > change->before->epoch)
        TRY(end_issued(ctx, change->after->id, change->after->epoch));
    return audit_client(ctx, "client.updated", change->after->id);
}

enum err oauth_client_update(struct ctx *ctx, const struct client_metadata *metadata,
                             const struct registrar *registrar, struct oauth_client *client)
{
    const struct oauth_client before = *client;
    struct change change = {.before = &before, .after = client};
    const char *lost;

    TRY(client_metadata_apply(ctx, metadata, registrar, client));
    TRY(scope_missing(ctx, before.scope, client->scope, &lost));
    client->epoch += lost != NULL;
    client->version++;
    client->updated_at = clock_now_ms();
    TRY(changed_meanwhile(db_transaction(ctx, replace, &change), ctx));
    if (client->epoch > before.epoch)
        end_issued_here(ctx, client->id, client->epoch);
    oauth_client_forget(ctx, client->id);
    client_origins_forget(ctx);
    return ERR_OK;
}

/* --- secrets --- */

static enum err replace_secret(struct ctx *ctx, void *arg)
{
    const struct change *change = arg;
    const struct oauth_client *after = change->after;
    AUTO(bson_destroy) bson_t *filter = unchanged(change->before);
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t part;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &part);
    bson_put_bytes(&part, "secret_hash", after->secret_hash.data, after->secret_hash.size);
    bson_put_time(&part, "secret_created_at", after->secret_created_at);
    bson_put_time(&part, "updated_at", after->updated_at);
    bson_put_int(&part, "version", after->version);
    bson_put_int(&part, "epoch", after->epoch);
    if (after->old_secret_ends_at != 0) {
        bson_put_bytes(&part, "old_secret_hash", after->old_secret_hash.data,
                       after->old_secret_hash.size);
        bson_put_time(&part, "old_secret_ends_at", after->old_secret_ends_at);
    }
    bson_append_document_end(update, &part);
    if (after->old_secret_ends_at == 0) {
        BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &part);
        bson_put_text(&part, "old_secret_hash", "");
        bson_put_text(&part, "old_secret_ends_at", "");
        bson_append_document_end(update, &part);
    }
    TRY(db_update_one(ctx, &oauth_client_schema, filter, update));
    if (after->epoch > change->before->epoch)
        TRY(end_issued(ctx, after->id, after->epoch));
    return audit_client(ctx, "client.secret_rotated", after->id);
}

enum err oauth_client_rotate_secret(struct ctx *ctx, const struct oauth_client *client,
                                    int64_t overlap_ms, struct made_client *ret_made)
{
    const int64_t now = clock_now_ms();
    struct oauth_client after = *client;
    struct change change = {.before = client, .after = &after};

    if (oauth_client_is_public(client))
        return fail(ctx, ERR_CLIENT_METADATA, NULL, "A public client has no secret to rotate.");
    TRY(make_secret(ctx, &after.secret_hash, &ret_made->secret));
    after.old_secret_hash = overlap_ms > 0 ? client->secret_hash : (struct bytes){0};
    after.old_secret_ends_at = overlap_ms > 0 ? now + overlap_ms : 0;
    after.secret_created_at = after.updated_at = now;
    after.epoch += overlap_ms == 0;
    after.version++;
    TRY(changed_meanwhile(db_transaction(ctx, replace_secret, &change), ctx));
    if (after.epoch > client->epoch)
        end_issued_here(ctx, after.id, after.epoch);
    oauth_client_forget(ctx, after.id);
    ret_made->client = after;
    return ERR_OK;
}

/* --- ending --- */

static enum err end_client(struct ctx *ctx, void *arg)
{
    const struct oauth_client *client = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_text(filter, "_id", client->id);
    TRY(db_delete_one(ctx, &oauth_client_schema, filter));
    TRY(tenant_usage_give_back(ctx, TENANT_USES_CLIENTS));
    TRY(end_issued(ctx, client->id, UINT32_MAX));
    return audit_client(ctx, "client.deleted", client->id);
}

enum err oauth_client_delete(struct ctx *ctx, const struct oauth_client *client)
{
    struct oauth_client copy = *client;

    TRY(db_transaction(ctx, end_client, &copy));
    end_issued_here(ctx, client->id, UINT32_MAX);
    client_origins_forget(ctx);
    return ERR_OK;
}

/* --- counting --- */

enum err oauth_client_count(struct ctx *ctx, int64_t *ret_count)
{
    return db_count(ctx, &oauth_client_schema, NULL, 0, ret_count);
}

enum err oauth_client_recount(struct ctx *ctx)
{
    struct tenant_usage usage = {0};
    int64_t clients = 0;

    TRY(tenant_usage_get(ctx, &usage));
    TRY(oauth_client_count(ctx, &clients));
    return tenant_usage_settle(ctx, TENANT_USES_CLIENTS, usage.clients, clients);
}
