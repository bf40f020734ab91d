/* Opening the keys of a tenant, and the cache of sets. */
#include "app/keys.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/keys_internal.h"
#include "app/watch.h"

#define LOAD_LIMIT    ((size_t)256 * 1024)
#define JWKS_MAX_TEXT ((size_t)16 * 1024)
#define READ_AGAIN_MS 1000

static const struct field signing_key_fields[] = {
    FIELD_UUID(struct signing_key, id, "id", F_REQUIRED | F_INTERNAL, .bson = "_id"),
    FIELD_UUID(struct signing_key, tenant_id, "tenant_id", F_REQUIRED | F_INTERNAL),
    FIELD_STR(struct signing_key, kid, "kid", F_REQUIRED | F_INTERNAL, 1, JWS_KID_SIZE - 1),
    FIELD_STR(struct signing_key, alg, "alg", F_REQUIRED | F_INTERNAL, 1, 16),
    FIELD_STR(struct signing_key, state, "state", F_REQUIRED | F_INTERNAL, 1, 16),
    FIELD_DOC(struct signing_key, public_jwk, "public_jwk", F_REQUIRED | F_INTERNAL),
    FIELD_BYTES(struct signing_key, private_sealed, "private_sealed", F_REQUIRED | F_SECRET),
    FIELD_TIME(struct signing_key, created_at, "created_at", F_REQUIRED | F_INTERNAL),
    FIELD_TIME(struct signing_key, signs_from, "signs_from", F_INTERNAL),
    FIELD_TIME(struct signing_key, expires_at, "expires_at", F_INTERNAL),
};

const struct schema signing_key_schema = {
    .name = "signing_key",
    .collection = "signing_keys",
    .size = sizeof(struct signing_key),
    SCHEMA_FIELDS(signing_key_fields),
};

static const struct field data_key_fields[] = {
    FIELD_UUID(struct data_key, id, "id", F_REQUIRED | F_INTERNAL, .bson = "_id"),
    FIELD_UUID(struct data_key, tenant_id, "tenant_id", F_REQUIRED | F_INTERNAL),
    FIELD_STR(struct data_key, kid, "kid", F_REQUIRED | F_INTERNAL, 1, 32),
    FIELD_BYTES(struct data_key, sealed, "sealed", F_REQUIRED | F_SECRET),
    FIELD_TIME(struct data_key, created_at, "created_at", F_REQUIRED | F_INTERNAL),
};

const struct schema data_key_schema = {
    .name = "data_key",
    .collection = "data_keys",
    .size = sizeof(struct data_key),
    SCHEMA_FIELDS(data_key_fields),
};

int64_t signing_key_begins(const struct signing_key *key)
{
    return key->signs_from != 0 ? key->signs_from : key->created_at;
}

/* ---- opening ---- */

static enum err open_data_key(struct ctx *ctx, const uint8_t *with, const struct data_key *stored,
                              const uint8_t **ret_key)
{
    struct bytes plain;
    const char *place;

    TRY(keys_sealed_place(ctx, &stored->tenant_id, PLACE_DATA_KEY, &stored->id, &place));
    TRY(secret_open(ctx, with, &stored->sealed, place, &plain));
    if (plain.size != SECRET_KEY_SIZE)
        return fail_internal(ctx, ERR_INTERNAL, "the stored key %s has a bad size", stored->kid);
    *ret_key = plain.data;
    return ERR_OK;
}

/* Of the tenant's stored keys the one that seals the others. */
enum err keys_open_tenant_key(struct ctx *ctx, const struct list *stored, const uint8_t **ret_key)
{
    const struct data_key *keys = stored->items;

    for (size_t i = 0; i < stored->count; i++) {
        if (strcmp(keys[i].kid, DATA_KID) == 0)
            return open_data_key(ctx, app_config(ctx->app)->master_key_bytes, &keys[i], ret_key);
    }
    return fail_internal(ctx, ERR_NOT_FOUND, "the tenant has no data key");
}

/* Numbered keys are 1, 2, 3 …; 0 when the kid is none of this kind. */
static uint32_t number_of_kid(const char *kid, const char *prefix)
{
    const size_t length = strlen(prefix);
    uint32_t id = 0;

    if (strncmp(kid, prefix, length) != 0)
        return 0;
    for (const char *at = kid + length; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || id > UINT32_MAX / 10 - 1)
            return 0;
        id = id * 10 + (uint32_t)(*at - '0');
    }
    return id;
}

/* The keys of one kind in a set; a higher id is a newer key and goes first: it makes what is new.
 */
struct numbered_keys {
    const char *prefix;
    struct numbered_key *keys;
    size_t *count, most;
};

static void add_numbered(const struct numbered_keys *to, uint32_t id, const uint8_t *key)
{
    size_t at = *to->count;

    if (at == to->most && to->keys[at - 1].id > id)
        return;
    if (at == to->most)
        at--;
    else
        ++*to->count;
    for (; at > 0 && to->keys[at - 1].id < id; at--)
        to->keys[at] = to->keys[at - 1];
    to->keys[at].id = id;
    memcpy(to->keys[at].key, key, SECRET_KEY_SIZE);
}

