/* Platform keys: making, proving, rotating, revoking. */
#include "models/platform_key.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/tenant.h"
#include "models/tenant_places.h"

#define PREFIX_LENGTH (sizeof PLATFORM_KEY_PREFIX - 1)
#define HEX_LENGTH    (UUID_HEX_SIZE - 1)
#define SECRET_SIZE   32
#define SECRET_LENGTH BASE64URL_LENGTH(SECRET_SIZE)
#define KEY_LENGTH    (PREFIX_LENGTH + HEX_LENGTH + 1 + SECRET_LENGTH)
#define USE_NOTED_MS  60000
#define COUNTER       "platform_keys"

_Static_assert(KEY_LENGTH + 1 == PLATFORM_KEY_SIZE, "the size that the header tells");

/* clang-format off */
static const struct field platform_key_fields[] = {
    FIELD_UUID(struct platform_key, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_BYTES(struct platform_key, hash, "hash", F_READONLY | F_SECRET | F_REQUIRED),
    FIELD_STR(struct platform_key, label, "label", F_READONLY | F_REQUIRED, 1, 100),
    FIELD_BOOL_OPT(struct platform_key, first, has_first, "first", F_READONLY | F_INTERNAL),
    FIELD_TIME(struct platform_key, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct platform_key, expires_at, "expires_at", F_READONLY | F_ALWAYS),
    FIELD_TIME(struct platform_key, revoked_at, "revoked_at", F_READONLY | F_ALWAYS),
    FIELD_TIME(struct platform_key, last_used_at, "last_used_at", F_READONLY | F_ALWAYS, .doc = "To the minute."),
};
const struct schema platform_key_schema = {
    .name = "platform_key", .collection = "platform_keys", .global = true,
    .size = sizeof(struct platform_key), SCHEMA_FIELDS(platform_key_fields),
};
/* clang-format on */

const struct tenant platform_tenant = {
    .id = {{0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}},
    .slug = "platform",
    .name = "platform",
    .plan = PLAN_ENTERPRISE,
    .status = TENANT_ACTIVE,
    .epoch = 1,
    .version = 1,
};

static void act_as_platform(struct ctx *ctx)
{
    ctx_set_tenant(ctx, &platform_tenant, &platform_tenant.id);
}

/* --- text --- */

static bool parse(const char *text, struct uuid *ret_id)
{
    uint8_t secret[SECRET_SIZE];
    bool good;

    if (strnlen(text, KEY_LENGTH + 1) != KEY_LENGTH ||
        strncmp(text, PLATFORM_KEY_PREFIX, PREFIX_LENGTH) != 0 ||
        text[PREFIX_LENGTH + HEX_LENGTH] != '_' || !uuid_parse_hex(text + PREFIX_LENGTH, ret_id))
        return false;
    good = base64url_decode(text + KEY_LENGTH - SECRET_LENGTH, SECRET_LENGTH, secret,
                            sizeof secret) == SECRET_SIZE;
    secret_wipe(secret, sizeof secret);
    return good && !uuid_is_zero(ret_id);
}

bool platform_key_is_text(const char *text)
{
    struct uuid id;

    return parse(text, &id);
}

enum err platform_key_parse(struct ctx *ctx, const char *text, struct platform_key *ret_key)
{
    uint8_t *hash = arena_alloc(ctx->arena, SHA256_SIZE);

    if (hash == NULL)
        return ERR_MEMORY;
    *ret_key = (struct platform_key){.hash = {.data = hash, .size = SHA256_SIZE}};
    if (!parse(text, &ret_key->id))
        return ERR_BAD_PLATFORM_KEY;
    secret_sha256(text, KEY_LENGTH, hash);
    return ERR_OK;
}

enum err platform_key_make(struct ctx *ctx, const char *label, int64_t expires_at,
                           struct made_platform_key *ret_made)
{
    const struct uuid id = ctx_new_id(ctx);
    uint8_t secret[SECRET_SIZE];
    char *text = arena_alloc(ctx->arena, PLATFORM_KEY_SIZE);

    if (text == NULL)
        return ERR_MEMORY;
    memcpy(text, PLATFORM_KEY_PREFIX, PREFIX_LENGTH);
    uuid_hex(&id, text + PREFIX_LENGTH);
    text[PREFIX_LENGTH + HEX_LENGTH] = '_';
    secret_random(secret, sizeof secret);
    base64url_encode(secret, sizeof secret, text + PREFIX_LENGTH + HEX_LENGTH + 1);
    secret_wipe(secret, sizeof secret);
    TRY(platform_key_parse(ctx, text, &ret_made->key));
    ret_made->key.label = label;
    ret_made->key.created_at = clock_now_ms();
    ret_made->key.expires_at = expires_at;
    ret_made->text = text;
    return ERR_OK;
}

/* --- proving --- */

static void put_id(const struct uuid *id, bson_t *filter)
{
    bson_put_uuid(filter, "_id", id);
}

static bool is_live(const struct platform_key *key, int64_t now)
{
    return key->revoked_at == 0 && (key->expires_at == 0 || key->expires_at > now);
}

/* At most once a minute. That it cannot be noted is no reason to refuse the key. */
static void note_use(struct ctx *ctx, const struct platform_key *key, int64_t now)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "last_used_at", BCON_DATE_TIME(now), "}");

    if (key->last_used_at > now - USE_NOTED_MS)
        return;
    put_id(&key->id, filter);
    if (db_update_one(ctx, &platform_key_schema, filter, update) != ERR_OK)
        fail_clear(ctx);
}

