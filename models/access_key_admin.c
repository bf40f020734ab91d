/* Access keys: making under the plan's limit, listing, replacing, ending. */
#include "models/access_key_admin.h"

#include <string.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "models/access_key_use.h"
#include "models/audit.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"

#define KEPT_MS (INT64_C(30) * 86400 * 1000) /* an ended key stays for questions */

bool access_key_is_scope(const char *text)
{
    static const char all[] = " " ACCESS_KEY_SCOPES " ";
    const size_t length = strlen(text);

    for (const char *at = all; length > 0 && (at = strstr(at, text)) != NULL; at++) {
        if (at[-1] == ' ' && at[length] == ' ')
            return true;
    }
    return false;
}

enum err access_key_join_scopes(struct ctx *ctx, const struct strs *scopes, const char **ret_text)
{
    struct buf text;

    if (scopes->items != NULL && scopes->count == 0)
        return fail(ctx, ERR_VALIDATION, "scopes", "scopes must name at least one scope.");
    if (scopes->items == NULL) {
        *ret_text = ACCESS_KEY_DEFAULT_SCOPES;
        return ERR_OK;
    }
    buf_init(&text, ctx->arena, sizeof ACCESS_KEY_SCOPES);
    for (size_t i = 0; i < scopes->count; i++) {
        if (!access_key_is_scope(scopes->items[i]))
            return fail(ctx, ERR_VALIDATION, "scopes", "scopes must be among %s.",
                        ACCESS_KEY_SCOPES);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(scopes->items[j], scopes->items[i]) == 0)
                return fail(ctx, ERR_VALIDATION, "scopes", "scopes names \"%s\" twice.",
                            scopes->items[i]);
        }
        buf_puts(&text, i > 0 ? " " : "");
        buf_puts(&text, scopes->items[i]);
    }
    *ret_text = buf_text(&text);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

/* --- common parts --- */

/* The row names the key that it is about; who did it stands in user_id. */
static enum err audit_key(struct ctx *ctx, const char *action, const struct uuid *key_id)
{
    const struct uuid used = ctx->who.key_id;

    ctx->who.key_id = *key_id;

    const enum err inserted = audit_insert(ctx, action, "success", &ctx->who.user_id, NULL);

    ctx->who.key_id = used;
    return inserted;
}

static bson_t *not_ended(void)
{
    return BCON_NEW("revoked_at", "{", "$exists", BCON_BOOL(false), "}");
}

/* Ended at once, whatever the clocks of the instances say. */
static bson_t *ending(void)
{
    return BCON_NEW("$set", "{", "purge_at", BCON_DATE_TIME(clock_now_ms() + KEPT_MS), "}",
                    "$currentDate", "{", "revoked_at", BCON_BOOL(true), "}");
}

/* --- making --- */

static enum err insert(struct ctx *ctx, void *arg)
{
    const struct access_key *key = arg;

    TRY(access_key_insert(ctx, key)); /* first: a key that was made is no question of the plan */
    TRY(tenant_usage_take(ctx, TENANT_USES_KEYS));
    return audit_key(ctx, "key.created", &key->id);
}

enum err access_key_create(struct ctx *ctx, const struct new_access_key *wanted,
                           struct made_key *ret_made)
{
    if (wanted->expires_at != 0 && wanted->expires_at <= clock_now_ms())
        return fail(ctx, ERR_VALIDATION, "expires_at", "expires_at must be in the future.");
    TRY(access_key_make(ctx, &ctx->tenant_id, wanted, ret_made));
    return db_transaction(ctx, insert, &ret_made->key);
}

/* --- listing --- */

/* Replaced keys are there as long as they work. */
static void put_working(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *ended = BCON_NEW("$not", "{", "$lte", BCON_DATE_TIME(clock_now_ms()), "}");

    BSON_APPEND_DOCUMENT(filter, "ends_at", ended);
}

enum err access_key_list(struct ctx *ctx, const struct uuid *after, int64_t limit,
                         struct list *ret_keys)
{
    AUTO(bson_destroy) bson_t *filter = not_ended();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));

    put_working(filter);
    if (!uuid_is_zero(after)) {
        bson_t range;

        BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
        bson_put_uuid(&range, "$gt", after);
        bson_append_document_end(filter, &range);
    }
    TRY(db_find_many(ctx, &access_key_schema,
                     &(struct db_find){.filter = filter, .sort = sort, .limit = limit}, ret_keys));
    return access_key_use_fill(ctx, ret_keys);
}

/* --- replacing --- */

struct rotation {
    const struct access_key *old_key, *new_key;
    int64_t overlap_ms;
};

/* The old key, on condition that nobody has replaced or ended it meanwhile. */
static enum err retire(struct ctx *ctx, const struct rotation *rotation)
{
    AUTO(bson_destroy) bson_t *filter = not_ended();
    AUTO(bson_destroy) bson_t *update = rotation->overlap_ms > 0 ? bson_new() : ending();
    const int64_t ends_at = clock_now_ms() + rotation->overlap_ms;
    AUTO(bson_destroy) bson_t *unreplaced = BCON_NEW("$exists", BCON_BOOL(false));

