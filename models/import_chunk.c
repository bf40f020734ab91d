/* Chunks: they may hold passwords, so they are as secret as keys. */
#include "models/import_internal.h"

#include <stdio.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/keys.h"
#include "app/secret.h"

/* clang-format off */
static const struct field import_chunk_fields[] = {
    FIELD_STR(struct import_chunk, id, "id", F_READONLY | F_REQUIRED, 1, 128, .bson = "_id"),
    FIELD_UUID(struct import_chunk, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_INT(struct import_chunk, mac, "mac", F_READONLY | F_REQUIRED, 0, UINT32_MAX),
    FIELD_BYTES(struct import_chunk, sealed, "sealed", F_READONLY | F_REQUIRED | F_SECRET),
    FIELD_TIME(struct import_chunk, expires_at, "expires_at", F_READONLY | F_REQUIRED),
};
const struct schema import_chunk_schema = {
    .name = "import_chunk", .collection = "import_chunks",
    .size = sizeof(struct import_chunk), SCHEMA_FIELDS(import_chunk_fields),
};
/* clang-format on */

#define LABEL   "import"
#define DELETED 256 /* chunks in one command, which has two seconds */

const char *import_name(struct ctx *ctx, const struct uuid *import_id, const char *rest)
{
    char tenant[UUID_HEX_SIZE], import[UUID_HEX_SIZE];

    uuid_hex(&ctx->tenant_id, tenant);
    uuid_hex(import_id, import);
    return arena_printf(ctx->arena, "%s:%s:%s", tenant, import, rest);
}

static const char *chunk_id(struct ctx *ctx, const struct uuid *import_id, int64_t number)
{
    char rest[32];

    (void)snprintf(rest, sizeof rest, "%08llx", (unsigned long long)number);
    return import_name(ctx, import_id, rest);
}

enum err import_chunk_put(struct ctx *ctx, const struct uuid *import_id, int64_t number,
                          const struct bytes *text)
{
    struct import_chunk chunk = {.id = chunk_id(ctx, import_id, number),
                                 .tenant_id = ctx->tenant_id,
                                 .expires_at = clock_now_ms() + IMPORT_KEPT_MS};
    const struct key_set *keys = NULL;
    uint8_t key[SECRET_KEY_SIZE];

    if (chunk.id == NULL)
        return ERR_MEMORY;
    TRY(keys_get(ctx, &keys));
    chunk.mac = keys->macs[0].id;
    secret_derive(keys->macs[0].key, LABEL, key);

    const enum err sealed = secret_seal(ctx, key, text, chunk.id, &chunk.sealed);

    secret_wipe(key, sizeof key);
    TRY(sealed);
    return db_insert(ctx, &import_chunk_schema, &chunk);
}

enum err import_chunk_get(struct ctx *ctx, const struct uuid *import_id, int64_t number,
                          struct bytes *ret_text)
{
    const char *id = chunk_id(ctx, import_id, number);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    const struct key_set *keys = NULL;
    struct import_chunk chunk = {0};
    uint8_t key[SECRET_KEY_SIZE];

    if (id == NULL)
        return ERR_MEMORY;
    bson_put_text(filter, "_id", id);
    TRY(db_find_one(ctx, &import_chunk_schema, filter, &chunk));
    TRY(keys_get(ctx, &keys));

    const struct numbered_key *mac = key_set_mac(keys, (uint32_t)chunk.mac);

    if (mac == NULL)
        return fail_internal(ctx, ERR_INTERNAL, "the key of an import is gone");
    secret_derive(mac->key, LABEL, key);

    const enum err opened = secret_open(ctx, key, &chunk.sealed, id, ret_text);

    secret_wipe(key, sizeof key);
    return opened;
}

/* Those from number on, at most DELETED of them. */
static enum err delete_some(struct ctx *ctx, const struct uuid *import_id, int64_t number)
{
    const char *first = chunk_id(ctx, import_id, number);
    const char *behind = chunk_id(ctx, import_id, number + DELETED);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;
    bson_t range;

    if (first == NULL || behind == NULL)
        return ERR_MEMORY;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
    bson_put_text(&range, "$gte", first);
    bson_put_text(&range, "$lt", behind);
    bson_append_document_end(filter, &range);
    return db_delete_many(ctx, &import_chunk_schema, filter, &deleted);
}

enum err import_chunks_delete(struct ctx *ctx, const struct uuid *import_id, int64_t bytes)
{
    for (int64_t number = 0; number * (int64_t)IMPORT_CHUNK < bytes; number += DELETED)
        TRY(delete_some(ctx, import_id, number));
    return ERR_OK;
}
