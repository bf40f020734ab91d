/* What a subject has to be asked about, and who answers: the table (revocation_table.c) or the
 * database. */
#include "app/revocation.h"

#include <string.h>

#include "app/app.h"
#include "app/bson_auto.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/revocation_table.h"
#include "app/secret.h"
#include "app/watch.h"

#define CLOCK_MARGIN_MS \
    600000 /* instances may differ by this much and revocations still outlive tokens */
#define ID_MAX      256
#define MAX_ASPECTS 5

static const struct field revocation_fields[] = {
    FIELD_STR(struct revocation, id, "id", F_REQUIRED | F_INTERNAL, 1, ID_MAX, .bson = "_id"),
    FIELD_UUID(struct revocation, tenant_id, "tenant_id", F_REQUIRED | F_INTERNAL),
    FIELD_INT(struct revocation, min_epoch, "min_epoch", F_INTERNAL, 0, INT64_MAX),
    FIELD_TIME(struct revocation, expires_at, "expires_at", F_REQUIRED | F_INTERNAL),
};

const struct schema revocation_schema = {
    .name = "revocation",
    .collection = "revocations",
    .size = sizeof(struct revocation),
    SCHEMA_FIELDS(revocation_fields),
};

static const char *const kind_names[] = {
    [REVOKED_UNSET] = NULL,      [REVOKED_USER] = "user",   [REVOKED_CLIENT] = "client",
    [REVOKED_TENANT] = "tenant", [REVOKED_GRANT] = "grant", [REVOKED_TOKEN] = "token",
};

/* ---- keys ---- */

static void value_of_client(const char *client_id, uint8_t ret_value[16])
{
    uint8_t digest[SHA256_SIZE];

    secret_sha256(client_id, strlen(client_id), digest);
    memcpy(ret_value, digest, 16);
}

static struct revocation_key key_of(const struct uuid *tenant_id, enum revocation_kind kind,
                                    const void *value)
{
    struct revocation_key key = {.kind = (uint8_t)kind};

    memcpy(key.tenant, tenant_id->bytes, sizeof key.tenant);
    if (kind == REVOKED_CLIENT)
        value_of_client(value, key.value);
    else
        memcpy(key.value, ((const struct uuid *)value)->bytes, sizeof key.value);
    return key;
}

/* "<tenant hex>:<kind>:<value>" back into a key; false when it is nothing of ours. */
static bool key_of_id(const char *id, struct revocation_key *ret_key)
{
    struct uuid tenant, value;
    const size_t hex = UUID_HEX_SIZE - 1;

    if (!uuid_parse_hex(id, &tenant) || id[hex] != ':')
        return false;

    const char *name = id + hex + 1;
    const char *text = strchr(name, ':');

    if (text == NULL)
        return false;
    for (size_t kind = 1; kind < sizeof kind_names / sizeof kind_names[0]; kind++) {
        if (strlen(kind_names[kind]) != (size_t)(text - name) ||
            strncmp(kind_names[kind], name, (size_t)(text - name)) != 0)
            continue;
        if (kind != REVOKED_CLIENT &&
            (strlen(text + 1) != hex || !uuid_parse_hex(text + 1, &value)))
            return false;
        *ret_key = key_of(&tenant, (enum revocation_kind)kind,
                          kind == REVOKED_CLIENT ? (const void *)(text + 1) : &value);
        return true;
    }
    return false;
}

static const char *id_of(struct ctx *ctx, const struct uuid *tenant_id, enum revocation_kind kind,
                         const void *value)
{
    char tenant[UUID_HEX_SIZE], hex[UUID_HEX_SIZE];
    const char *text = value;

    uuid_hex(tenant_id, tenant);
    if (kind != REVOKED_CLIENT) {
        uuid_hex(value, hex);
        text = hex;
    }
    return arena_printf(ctx->arena, "%s:%s:%s", tenant, kind_names[kind], text);
}

/* ---- writing ---- */

static int64_t expiry(int64_t lifetime_seconds)
{
    return clock_now_ms() + lifetime_seconds * 1000 + CLOCK_MARGIN_MS;
}

enum err revocation_write(struct ctx *ctx, enum revocation_kind kind, const void *value,
                          int64_t min_epoch, int64_t lifetime_seconds)
{
    const char *id = id_of(ctx, &ctx->tenant_id, kind, value);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id != NULL ? id : ""));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$max", "{", "min_epoch", BCON_INT64(min_epoch), "expires_at",
                              BCON_DATE_TIME(expiry(lifetime_seconds)), "}");
    const struct db_change change = {.filter = filter, .update = update, .upsert = true};
    struct revocation written;

    if (id == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a revocation");

    const enum err code = db_find_and_update(ctx, &revocation_schema, &change, &written);

    /* Two upserts of the same id: one loses once and finds the document then. */
    if (code != ERR_CONFLICT || ctx->transaction != NULL)
        return code;
    fail_clear(ctx);
    return db_find_and_update(ctx, &revocation_schema, &change, &written);
}

enum err revocation_is_written(struct ctx *ctx, enum revocation_kind kind, const void *value,
                               bool *ret_is_written)
{
    const char *id = id_of(ctx, &ctx->tenant_id, kind, value);
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id != NULL ? id : ""));
    struct revocation found = {0};

    if (id == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a revocation");

    const enum err code = db_find_one(ctx, &revocation_schema, filter, &found);

    *ret_is_written = code == ERR_OK;
    if (code != ERR_NOT_FOUND)
        return code;
    fail_clear(ctx);
    return ERR_OK;
}

