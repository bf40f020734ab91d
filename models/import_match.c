/* Lines against the users that are there, by id, user name and address; each by its index. */
#include <string.h>

#include "app/db.h"
#include "app/secret.h"
#include "models/import_internal.h"

enum { BY_ID, BY_USERNAME, BY_EMAIL, KEYS };

static void put_key(const struct import_entry *entry, int key, bson_t *list)
{
    /* The server does not read these names. */
    if (key == BY_ID)
        bson_put_uuid(list, "0", &entry->in.id);
    else
        bson_put_text(list, "0",
                      key == BY_USERNAME ? entry->given.username_canonical
                                         : entry->given.email_canonical);
}

/* {name: {$in: [the keys of the entries]}}; false when none has one. */
static bool put_keys(const struct import_entry *entries, size_t count, int key, bson_t *filter)
{
    static const char *const names[KEYS] = {"_id", "username", "email"};
    bool any = false;
    bson_t in, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, names[key], &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].refused || entries[i].keys[key] == 0)
            continue;
        put_key(&entries[i], key, &list);
        any = true;
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return any;
}

static bool same_key(const struct import_entry *entry, const struct user *user, int key)
{
    if (key == BY_ID)
        return uuid_equal(&entry->in.id, &user->id);
    if (key == BY_USERNAME)
        return user->username_canonical != NULL &&
               strcmp(entry->given.username_canonical, user->username_canonical) == 0;
    return user->email_canonical != NULL &&
           strcmp(entry->given.email_canonical, user->email_canonical) == 0;
}

/* The user is the entry's by this key. */
static void note(struct import_entry *entry, const struct user *user, int key)
{
    const bool other_id = !uuid_is_zero(&entry->in.id) && !uuid_equal(&entry->in.id, &user->id);

    if ((entry->exists && !uuid_equal(&entry->before.id, &user->id)) || other_id)
        entry->clash = key + 1;
    if (!entry->exists)
        entry->before = *user;
    entry->exists = true;
}

static uint64_t key_of_user(const struct user *user, int key)
{
    const char *text = key == BY_USERNAME ? user->username_canonical : user->email_canonical;
    uint64_t hash = 0;

    if (key == BY_ID)
        hash = secret_table_hash(user->id.bytes, sizeof user->id.bytes);
    else if (text != NULL)
        hash = secret_table_hash(text, strlen(text));
    return hash != 0 ? hash : 1;
}

static enum err match_by(struct ctx *ctx, struct import_entry *entries, size_t count, int key)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list users = {0};

    if (!put_keys(entries, count, key, filter))
        return ERR_OK;
    TRY(db_find_many(ctx, &user_schema, &(struct db_find){.filter = filter}, &users));

    const struct user *user = users.items;

    for (size_t i = 0; i < users.count; i++) {
        const uint64_t hash = key_of_user(&user[i], key);

        for (size_t j = 0; j < count; j++) {
            if (entries[j].keys[key] == hash && !entries[j].refused &&
                same_key(&entries[j], &user[i], key))
                note(&entries[j], &user[i], key);
        }
    }
    return ERR_OK;
}

enum err import_match(struct ctx *ctx, struct import_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        entries[i].exists = false;
        entries[i].clash = 0;
    }
    for (int key = 0; key < KEYS; key++)
        TRY(match_by(ctx, entries, count, key));
    return ERR_OK;
}

const struct import_entry *import_twin(const struct import_entry *first,
                                       const struct import_entry *entry, int *ret_key)
{
    for (const struct import_entry *other = first; other < entry; other++) {
        if (other->outcome != IMPORT_CREATE && other->outcome != IMPORT_UPDATE)
            continue;
        for (int key = 0; key < KEYS; key++) {
            *ret_key = key;
            if (entry->keys[key] != 0 && entry->keys[key] == key_of_user(&other->user, key) &&
                same_key(entry, &other->user, key))
                return other;
        }
    }
    return NULL;
}

enum err import_taken(struct ctx *ctx, int key, const char *detail)
{
    switch (key) {
    case BY_USERNAME:
        return fail(ctx, ERR_USERNAME_TAKEN, "username", "This user name %s", detail);
    case BY_EMAIL:
        return fail(ctx, ERR_EMAIL_TAKEN, "email", "This e-mail address %s", detail);
    default:
        return fail(ctx, ERR_VALUE_TAKEN, "id", "This id %s", detail);
    }
}
