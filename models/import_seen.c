/*
 * What a dry run would have made. A run that writes finds its own users where it finds all others;
 * one that does not remembers their keys, hashed, in the collection import_keys, so that somebody
 * who stands in the file twice is told also when many lines are between.
 */
#include "models/import_internal.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"

#define KEYS         3
#define DIGEST_BYTES 16
#define FORGET       DB_MAX_RESULTS /* keys in one command, which has two seconds */

struct import_key {
    const char *id; /* "<tenant>:<import>:<which key><its digest>" in hex */
    struct uuid tenant_id;
    int64_t line;
    int64_t expires_at;
};

/* clang-format off */
static const struct field import_key_fields[] = {
    FIELD_STR(struct import_key, id, "id", F_READONLY | F_REQUIRED, 1, 128, .bson = "_id"),
    FIELD_UUID(struct import_key, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_INT(struct import_key, line, "line", F_READONLY | F_REQUIRED, 1, INT64_MAX),
    FIELD_TIME(struct import_key, expires_at, "expires_at", F_READONLY | F_REQUIRED),
};
const struct schema import_key_schema = {
    .name = "import_key", .collection = "import_keys",
    .size = sizeof(struct import_key), SCHEMA_FIELDS(import_key_fields),
};
/* clang-format on */

static void digest_of(const struct import_entry *entry, int key, uint8_t ret[SHA256_SIZE])
{
    const char *text = key == 1 ? entry->given.username_canonical : entry->given.email_canonical;

    if (key == 0)
        secret_sha256(entry->in.id.bytes, sizeof entry->in.id.bytes, ret);
    else
        secret_sha256(text, strlen(text), ret);
}

static const char *name_of(struct ctx *ctx, const struct uuid *import_id, int key,
                           const uint8_t digest[SHA256_SIZE])
{
    char tenant[UUID_HEX_SIZE], import[UUID_HEX_SIZE], hex[UUID_HEX_SIZE];
    struct uuid half;

    memcpy(half.bytes, digest, DIGEST_BYTES);
    uuid_hex(&ctx->tenant_id, tenant);
    uuid_hex(import_id, import);
    uuid_hex(&half, hex);
    return arena_printf(ctx->arena, "%s:%s:%d%s", tenant, import, key, hex);
}

const char *import_seen_id(struct ctx *ctx, const struct uuid *import_id, int key, const char *text)
{
    uint8_t digest[SHA256_SIZE];

    secret_sha256(text, strlen(text), digest);
    return name_of(ctx, import_id, key, digest);
}

static enum err load(struct ctx *ctx, const struct uuid *import_id, struct import_batch *batch,
                     int key)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list found = {0};
    uint8_t digest[SHA256_SIZE];
    bson_t in, list;
    bool any = false;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = batch->from; i < batch->to; i++) {
        struct import_entry *entry = &batch->entries[i];

        entry->seen_ids[key] = NULL;
        if (entry->refused || entry->keys[key] == 0)
            continue;
        digest_of(entry, key, digest);
        entry->seen_ids[key] = name_of(ctx, import_id, key, digest);
        if (entry->seen_ids[key] == NULL)
            continue;
        bson_put_text(&list, "0", entry->seen_ids[key]); /* the server does not read these names */
        any = true;
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    if (any)
        TRY(db_find_many(ctx, &import_key_schema, &(struct db_find){.filter = filter}, &found));

    const struct import_key *keys = found.items;

    for (size_t i = 0; i < found.count; i++) {
        for (size_t j = batch->from; j < batch->to; j++) {
            struct import_entry *entry = &batch->entries[j];

            if (entry->seen_line == 0 && entry->seen_ids[key] != NULL &&
                strcmp(entry->seen_ids[key], keys[i].id) == 0) {
                entry->seen_line = keys[i].line;
                entry->seen_key = key;
            }
        }
    }
    return ERR_OK;
}

enum err import_seen_load(struct ctx *ctx, struct import_batch *batch)
{
    for (size_t i = batch->from; i < batch->to; i++)
        batch->entries[i].seen_line = 0;
    for (int key = 0; key < KEYS && batch->work.input->dry_run; key++)
        TRY(load(ctx, &batch->work.run->job.id, batch, key));
    return ERR_OK;
}

enum err import_seen_marks(struct ctx *ctx, struct import_mark *const *marks, size_t count)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list found = {0};
    bson_t in, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++)
        bson_put_text(&list, "0", marks[i]->id); /* the server does not read these names */
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    if (count > 0)
        TRY(db_find_many(ctx, &import_key_schema, &(struct db_find){.filter = filter}, &found));

    const struct import_key *keys = found.items;

    for (size_t i = 0; i < found.count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (strcmp(marks[j]->id, keys[i].id) == 0)
                marks[j]->line = keys[i].line;
        }
    }
    return ERR_OK;
}

static struct import_key key_of(const struct ctx *ctx, const struct import_entry *entry,
                                const char *id)
{
    return (struct import_key){.id = id,
                               .tenant_id = ctx->tenant_id,
                               .line = entry->number,
                               .expires_at = clock_now_ms() + IMPORT_KEPT_MS};
}

enum err import_seen_add(struct ctx *ctx, const struct import_batch *batch)
{
    size_t most = (batch->to - batch->from) * KEYS, count = 0;

    for (size_t i = batch->from; i < batch->to; i++)
        most += batch->entries[i].mark_count;

    struct import_key *keys = arena_array(ctx->arena, most + 1, sizeof *keys);

    if (keys == NULL)
        return ERR_MEMORY;
    for (size_t i = batch->from; i < batch->to; i++) {
        const struct import_entry *entry = &batch->entries[i];

        if (entry->outcome != IMPORT_CREATE)
            continue;
        for (int key = 0; key < KEYS; key++) {
            if (entry->seen_ids[key] != NULL)
                keys[count++] = key_of(ctx, entry, entry->seen_ids[key]);
        }
        for (size_t k = 0; k < entry->mark_count; k++)
            keys[count++] = key_of(ctx, entry, entry->marks[k].id);
    }
    return db_insert_many(ctx, &import_key_schema, &(struct list){.items = keys, .count = count});
}

/* {_id: {$gte: from, <to>: …}} */
static void put_range(bson_t *filter, const char *from, const char *to, const char *bound)
{
    bson_t range;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
    bson_put_text(&range, "$gte", from);
    bson_put_text(&range, to, bound);
    bson_append_document_end(filter, &range);
}

enum err import_seen_forget(struct ctx *ctx, const struct uuid *import_id, bool *ret_more)
{
    const char *first = import_name(ctx, import_id, ""), *behind = import_name(ctx, import_id, "g");
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));
    AUTO(bson_destroy) bson_t *all = bson_new(), *some = bson_new();
    struct list found = {0};
    int64_t deleted = 0;

    if (first == NULL || behind == NULL)
        return ERR_MEMORY;
    put_range(all, first, "$lt", behind);
    TRY(db_find_many(ctx, &import_key_schema,
                     &(struct db_find){.filter = all, .sort = sort, .limit = FORGET}, &found));
    *ret_more = found.count == FORGET;
    if (found.count == 0)
        return ERR_OK;

    const struct import_key *keys = found.items;

    put_range(some, first, "$lte", keys[found.count - 1].id);
    return db_delete_many(ctx, &import_key_schema, some, &deleted);
}