void revocation_apply(struct ctx *ctx, enum revocation_kind kind, const void *value,
                      int64_t min_epoch, int64_t lifetime_seconds)
{
    const struct revocation_key key = key_of(&ctx->tenant_id, kind, value);

    revocation_table_put(ctx->app->revocations, &key, min_epoch, expiry(lifetime_seconds));
}

void revocations_apply(struct revocations *table, const struct revocation *entry)
{
    struct revocation_key key;

    if (entry->id != NULL && key_of_id(entry->id, &key))
        revocation_table_put(table, &key, entry->min_epoch, entry->expires_at);
}

/* ---- asking ---- */

/* One thing that may have been revoked of a subject, and the epoch that it claims of it. */
struct aspect {
    enum revocation_kind kind;
    const void *value;
    int64_t epoch;
};

#define NO_EPOCH (-1) /* any entry ends it */

static size_t aspects_of(const struct revocation_subject *subject, struct aspect ret[MAX_ASPECTS])
{
    size_t count = 0;

    ret[count++] = (struct aspect){REVOKED_TENANT, &subject->tenant_id, subject->tenant_epoch};
    if (!uuid_is_zero(&subject->user_id))
        ret[count++] = (struct aspect){REVOKED_USER, &subject->user_id, subject->user_epoch};
    if (subject->client_id != NULL && subject->client_id[0] != '\0')
        ret[count++] = (struct aspect){REVOKED_CLIENT, subject->client_id, subject->client_epoch};
    if (!uuid_is_zero(&subject->grant_id))
        ret[count++] = (struct aspect){REVOKED_GRANT, &subject->grant_id, NO_EPOCH};
    if (!uuid_is_zero(&subject->token_id))
        ret[count++] = (struct aspect){REVOKED_TOKEN, &subject->token_id, NO_EPOCH};
    return count;
}

static enum err refuse(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_BAD_TOKEN, "revoked");
}

static enum err find_documents(struct ctx *ctx, const char *const *ids, size_t count,
                               struct list *ret_found)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    const struct db_find find = {.filter = filter, .limit = MAX_ASPECTS, .linearizable = true};
    bson_t in, array;
    bool fits = BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in) &&
                BSON_APPEND_ARRAY_BEGIN(&in, "$in", &array);

    for (size_t i = 0; i < count && fits; i++) {
        const char index[] = {(char)('0' + i), '\0'};

        fits = BSON_APPEND_UTF8(&array, index, ids[i]);
    }
    fits = fits && bson_append_array_end(&in, &array) && bson_append_document_end(filter, &in);
    if (!fits)
        return fail_internal(ctx, ERR_MEMORY, "no memory to ask for revocations");
    return db_find_many(ctx, &revocation_schema, &find, ret_found);
}

static enum err judge(struct ctx *ctx, const struct list *found, const char *const *ids,
                      const struct aspect *aspects, size_t count)
{
    const struct revocation *documents = found->items;

    for (size_t d = 0; d < found->count; d++)
        for (size_t i = 0; i < count; i++)
            if (strcmp(documents[d].id, ids[i]) == 0 && aspects[i].epoch < documents[d].min_epoch)
                return refuse(ctx);
    return ERR_OK;
}

static enum err ask_database(struct ctx *ctx, const struct uuid *tenant_id,
                             const struct aspect *aspects, size_t count)
{
    /* The subject's tenant need not be the ctx's, and what others committed must be seen. */
    struct ctx asking = *ctx;
    const char *ids[MAX_ASPECTS];
    struct list found = {0};

    asking.tenant = NULL;
    asking.tenant_id = *tenant_id;
    asking.transaction = NULL;
    for (size_t i = 0; i < count; i++) {
        ids[i] = id_of(ctx, tenant_id, aspects[i].kind, aspects[i].value);
        if (ids[i] == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory to ask for revocations");
    }

    const enum err code = find_documents(&asking, ids, count, &found);

    ctx->db_calls = asking.db_calls;
    if (code != ERR_OK) {
        ctx->failure = asking.failure;
        return code;
    }
    return judge(ctx, &found, ids, aspects, count);
}

enum err revocation_check(struct ctx *ctx, const struct revocation_subject *subject)
{
    struct aspect aspects[MAX_ASPECTS];
    struct revocation_question questions[MAX_ASPECTS];
    const size_t count = aspects_of(subject, aspects);
    /* Read before the table: what it lacks then is younger than the last heartbeat. */
    const bool fresh = ctx->app->watch != NULL && watch_is_fresh(ctx->app->watch);

    for (size_t i = 0; i < count; i++) {
        questions[i].key = key_of(&subject->tenant_id, aspects[i].kind, aspects[i].value);
        questions[i].epoch = aspects[i].epoch;
    }

    const enum revocation_answer answer =
        revocation_table_ask(ctx->app->revocations, questions, count);

    if (answer == REVOCATION_REVOKED)
        return refuse(ctx);
    if (fresh && answer == REVOCATION_GOOD)
        return ERR_OK;
    return ask_database(ctx, &subject->tenant_id, aspects, count);
}
