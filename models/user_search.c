/* Prefix ranges over the unique indexes of users, and one look for many ids. */
#include "models/user_search.h"

#include <string.h>

#include "app/db.h"
#include "app/text.h"

#define MOST_BYTES (2 * DB_PAGE_BYTES) /* of those found by name, and by address */
/* Nothing that text can hold sorts behind it: the last code point of Unicode. */
#define BEHIND_ALL "\xf4\x8f\xbf\xbf"

static enum err find_prefix(struct ctx *ctx, const char *element, const char *prefix, int64_t limit,
                            struct list *ret_users)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = bson_new();
    const char *end = arena_printf(ctx->arena, "%s" BEHIND_ALL, prefix);
    bson_t range;

    if (end == NULL)
        return ERR_MEMORY;
    BSON_APPEND_DOCUMENT_BEGIN(filter, element, &range);
    bson_put_text(&range, "$gte", prefix);
    bson_put_text(&range, "$lt", end);
    bson_append_document_end(filter, &range);
    bson_put_int(sort, element, 1);
    return db_find_many(
        ctx, &user_schema,
        &(struct db_find){.filter = filter, .sort = sort, .limit = limit, .most_bytes = MOST_BYTES},
        ret_users);
}

static bool has(const struct user *users, size_t count, const struct uuid *id)
{
    for (size_t i = 0; i < count; i++) {
        if (uuid_equal(&users[i].id, id))
            return true;
    }
    return false;
}

enum err user_search(struct ctx *ctx, const char *text, int64_t limit, struct list *ret_users)
{
    struct list named = {0}, addressed = {0};
    const char *prefix = NULL;

    TRY(text_canonical(ctx, text, &prefix));
    /* User names have no "@". */
    if (strchr(prefix, '@') == NULL)
        TRY(find_prefix(ctx, "username", prefix, limit, &named));
    TRY(find_prefix(ctx, "email", prefix, limit, &addressed));

    struct user *users = arena_array(ctx->arena, (size_t)limit + 1, sizeof *users);
    const struct user *more = addressed.items;
    size_t count = named.count;

    if (users == NULL)
        return ERR_MEMORY;
    if (count > 0)
        memcpy(users, named.items, count * sizeof *users);
    for (size_t i = 0; i < addressed.count && count < (size_t)limit; i++) {
        if (!has(users, named.count, &more[i].id))
            users[count++] = more[i];
    }
    *ret_users = (struct list){.items = users, .count = count};
    return ERR_OK;
}

enum err user_find_all(struct ctx *ctx, const struct uuid *ids, size_t count,
                       struct list *ret_users)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    bson_t condition, list;

    *ret_users = (struct list){0};
    if (count == 0)
        return ERR_OK;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &condition);
    BSON_APPEND_ARRAY_BEGIN(&condition, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        const char *key;
        char room[16];

        bson_uint32_to_string((uint32_t)i, &key, room, sizeof room);
        bson_put_uuid(&list, key, &ids[i]);
    }
    bson_append_array_end(&condition, &list);
    bson_append_document_end(filter, &condition);
    return db_find_many(ctx, &user_schema, &(struct db_find){.filter = filter}, ret_users);
}