    bson_put_uuid(filter, "_id", &rotation->old_key->id);
    BSON_APPEND_DOCUMENT(filter, "ends_at", unreplaced);
    if (rotation->overlap_ms > 0) {
        bson_t set;

        BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
        bson_put_time(&set, "ends_at", ends_at);
        bson_put_time(&set, "purge_at", ends_at + KEPT_MS);
        bson_put_uuid(&set, "successor_id", &rotation->new_key->id);
        bson_append_document_end(update, &set);
    }
    return db_update_one(ctx, &access_key_schema, filter, update);
}

/* What the old key replaced: two keys work at once, never three. */
static enum err end_predecessors(struct ctx *ctx, const struct uuid *id)
{
    AUTO(bson_destroy) bson_t *filter = not_ended();
    AUTO(bson_destroy) bson_t *update = ending();
    int64_t ended = 0;

    bson_put_uuid(filter, "successor_id", id);
    return db_update_many(ctx, &access_key_schema, filter, update, &ended);
}

static enum err replace(struct ctx *ctx, void *arg)
{
    const struct rotation *rotation = arg;

    TRY(retire(ctx, rotation));
    TRY(end_predecessors(ctx, &rotation->old_key->id));
    TRY(access_key_insert(ctx, rotation->new_key));
    return audit_key(ctx, "key.rotated", &rotation->old_key->id);
}

static enum err find_replaceable(struct ctx *ctx, const struct uuid *id, struct access_key *ret_key)
{
    AUTO(bson_destroy) bson_t *filter = not_ended();

    bson_put_uuid(filter, "_id", id);
    TRY(db_find_one(ctx, &access_key_schema, filter, ret_key));
    if (ret_key->ends_at != 0)
        return access_key_is_live(ret_key)
                   ? fail(ctx, ERR_CONFLICT, NULL, "This key was replaced already.")
                   : ERR_NOT_FOUND;
    if (!access_key_is_live(ret_key))
        return fail(ctx, ERR_CONFLICT, NULL, "This key has expired; delete it and make a new one.");
    return ERR_OK;
}

enum err access_key_rotate(struct ctx *ctx, const struct uuid *id, int64_t overlap_ms,
                           struct made_key *ret_made)
{
    struct access_key old_key = {0};
    struct rotation rotation = {
        .old_key = &old_key, .new_key = &ret_made->key, .overlap_ms = overlap_ms};

    TRY(find_replaceable(ctx, id, &old_key));
    TRY(access_key_make(ctx, &ctx->tenant_id,
                        &(struct new_access_key){.label = old_key.label, .scopes = "auth"},
                        ret_made));
    ret_made->key.scopes = old_key.scopes;
    ret_made->key.expires_at = old_key.expires_at;

    const enum err replaced = db_transaction(ctx, replace, &rotation);

    /* Also of those that it had replaced. */
    cache_flush(ctx->app->access_keys);
    return replaced == ERR_NOT_FOUND
               ? fail(ctx, ERR_CONFLICT, NULL, "This key was replaced or deleted meanwhile.")
               : replaced;
}

/* --- ending --- */

static enum err end_key(struct ctx *ctx, void *arg)
{
    const struct uuid *id = arg;
    AUTO(bson_destroy) bson_t *filter = not_ended();
    AUTO(bson_destroy) bson_t *update = ending();
    struct access_key before = {0};

    bson_put_uuid(filter, "_id", id);
    put_working(filter);
    TRY(db_find_and_update(ctx, &access_key_schema,
                           &(struct db_change){.filter = filter, .update = update, .before = true},
                           &before));
    if (before.ends_at == 0)
        TRY(tenant_usage_give_back(ctx, TENANT_USES_KEYS));
    return audit_key(ctx, "key.deleted", id);
}

enum err access_key_delete(struct ctx *ctx, const struct uuid *id)
{
    struct uuid key_id = *id;
    const enum err ended = db_transaction(ctx, end_key, &key_id);

    access_key_forget(ctx, id);
    return ended;
}

/* --- counting --- */

enum err access_key_count(struct ctx *ctx, int64_t *ret_keys)
{
    AUTO(bson_destroy) bson_t *counting = not_ended();
    AUTO(bson_destroy) bson_t *unreplaced = BCON_NEW("$exists", BCON_BOOL(false));

    BSON_APPEND_DOCUMENT(counting, "ends_at", unreplaced);
    return db_count(ctx, &access_key_schema, counting, 0, ret_keys);
}

enum err access_key_recount(struct ctx *ctx)
{
    struct tenant_usage usage = {0};
    int64_t keys = 0;

    TRY(tenant_usage_get(ctx, &usage));
    TRY(access_key_count(ctx, &keys));
    return tenant_usage_settle(ctx, TENANT_USES_KEYS, usage.access_keys, keys);
}
