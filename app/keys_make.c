/*
 * Making and sealing the keys of a tenant. What seals what: the master key the data key, the data
 * key everything else; the place of each (tenant, collection, field, id) is sealed in with it, so
 * that nothing can be moved to another tenant or document.
 */
#include "app/keys.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/keys_internal.h"

enum err keys_sealed_place(struct ctx *ctx, const struct uuid *tenant_id, const char *field,
                           const struct uuid *id, const char **ret_place)
{
    char tenant[UUID_HEX_SIZE], document[UUID_HEX_SIZE];

    uuid_hex(tenant_id, tenant);
    uuid_hex(id, document);
    *ret_place = arena_printf(ctx->arena, "%s:%s:%s", tenant, field, document);
    return *ret_place != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a key");
}

/* ---- making ---- */

struct sealing {
    const struct uuid *tenant_id;
    const uint8_t *key;
    int64_t now;
};

/* kid and, unless a new one will do, id are there. */
static enum err seal_data_key(struct ctx *ctx, const struct sealing *with,
                              const uint8_t plain[SECRET_KEY_SIZE], struct data_key *ret_key)
{
    const struct bytes secret = {.data = plain, .size = SECRET_KEY_SIZE};
    const char *place;

    if (uuid_is_zero(&ret_key->id))
        ret_key->id = uuid_new();
    ret_key->tenant_id = *with->tenant_id;
    ret_key->created_at = with->now;
    TRY(keys_sealed_place(ctx, with->tenant_id, PLACE_DATA_KEY, &ret_key->id, &place));
    return secret_seal(ctx, with->key, &secret, place, &ret_key->sealed);
}

static enum err seal_signing_key(struct ctx *ctx, const struct sealing *with, enum jws_alg alg,
                                 const struct uuid *id, struct signing_key *ret_key)
{
    struct jws_generated made;
    const char *place;

    TRY(jws_generate(ctx, alg, &made));
    *ret_key = (struct signing_key){
        .id = id != NULL ? *id : uuid_new(),
        .tenant_id = *with->tenant_id,
        .kid = made.kid,
        .alg = jws_alg_name(alg),
        .state = "current",
        .public_jwk = made.public_jwk,
        .created_at = with->now,
    };
    TRY(keys_sealed_place(ctx, with->tenant_id, PLACE_SIGNING_KEY, &ret_key->id, &place));
    return secret_seal(ctx, with->key, &made.private_der, place, &ret_key->private_sealed);
}

/* data and mac come in as random bytes of the caller, who wipes them. */
static enum err prepare_with(struct ctx *ctx, const struct uuid *tenant_id, const uint8_t *data,
                             const uint8_t *mac, struct new_keys *ret_keys)
{
    const int64_t now = clock_now_ms();
    const struct sealing by_master = {
        .tenant_id = tenant_id,
        .key = app_config(ctx->app)->master_key_bytes,
        .now = now,
    };
    const struct sealing by_data = {.tenant_id = tenant_id, .key = data, .now = now};

    ret_keys->data = (struct data_key){.kid = DATA_KID};
    ret_keys->mac = (struct data_key){.kid = MAC_KID_PREFIX "1"};
    TRY(seal_data_key(ctx, &by_master, data, &ret_keys->data));
    TRY(seal_data_key(ctx, &by_data, mac, &ret_keys->mac));
    return seal_signing_key(ctx, &by_data, JWS_ES256, NULL, &ret_keys->signing);
}

enum err keys_prepare(struct ctx *ctx, const struct uuid *tenant_id, struct new_keys *ret_keys)
{
    uint8_t data[SECRET_KEY_SIZE], mac[SECRET_KEY_SIZE];

    secret_random(data, sizeof data);
    secret_random(mac, sizeof mac);

    const enum err code = prepare_with(ctx, tenant_id, data, mac, ret_keys);

    secret_wipe(data, sizeof data);
    secret_wipe(mac, sizeof mac);
    return code;
}

enum err keys_insert(struct ctx *ctx, const struct new_keys *keys)
{
    TRY(db_insert(ctx, &data_key_schema, &keys->data));
    TRY(db_insert(ctx, &data_key_schema, &keys->mac));
    return db_insert(ctx, &signing_key_schema, &keys->signing);
}

/* ---- one more key ---- */

struct uuid keys_agreed_id(const struct uuid *tenant_id, const char *purpose)
{
    uint8_t text[128], digest[SHA256_SIZE];
    const size_t length = strlen(purpose) + 1, room = sizeof text - sizeof tenant_id->bytes;
    const size_t taken = length < room ? length : room;
    struct uuid id;

    memcpy(text, tenant_id->bytes, sizeof tenant_id->bytes);
    memcpy(text + sizeof tenant_id->bytes, purpose, taken);
    secret_sha256(text, sizeof tenant_id->bytes + taken, digest);
    memcpy(id.bytes, digest, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80); /* RFC 9562 §5.8: version 8 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

enum err keys_make_field(struct ctx *ctx, uint32_t number, struct data_key *ret_key)
{
    const struct db_find all = {.limit = INT64_C(4) * KEY_SET_MAX};
    struct sealing by_data = {.tenant_id = &ctx->tenant_id, .now = clock_now_ms()};
    uint8_t key[SECRET_KEY_SIZE];
    struct list stored = {0};

    *ret_key =
        (struct data_key){.kid = arena_printf(ctx->arena, FIELD_KID_PREFIX "%u", (unsigned)number)};
    if (ret_key->kid == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a key");
    ret_key->id = keys_agreed_id(&ctx->tenant_id, ret_key->kid);
    TRY(db_find_many(ctx, &data_key_schema, &all, &stored));
    TRY(keys_open_tenant_key(ctx, &stored, &by_data.key));
    secret_random(key, sizeof key);

    const enum err sealed = seal_data_key(ctx, &by_data, key, ret_key);

    secret_wipe(key, sizeof key);
    return sealed;
}

enum err keys_make_signing(struct ctx *ctx, enum jws_alg alg, const struct uuid *id,
                           struct signing_key *ret_key)
{
    const struct db_find all = {.limit = INT64_C(4) * KEY_SET_MAX};
    struct sealing by_data = {.tenant_id = &ctx->tenant_id, .now = clock_now_ms()};
    struct list stored = {0};

    TRY(db_find_many(ctx, &data_key_schema, &all, &stored));
    TRY(keys_open_tenant_key(ctx, &stored, &by_data.key));
    return seal_signing_key(ctx, &by_data, alg, id, ret_key);
}
