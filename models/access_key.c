/* Access keys: making, and proving through the cache. */
#include "models/access_key.h"

#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"
#include "app/watch.h"

#define PREFIX        "ak_"
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define HEX_LENGTH    (UUID_HEX_SIZE - 1)
#define CHECK_SIZE    4
#define SECRET_SIZE   (16 + 32 + CHECK_SIZE) /* tenant, random, checksum */
#define SECRET_LENGTH BASE64URL_LENGTH(SECRET_SIZE)
#define KEY_LENGTH    (PREFIX_LENGTH + HEX_LENGTH + 1 + SECRET_LENGTH)

/* clang-format off */
static const struct field access_key_fields[] = {
    FIELD_UUID(struct access_key, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct access_key, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_BYTES(struct access_key, hash, "hash", F_READONLY | F_SECRET | F_REQUIRED),
    FIELD_STR(struct access_key, label, "label", F_TRIM, 1, 100),
    FIELD_STRS(struct access_key, scopes, "scopes", F_REQUIRED, 1, 32, 16),
    FIELD_TIME(struct access_key, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct access_key, expires_at, "expires_at", F_NONE),
    FIELD_TIME(struct access_key, last_used_at, "last_used_at", F_READONLY | F_NOT_STORED, .doc = "To the minute; absent when it was not used in the last 400 days."),
    FIELD_TIME(struct access_key, ends_at, "ends_at", F_READONLY, .doc = "Of a key that was replaced and still works until then."),
    FIELD_TIME(struct access_key, revoked_at, "revoked_at", F_READONLY | F_INTERNAL),
    FIELD_UUID(struct access_key, successor_id, "successor_id", F_READONLY, .doc = "The key that replaced it."),
    FIELD_TIME(struct access_key, purge_at, "purge_at", F_READONLY | F_INTERNAL),
};
/* clang-format on */

const struct schema access_key_schema = {
    .name = "access_key",
    .collection = "access_keys",
    .size = sizeof(struct access_key),
    SCHEMA_FIELDS(access_key_fields),
};

/* The last bytes of the secret tell a typing error (and a secret scanner) before any look-up. */
static void checksum(const char *id_hex, const uint8_t *secret, uint8_t ret_check[CHECK_SIZE])
{
    uint8_t message[HEX_LENGTH + SECRET_SIZE - CHECK_SIZE], digest[SHA256_SIZE];

    memcpy(message, id_hex, HEX_LENGTH);
    memcpy(message + HEX_LENGTH, secret, SECRET_SIZE - CHECK_SIZE);
    secret_sha256(message, sizeof message, digest);
    memcpy(ret_check, digest, CHECK_SIZE);
    secret_wipe(message, sizeof message);
}

static enum err split_scopes(struct ctx *ctx, const char *text, struct strs *ret_scopes)
{
    char *copy = arena_strdup(ctx->arena, text);
    const char **items = arena_array(ctx->arena, 16, sizeof *items);
    size_t count = 0;

    if (copy == NULL || items == NULL)
        return ERR_MEMORY;
    for (char *rest = copy; rest != NULL && count < 16;)
        items[count++] = strsep(&rest, " ");
    *ret_scopes = (struct strs){.items = items, .count = count};
    return ERR_OK;
}

enum err access_key_make(struct ctx *ctx, const struct uuid *tenant_id,
                         const struct new_access_key *wanted, struct made_key *ret_made)
{
    struct access_key key = {.id = uuid_is_zero(&wanted->id) ? uuid_new() : wanted->id,
                             .tenant_id = *tenant_id,
                             .label = wanted->label,
                             .created_at = clock_now_ms(),
                             .expires_at = wanted->expires_at};
    uint8_t secret[SECRET_SIZE];
    uint8_t *hash = arena_alloc(ctx->arena, SHA256_SIZE);
    char *text = arena_alloc(ctx->arena, KEY_LENGTH + 1);

    if (hash == NULL || text == NULL)
        return ERR_MEMORY;
    TRY(split_scopes(ctx, wanted->scopes, &key.scopes));
    memcpy(text, PREFIX, PREFIX_LENGTH);
    uuid_hex(&key.id, text + PREFIX_LENGTH);
    memcpy(secret, tenant_id->bytes, 16);
    secret_random(secret + 16, 32);
    checksum(text + PREFIX_LENGTH, secret, secret + SECRET_SIZE - CHECK_SIZE);
    text[PREFIX_LENGTH + HEX_LENGTH] = '_';
    base64url_encode(secret, sizeof secret, text + PREFIX_LENGTH + HEX_LENGTH + 1);
    secret_wipe(secret, sizeof secret);
    secret_sha256(text, KEY_LENGTH, hash);
    key.hash = (struct bytes){.data = hash, .size = SHA256_SIZE};
    *ret_made = (struct made_key){.key = key, .text = text};
    return ERR_OK;
}

enum err access_key_insert(struct ctx *ctx, const struct access_key *key)
{
    return db_insert(ctx, &access_key_schema, key);
}

enum err access_key_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct access_key *loaded = ARENA_NEW(ctx->arena, struct access_key);
    struct ctx own = *ctx;
    struct uuid id;

    if (loaded == NULL)
        return ERR_MEMORY;
    if (size != 32)
        return ERR_INTERNAL;
    memcpy(own.tenant_id.bytes, key, 16);
    memcpy(id.bytes, (const uint8_t *)key + 16, 16);
    bson_put_uuid(filter, "_id", &id);

    const enum err found = db_find_one(&own, &access_key_schema, filter, loaded);

    ctx->failure = own.failure;
    ctx->db_calls = own.db_calls;
    *ret_data = loaded;
    return found;
}

