/* Sealing and opening single values, and the keys for that. */
#include "models/custom_seal.h"

#include <string.h>

#include "app/db.h"
#include "app/keys.h"
#include "models/audit.h"

#define SUBTYPE     BSON_SUBTYPE_USER
#define FORM        1
#define HEADER_SIZE 5

bool custom_is_sealed(const bson_iter_t *element)
{
    bson_subtype_t subtype = BSON_SUBTYPE_BINARY;
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (!BSON_ITER_HOLDS_BINARY(element))
        return false;
    bson_iter_binary(element, &subtype, &size, &data);
    return subtype == SUBTYPE && size > HEADER_SIZE && data[0] == FORM;
}

/* The path stands last, because it may hold anything. */
static enum err context_of(struct ctx *ctx, const struct custom_place *place, uint32_t number,
                           const char **ret_context)
{
    char tenant[UUID_HEX_SIZE], user[UUID_HEX_SIZE];

    uuid_hex(&ctx->tenant_id, tenant);
    uuid_hex(place->user_id, user);
    *ret_context = arena_printf(ctx->arena, "%s:users:custom_fields:%s:%u:%s", tenant, user,
                                (unsigned)number, place->path);
    return *ret_context != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a field");
}

enum err custom_seal(struct ctx *ctx, const struct custom_place *place, const struct bytes *plain,
                     struct bytes *ret_sealed)
{
    const struct key_set *keys = NULL;
    const char *context = NULL;
    struct bytes sealed = {0};

    TRY(keys_get_field(ctx, 0, &keys));

    const struct numbered_key *key = &keys->fields[0];

    TRY(context_of(ctx, place, key->id, &context));
    TRY(secret_seal(ctx, key->key, plain, context, &sealed));

    uint8_t *bytes = arena_alloc(ctx->arena, HEADER_SIZE + sealed.size);

    if (bytes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a field");
    bytes[0] = FORM;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(key->id >> (24 - 8 * i));
    memcpy(bytes + HEADER_SIZE, sealed.data, sealed.size);
    *ret_sealed = (struct bytes){.data = bytes, .size = HEADER_SIZE + sealed.size};
    return ERR_OK;
}

enum err custom_open(struct ctx *ctx, const struct custom_place *place, const bson_iter_t *sealed,
                     struct bytes *ret_plain, bool *ret_is_current)
{
    const struct key_set *keys = NULL;
    const struct numbered_key *key;
    const char *context = NULL;
    const uint8_t *data = NULL;
    uint32_t size = 0, number;

    if (!custom_is_sealed(sealed))
        return fail_internal(ctx, ERR_INTERNAL, "%s is no sealed value", place->path);
    bson_iter_binary(sealed, NULL, &size, &data);
    number = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
    TRY(keys_get_field(ctx, number, &keys));
    key = key_set_field(keys, number);
    if (key == NULL)
        return fail_internal(ctx, ERR_INTERNAL, "the tenant has no field key %u", (unsigned)number);
    *ret_is_current = key == &keys->fields[0];
    TRY(context_of(ctx, place, number, &context));
    return secret_open(ctx, key->key,
                       &(struct bytes){.data = data + HEADER_SIZE, .size = size - HEADER_SIZE},
                       context, ret_plain);
}

/* ---- one more key ---- */

static enum err insert_key(struct ctx *ctx, void *arg)
{
    const struct data_key *key = arg;

    TRY(db_insert(ctx, &data_key_schema, key));
    return audit_insert(ctx, "field_key.rotated", "success", NULL, key->kid);
}

enum err custom_key_rotate(struct ctx *ctx, uint32_t *ret_number)
{
    const struct key_set *keys = NULL;
    struct data_key key;

    TRY(keys_get_field(ctx, 0, &keys));
    if (keys->field_count >= KEY_FIELD_MAX)
        return fail(ctx, ERR_CONFLICT, NULL,
                    "The tenant has %d keys for fields, and no more than that.", KEY_FIELD_MAX);
    *ret_number = keys->fields[0].id + 1;
    TRY(keys_make_field(ctx, *ret_number, &key));

    const enum err inserted = db_transaction(ctx, insert_key, &key);

    return inserted == ERR_CONFLICT
               ? fail(ctx, ERR_CONFLICT, NULL, "Somebody else made this key meanwhile.")
               : inserted;
}
