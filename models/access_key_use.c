/* The last use of access keys. */
#include "models/access_key_use.h"

#include <stdatomic.h>
#include <string.h>

#include "app/clock.h"
#include "app/db.h"

#define MINUTE_MS INT64_C(60000)
#define NOTED_SLOTS                                                               \
    1024 /* keys in use at once that cost nothing; a collision costs a round trip \
          */

/* clang-format off */
static const struct field access_key_use_fields[] = {
    FIELD_UUID(struct access_key_use, key_id, "key_id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct access_key_use, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_TIME(struct access_key_use, used_at, "used_at", F_READONLY | F_REQUIRED),
};
/* clang-format on */

const struct schema access_key_use_schema = {
    .name = "access_key_use",
    .collection = "access_key_uses",
    .size = sizeof(struct access_key_use),
    SCHEMA_FIELDS(access_key_use_fields),
};

/* True once a minute for a key: which keys this process has noted, as key and minute in one word.
 * The tail of the id is random, so it says which key it is. */
static bool is_due(const struct uuid *key_id, int64_t now)
{
    static _Atomic uint64_t noted[NOTED_SLOTS];
    uint64_t tail;

    memcpy(&tail, key_id->bytes + 8, sizeof tail);

    _Atomic uint64_t *slot = &noted[tail % NOTED_SLOTS];
    const uint64_t mark = (tail & UINT64_C(0xFFFFFFFF00000000)) | (uint32_t)(now / MINUTE_MS);

    return atomic_exchange_explicit(slot, mark, memory_order_relaxed) != mark;
}

/* Another instance may have noted it: then the upsert meets the document that is there. */
static enum err note(struct ctx *ctx, const struct uuid *key_id, int64_t now)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("used_at", "{", "$lt", BCON_DATE_TIME(now - now % MINUTE_MS), "}");
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "used_at", BCON_DATE_TIME(now), "}");
    struct access_key_use use = {0};

    bson_put_uuid(filter, "_id", key_id);
    return db_find_and_update(
        ctx, &access_key_use_schema,
        &(struct db_change){.filter = filter, .update = update, .upsert = true}, &use);
}

void access_key_use_note(struct ctx *ctx, const struct uuid *key_id)
{
    const struct failure failure = ctx->failure;
    const int64_t now = clock_now_ms();

    if (!is_due(key_id, now))
        return;
    if (note(ctx, key_id, now) != ERR_OK)
        ctx->failure = failure;
}

enum err access_key_use_fill(struct ctx *ctx, const struct list *keys)
{
    struct access_key *items = keys->items;
    struct list uses = {0};
    AUTO(bson_destroy) bson_t *filter = bson_new();
    bson_t among, ids;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &among);
    BSON_APPEND_ARRAY_BEGIN(&among, "$in", &ids);
    for (size_t i = 0; i < keys->count; i++) {
        char number[16];
        const char *name = NULL;

        bson_uint32_to_string((uint32_t)i, &name, number, sizeof number);
        bson_put_uuid(&ids, name, &items[i].id);
    }
    bson_append_array_end(&among, &ids);
    bson_append_document_end(filter, &among);
    TRY(db_find_many(ctx, &access_key_use_schema, &(struct db_find){.filter = filter}, &uses));

    const struct access_key_use *found = uses.items;

    for (size_t u = 0; u < uses.count; u++) {
        for (size_t i = 0; i < keys->count; i++) {
            if (uuid_equal(&items[i].id, &found[u].key_id))
                items[i].last_used_at = found[u].used_at;
        }
    }
    return ERR_OK;
}
