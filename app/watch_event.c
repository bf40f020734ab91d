/* Events to cache drops. Where an event does not tell which entry it concerns, all of a kind go. */
#include "app/watch_event.h"

#include <string.h>

#include "app/cache.h"
#include "app/revocation.h"
#include "app/token_cache.h"
#include "app/uuid.h"

const char *const watch_collections[] = {
    "tenants",       "tenant_domains", "signing_keys", "data_keys", "access_keys",
    "oauth_clients", "revocations",    "leases",       NULL,
};

/* ---- reading events ---- */

static const char *text_at(const bson_t *document, const char *path, size_t *ret_length)
{
    bson_iter_t start, at;
    uint32_t length = 0;

    if (!bson_iter_init(&start, document) || !bson_iter_find_descendant(&start, path, &at) ||
        !BSON_ITER_HOLDS_UTF8(&at))
        return NULL;

    const char *text = bson_iter_utf8(&at, &length);

    *ret_length = length;
    return text;
}

static bool is(const char *text, const char *name)
{
    return text != NULL && strcmp(text, name) == 0;
}

static bool uuid_at(const bson_t *document, const char *path, struct uuid *ret_id)
{
    bson_iter_t start, at;
    bson_subtype_t subtype;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;

    if (!bson_iter_init(&start, document) || !bson_iter_find_descendant(&start, path, &at) ||
        !BSON_ITER_HOLDS_BINARY(&at))
        return false;
    bson_iter_binary(&at, &subtype, &size, &bytes);
    if (subtype != BSON_SUBTYPE_UUID || size != sizeof ret_id->bytes)
        return false;
    memcpy(ret_id->bytes, bytes, size);
    return true;
}

int64_t watch_event_time(const bson_t *event)
{
    bson_iter_t at;

    return bson_iter_init_find(&at, event, "wallTime") && BSON_ITER_HOLDS_DATE_TIME(&at)
               ? bson_iter_date_time(&at)
               : 0;
}

/* ---- what they mean ---- */

static void drop(struct cache *cache, const void *key, size_t size)
{
    if (cache != NULL)
        cache_drop(cache, key, size);
}

static void flush(struct cache *cache)
{
    if (cache != NULL)
        cache_flush(cache);
}

void watch_flush(struct app *app)
{
    flush(app->tenants);
    flush(app->slugs);
    flush(app->domains);
    flush(app->origins);
    flush(app->keys);
    flush(app->access_keys);
    flush(app->clients);
    flush(app->client_origins);
    flush(app->shapes);
    if (app->tokens != NULL)
        token_cache_flush(app->tokens);
}

static void tenant_changed(struct app *app, const bson_t *event, bool created)
{
    struct uuid id;
    size_t length = 0;
    const char *slug = text_at(event, "fullDocument.slug", &length);

    if (uuid_at(event, "documentKey._id", &id))
        drop(app->tenants, id.bytes, sizeof id.bytes);
    else
        flush(app->tenants);
    if (slug != NULL)
        drop(app->slugs, slug, length);
    else
        flush(app->slugs);
    if (!created) {
        flush(app->domains);
        flush(app->origins);
    }
}

static void keys_changed(struct app *app, const bson_t *event, bool created)
{
    struct uuid tenant_id;

    if (uuid_at(event, "fullDocument.tenant_id", &tenant_id))
        drop(app->keys, tenant_id.bytes, sizeof tenant_id.bytes);
    else
        flush(app->keys);
    /* A key that is no longer trusted may have signed some of them. */
    if (!created && app->tokens != NULL)
        token_cache_flush(app->tokens);
}

static void access_key_changed(struct app *app, const bson_t *event)
{
    struct uuid tenant_id, id;
    uint8_t key[2 * sizeof id.bytes];

    if (!uuid_at(event, "fullDocument.tenant_id", &tenant_id) ||
        !uuid_at(event, "documentKey._id", &id)) {
        flush(app->access_keys);
        return;
    }
    memcpy(key, tenant_id.bytes, sizeof tenant_id.bytes);
    memcpy(key + sizeof tenant_id.bytes, id.bytes, sizeof id.bytes);
    drop(app->access_keys, key, sizeof key);
}

static void client_changed(struct app *app, const bson_t *event)
{
    size_t length = 0;
    struct uuid tenant_id;
    const char *id = text_at(event, "documentKey._id", &length);

    if (id != NULL)
        drop(app->clients, id, length);
    else
        flush(app->clients);
    /* A deletion does not tell whose it was. */
    if (uuid_at(event, "fullDocument.tenant_id", &tenant_id))
        drop(app->client_origins, tenant_id.bytes, sizeof tenant_id.bytes);
    else
        flush(app->client_origins);
}

void watch_apply_revocation(struct app *app, bson_iter_t *document)
{
    struct revocation entry = {0};

    while (bson_iter_next(document)) {
        const char *name = bson_iter_key(document);

        if (is(name, "_id") && BSON_ITER_HOLDS_UTF8(document))
            entry.id = bson_iter_utf8(document, NULL);
        else if (is(name, "min_epoch") && BSON_ITER_HOLDS_NUMBER(document))
            entry.min_epoch = bson_iter_as_int64(document);
        else if (is(name, "expires_at") && BSON_ITER_HOLDS_DATE_TIME(document))
            entry.expires_at = bson_iter_date_time(document);
    }
    revocations_apply(app->revocations, &entry);
}

/* Without a document it has ended by itself meanwhile. */
static void revocation_changed(struct app *app, const bson_t *event)
{
    bson_iter_t at, document;

    if (bson_iter_init_find(&at, event, "fullDocument") && BSON_ITER_HOLDS_DOCUMENT(&at) &&
        bson_iter_recurse(&at, &document))
        watch_apply_revocation(app, &document);
}

static bool is_change(const char *operation)
{
    return is(operation, "insert") || is(operation, "update") || is(operation, "replace") ||
           is(operation, "delete");
}

enum watch_effect watch_event_apply(struct app *app, const bson_t *event)
{
    size_t length = 0;
    const char *operation = text_at(event, "operationType", &length);
    const char *collection = text_at(event, "ns.coll", &length);
    const bool created = is(operation, "insert");

    if (is(operation, "drop") || is(operation, "rename") || is(operation, "dropDatabase") ||
        is(operation, "invalidate"))
        return WATCH_LOST;
    if (!is_change(operation))
        return WATCH_APPLIED;
    if (is(collection, "tenants"))
        tenant_changed(app, event, created);
    else if (is(collection, "tenant_domains"))
        flush(app->domains);
    else if (is(collection, "signing_keys") || is(collection, "data_keys"))
        keys_changed(app, event, created);
    else if (is(collection, "access_keys"))
        access_key_changed(app, event);
    else if (is(collection, "oauth_clients"))
        client_changed(app, event);
    else if (is(collection, "revocations"))
        revocation_changed(app, event);
    return WATCH_APPLIED;
}