static enum err get(struct ctx *ctx, const uint8_t cache_key[32], const struct access_key **ret_key)
{
    const void *data = NULL;

    /* Without news of revocations a cached key proves nothing (TS-13). */
    if (ctx->app->watch != NULL && !watch_is_fresh(ctx->app->watch))
        cache_drop(ctx->app->access_keys, cache_key, 32);

    const enum err found = cache_get(ctx->app->access_keys, ctx, cache_key, 32, &data);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_KEY;
    TRY(found);
    *ret_key = data;
    return ERR_OK;
}

bool access_key_is_live(const struct access_key *key)
{
    const int64_t now = clock_now_ms();

    return key->revoked_at == 0 && (key->expires_at == 0 || key->expires_at > now) &&
           (key->ends_at == 0 || key->ends_at > now);
}

static void put_cache_key(const struct ctx *ctx, const struct uuid *id, uint8_t ret_cache_key[32])
{
    memcpy(ret_cache_key, ctx->tenant_id.bytes, 16);
    memcpy(ret_cache_key + 16, id->bytes, 16);
}

enum err access_key_check(struct ctx *ctx, const struct uuid *id)
{
    const struct access_key *key = NULL;
    uint8_t cache_key[32];

    put_cache_key(ctx, id, cache_key);
    TRY(get(ctx, cache_key, &key));
    return access_key_is_live(key) ? ERR_OK : ERR_BAD_KEY;
}

void access_key_forget(struct ctx *ctx, const struct uuid *id)
{
    uint8_t cache_key[32];

    put_cache_key(ctx, id, cache_key);
    cache_drop(ctx->app->access_keys, cache_key, sizeof cache_key);
}

/* Form and checksum; fills the cache's key (tenant and id). */
static bool parse(const char *text, uint8_t ret_cache_key[32])
{
    uint8_t secret[SECRET_SIZE], check[CHECK_SIZE];
    struct uuid id;

    if (strnlen(text, KEY_LENGTH + 1) != KEY_LENGTH || strncmp(text, PREFIX, PREFIX_LENGTH) != 0 ||
        text[PREFIX_LENGTH + HEX_LENGTH] != '_' || !uuid_parse_hex(text + PREFIX_LENGTH, &id))
        return false;
    if (base64url_decode(text + KEY_LENGTH - SECRET_LENGTH, SECRET_LENGTH, secret, sizeof secret) !=
        SECRET_SIZE)
        return false;
    checksum(text + PREFIX_LENGTH, secret, check);
    if (!secret_equal(check, secret + SECRET_SIZE - CHECK_SIZE, CHECK_SIZE))
        return false;
    memcpy(ret_cache_key, secret, 16);
    memcpy(ret_cache_key + 16, id.bytes, 16);
    return true;
}

enum err access_key_verify(struct ctx *ctx, const char *text, const struct access_key **ret_key)
{
    uint8_t cache_key[32], digest[SHA256_SIZE];
    const struct access_key *key = NULL;

    if (!parse(text, cache_key))
        return fail(ctx, ERR_BAD_KEY, NULL, "The access key is not valid: it is mistyped or cut.");
    TRY(get(ctx, cache_key, &key));
    secret_sha256(text, KEY_LENGTH, digest);
    if (key->hash.size != sizeof digest || !secret_equal(digest, key->hash.data, sizeof digest))
        return ERR_BAD_KEY;
    if (!access_key_is_live(key))
        return ERR_BAD_KEY;
    *ret_key = key;
    return ERR_OK;
}