static enum err open_numbered(struct ctx *ctx, const struct list *stored, const uint8_t *data_key,
                              const struct numbered_keys *to)
{
    const struct data_key *keys = stored->items;

    for (size_t i = 0; i < stored->count; i++) {
        const uint32_t id = number_of_kid(keys[i].kid, to->prefix);
        const uint8_t *key = NULL;

        if (id == 0)
            continue;
        TRY(open_data_key(ctx, data_key, &keys[i], &key));
        add_numbered(to, id, key);
    }
    return ERR_OK;
}

static enum err open_all_numbered(struct ctx *ctx, const struct list *stored,
                                  const uint8_t *data_key, struct key_set *set)
{
    const struct numbered_keys macs = {MAC_KID_PREFIX, set->macs, &set->mac_count, KEY_SET_MAX};
    const struct numbered_keys fields = {FIELD_KID_PREFIX, set->fields, &set->field_count,
                                         KEY_FIELD_MAX};

    TRY(open_numbered(ctx, stored, data_key, &macs));
    TRY(open_numbered(ctx, stored, data_key, &fields));
    return set->mac_count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

/* What the loading of one set works with: temporary memory, and the snapshot that keeps the result.
 */
struct opening {
    struct ctx *temporary;
    struct ctx *snapshot;
    const uint8_t *data_key;
    struct key_set *set;
};

static void free_signing_key(void *key)
{
    jws_key_free(key);
}

static enum err open_signing_key(const struct opening *open, const struct signing_key *stored)
{
    struct key_set *set = open->set;
    const size_t at = set->signing_count;
    struct jws_key *key;
    struct bytes der;
    const char *place;

    TRY(keys_sealed_place(open->temporary, &stored->tenant_id, PLACE_SIGNING_KEY, &stored->id,
                          &place));
    TRY(secret_open(open->temporary, open->data_key, &stored->private_sealed, place, &der));
    TRY(jws_key_parse(open->temporary, jws_alg_named(stored->alg), stored->kid, &der, &key));
    TRY(snapshot_on_free(open->snapshot, free_signing_key, key));
    set->signing[at] = key;
    set->uses[at] = (struct key_use){.signs_from = signing_key_begins(stored),
                                     .expires_at = stored->expires_at};
    set->public_jwks[at].size = stored->public_jwk.size;
    set->public_jwks[at].data =
        arena_memdup(open->snapshot->arena, stored->public_jwk.data, stored->public_jwk.size);
    if (set->public_jwks[at].data == NULL)
        return fail_internal(open->temporary, ERR_MEMORY, "no memory for a key set");
    set->signing_count++;
    return ERR_OK;
}

static int newest_first(const void *left, const void *right)
{
    const int64_t a = signing_key_begins(left), b = signing_key_begins(right);

    return (a < b) - (a > b);
}

/* Of one algorithm a set holds so many; those of the other keep their room. */
static bool has_room(const struct key_set *set, enum jws_alg alg)
{
    size_t count = 0;

    for (size_t i = 0; i < set->signing_count; i++)
        count += jws_key_alg(set->signing[i]) == alg;
    return (alg == JWS_ES256 || alg == JWS_RS256) && count < KEY_SET_MAX;
}

static enum err open_signing_keys(const struct opening *open, const struct list *stored)
{
    struct signing_key *keys = stored->items;
    const int64_t now = clock_now_ms();

    if (stored->count == 0)
        return ERR_NOT_FOUND;
    qsort(keys, stored->count, sizeof *keys, newest_first);
    for (size_t i = 0; i < stored->count; i++) {
        const bool ended = keys[i].expires_at > 0 && keys[i].expires_at <= now;

        if (!ended && has_room(open->set, jws_alg_named(keys[i].alg)))
            TRY(open_signing_key(open, &keys[i]));
    }
    return key_set_signer(open->set, JWS_ES256) != NULL ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- the published set ---- */

static void write_jwk(struct buf *out, const struct bytes *jwk)
{
    bson_t document;
    bson_iter_t member;
    bool first = true;

    buf_putc(out, '{');
    if (!bson_init_static(&document, jwk->data, jwk->size) || !bson_iter_init(&member, &document)) {
        out->failed = true;
        return;
    }
    while (bson_iter_next(&member)) {
        uint32_t length = 0;

        if (!BSON_ITER_HOLDS_UTF8(&member))
            continue;

        const char *text = bson_iter_utf8(&member, &length);

        if (!first)
            buf_putc(out, ',');
        first = false;
        buf_json_string(out, bson_iter_key(&member), bson_iter_key_len(&member));
        buf_putc(out, ':');
        buf_json_string(out, text, length);
    }
    buf_putc(out, '}');
}

static enum err write_jwks(const struct opening *open)
{
    struct key_set *set = open->set;
    struct buf out;

    buf_init(&out, open->temporary->arena, JWKS_MAX_TEXT);
    buf_puts(&out, "{\"keys\":[");
    for (size_t i = 0; i < set->signing_count; i++) {
        if (i > 0)
            buf_putc(&out, ',');
        write_jwk(&out, &set->public_jwks[i]);
    }
    buf_puts(&out, "]}");

    const char *text = buf_text(&out);

    set->jwks_json = text != NULL ? arena_strdup(open->snapshot->arena, text) : NULL;
    return set->jwks_json != NULL
               ? ERR_OK
               : fail_internal(open->temporary, ERR_MEMORY, "no memory for a key set");
}

/* ---- through the cache ---- */

static enum err load_set(struct opening *open)
{
    struct list data_keys, signing_keys;
    const struct db_find all = {.limit = INT64_C(4) * KEY_SET_MAX};

    TRY(db_find_many(open->temporary, &data_key_schema, &all, &data_keys));
    TRY(db_find_many(open->temporary, &signing_key_schema, &all, &signing_keys));
    TRY(keys_open_tenant_key(open->temporary, &data_keys, &open->data_key));
    TRY(open_all_numbered(open->temporary, &data_keys, open->data_key, open->set));
    TRY(open_signing_keys(open, &signing_keys));
    return write_jwks(open);
}

enum err keys_load(struct ctx *ctx, const void *key, size_t key_size, const void **ret_data)
{
    struct key_set *set = ARENA_NEW(ctx->arena, struct key_set);
    struct arena arena;
    struct ctx temporary = *ctx;
    struct opening open = {.temporary = &temporary, .snapshot = ctx, .set = set};

    if (set == NULL || key_size != sizeof set->tenant_id)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a key set");
    memcpy(&set->tenant_id, key, key_size);
    set->loaded_at = clock_monotonic_ms();
    /* Opened private keys pass through memory that is wiped at once, not when the snapshot goes. */
    arena_init(&arena, LOAD_LIMIT);
    temporary.arena = &arena;
    temporary.tenant = NULL;
    temporary.tenant_id = set->tenant_id;

    const enum err code = load_set(&open);

    ctx->db_calls = temporary.db_calls;
    if (code != ERR_OK && temporary.failure.internal != NULL)
        fail_internal(ctx, code, "%s", temporary.failure.internal);
    arena_clear(&arena);
    *ret_data = set;
    return code;
}

enum err keys_get_for(struct ctx *ctx, const struct uuid *tenant_id,
                      const struct key_set **ret_keys)
{
    const void *data;

    if (ctx->app->watch != NULL && !watch_is_fresh(ctx->app->watch))
        cache_drop(ctx->app->keys, tenant_id, sizeof *tenant_id);
    TRY(cache_get(ctx->app->keys, ctx, tenant_id, sizeof *tenant_id, &data));
    *ret_keys = data;
    return ERR_OK;
}

enum err keys_get(struct ctx *ctx, const struct key_set **ret_keys)
{
    return keys_get_for(ctx, &ctx->tenant_id, ret_keys);
}

static bool has_kid(const struct key_set *keys, const char *kid)
{
    for (size_t i = 0; i < keys->signing_count; i++)
        if (strcmp(jws_key_kid(keys->signing[i]), kid) == 0)
            return true;
    return false;
}

enum err keys_get_with(struct ctx *ctx, const struct uuid *tenant_id, const char *kid,
                       const struct key_set **ret_keys)
{
    TRY(keys_get_for(ctx, tenant_id, ret_keys));
    if (kid == NULL || has_kid(*ret_keys, kid) ||
        clock_monotonic_ms() - (*ret_keys)->loaded_at < READ_AGAIN_MS)
        return ERR_OK;
    cache_drop(ctx->app->keys, tenant_id, sizeof *tenant_id);
    return keys_get_for(ctx, tenant_id, ret_keys);
}

static bool has_expired(const struct key_use *use, int64_t now)
{
    return use->expires_at != 0 && use->expires_at <= now;
}

const struct jws_key *key_set_signer(const struct key_set *keys, enum jws_alg alg)
{
    const int64_t now = clock_now_ms();
    const struct jws_key *oldest = NULL;

    for (size_t i = 0; i < keys->signing_count; i++) {
        if (jws_key_alg(keys->signing[i]) != alg)
            continue;
        oldest = keys->signing[i];
        if (keys->uses[i].signs_from <= now && !has_expired(&keys->uses[i], now))
            break;
    }
    return oldest;
}

const struct jws_key *key_set_find(const struct key_set *keys, enum jws_alg alg, const char *kid)
{
    const int64_t now = clock_now_ms();

    for (size_t i = 0; kid != NULL && i < keys->signing_count; i++)
        if (jws_key_alg(keys->signing[i]) == alg && strcmp(jws_key_kid(keys->signing[i]), kid) == 0)
            return has_expired(&keys->uses[i], now) ? NULL : keys->signing[i];
    return NULL;
}

const struct numbered_key *key_set_field(const struct key_set *keys, uint32_t id)
{
    for (size_t i = 0; i < keys->field_count; i++)
        if (keys->fields[i].id == id)
            return &keys->fields[i];
    return NULL;
}

const struct numbered_key *key_set_mac(const struct key_set *keys, uint32_t id)
{
    for (size_t i = 0; i < keys->mac_count; i++)
        if (keys->macs[i].id == id)
            return &keys->macs[i];
    return NULL;
}