enum err platform_key_verify(struct ctx *ctx, const char *text, struct platform_key *ret_key)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    const int64_t now = clock_now_ms();
    struct platform_key shown, key = {0};

    TRY(platform_key_parse(ctx, text, &shown));
    put_id(&shown.id, filter);

    const enum err found = db_find_one(ctx, &platform_key_schema, filter, &key);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_PLATFORM_KEY;
    TRY(found);
    if (key.hash.size != SHA256_SIZE ||
        !secret_equal(shown.hash.data, key.hash.data, SHA256_SIZE) || !is_live(&key, now))
        return ERR_BAD_PLATFORM_KEY;
    note_use(ctx, &key, now);
    *ret_key = key;
    return ERR_OK;
}

enum err platform_key_list(struct ctx *ctx, int64_t limit, struct list *ret_keys)
{
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(-1));

    return db_find_many(ctx, &platform_key_schema, &(struct db_find){.sort = sort, .limit = limit},
                        ret_keys);
}

/* --- changing --- */

static enum err insert(struct ctx *ctx, void *arg)
{
    TRY(db_insert(ctx, &platform_key_schema, arg));
    return audit_insert(ctx, "platform_key.created", "success", NULL, NULL);
}

enum err platform_key_insert(struct ctx *ctx, const struct platform_key *key)
{
    struct platform_key copy = *key;

    act_as_platform(ctx);
    return db_transaction(ctx, insert, &copy);
}

enum err platform_key_create(struct ctx *ctx, const char *label, int64_t expires_at,
                             struct made_platform_key *ret_made)
{
    TRY(platform_key_make(ctx, label, expires_at, ret_made));
    return platform_key_insert(ctx, &ret_made->key);
}

struct ending {
    const struct uuid *id;
    int64_t ends_at; /* 0 = now, for good */
    const struct platform_key *successor;
};

static enum err find_live(struct ctx *ctx, const struct uuid *id, struct platform_key *ret_key)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    put_id(id, filter);
    TRY(db_find_one(ctx, &platform_key_schema, filter, ret_key));
    return is_live(ret_key, clock_now_ms()) ? ERR_OK : ERR_NOT_FOUND;
}

/* Two at once that would each leave the other's key meet here: one of them is run again. */
static enum err one_at_a_time(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(COUNTER));
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "value", BCON_INT64(1), "}");
    struct platform_counter counter = {0};

    return db_find_and_update(
        ctx, &platform_counter_schema,
        &(struct db_change){.filter = filter, .update = update, .upsert = true}, &counter);
}

/* There are a handful of platform keys, so they are simply looked through. */
static enum err check_not_last(struct ctx *ctx, const struct uuid *id)
{
    struct list list = {0};

    TRY(platform_key_list(ctx, 0, &list));

    const struct platform_key *keys = list.items;

    for (size_t i = 0; i < list.count; i++) {
        if (!uuid_equal(&keys[i].id, id) && is_live(&keys[i], clock_now_ms()))
            return ERR_OK;
    }
    return ERR_LAST_KEY;
}

static enum err write_end(struct ctx *ctx, const struct ending *ending)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    put_id(ending->id, filter);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_time(&set, ending->ends_at == 0 ? "revoked_at" : "expires_at",
                  ending->ends_at == 0 ? clock_now_ms() : ending->ends_at);
    bson_append_document_end(update, &set);
    return db_update_one(ctx, &platform_key_schema, filter, update);
}

static enum err end_key(struct ctx *ctx, void *arg)
{
    struct ending *ending = arg;
    struct platform_key key = {0};

    TRY(one_at_a_time(ctx));
    TRY(find_live(ctx, ending->id, &key));
    if (ending->successor == NULL)
        TRY(check_not_last(ctx, ending->id));
    else
        TRY(db_insert(ctx, &platform_key_schema, ending->successor));
    if (ending->ends_at == 0 || key.expires_at == 0 || key.expires_at > ending->ends_at)
        TRY(write_end(ctx, ending));
    return audit_insert(ctx,
                        ending->successor == NULL ? "platform_key.revoked" : "platform_key.rotated",
                        "success", NULL, NULL);
}

enum err platform_key_rotate(struct ctx *ctx, const struct uuid *id, int64_t overlap_seconds,
                             struct made_platform_key *ret_made)
{
    const int64_t now = clock_now_ms();
    struct platform_key old = {0};
    struct ending ending = {.id = id, .successor = &ret_made->key};

    TRY(find_live(ctx, id, &old));
    TRY(platform_key_make(ctx, old.label,
                          old.expires_at > 0 ? now + (old.expires_at - old.created_at) : 0,
                          ret_made));
    if (overlap_seconds > 0)
        ending.ends_at = now + overlap_seconds * 1000;
    act_as_platform(ctx);
    return db_transaction(ctx, end_key, &ending);
}

enum err platform_key_revoke(struct ctx *ctx, const struct uuid *id)
{
    struct ending ending = {.id = id};

    act_as_platform(ctx);
    return db_transaction(ctx, end_key, &ending);
}
