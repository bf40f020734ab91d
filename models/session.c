/* Browser sessions: opening, and finding by cookie. Their end stands in session_end.c. */
#include "models/session.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/revocation.h"
#include "app/secret.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/tenant.h"

#define COOKIE_VERSION 1
#define COOKIE_PURPOSE 's'
#define COOKIE_SIZE    50 /* version, purpose, tenant 16, random 32 */
#define SEEN_EVERY_MS  60000

/* clang-format off */
static const struct field session_fields[] = {
    FIELD_UUID(struct session, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct session, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_BYTES(struct session, hash, "hash", F_READONLY | F_SECRET | F_REQUIRED),
    FIELD_UUID(struct session, user_id, "user_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_ENUM(struct session, role, "role", F_READONLY | F_INTERNAL, role_names),
    FIELD_INT(struct session, user_epoch, "user_epoch", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_INT(struct session, tenant_epoch, "tenant_epoch", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_STR(struct session, ip, "ip_address", F_READONLY, 1, 64),
    FIELD_STR(struct session, user_agent, "user_agent", F_READONLY, 1, SESSION_USER_AGENT_BYTES),
    FIELD_TIME(struct session, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct session, auth_time, "auth_time", F_READONLY | F_INTERNAL),
    FIELD_TIME(struct session, last_seen_at, "last_seen_at", F_READONLY),
    FIELD_TIME(struct session, expires_at, "expires_at", F_READONLY | F_REQUIRED),
    FIELD_INT(struct session, codes, "codes", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_STRS(struct session, clients, "clients", F_READONLY | F_INTERNAL, 1, 63, SESSION_CLIENTS_MAX),
};
/* clang-format on */

const struct schema session_schema = {
    .name = "session",
    .collection = "sessions",
    .size = sizeof(struct session),
    SCHEMA_FIELDS(session_fields),
};

static struct bytes hash_of(struct ctx *ctx, const char *cookie)
{
    uint8_t *digest = arena_alloc(ctx->arena, SHA256_SIZE);

    if (digest == NULL)
        return (struct bytes){0};
    secret_sha256(cookie, strlen(cookie), digest);
    return (struct bytes){.data = digest, .size = SHA256_SIZE};
}

static enum err make_cookie(struct ctx *ctx, const char **ret_cookie)
{
    uint8_t raw[COOKIE_SIZE] = {COOKIE_VERSION, COOKIE_PURPOSE};
    char *text = arena_alloc(ctx->arena, BASE64URL_LENGTH(sizeof raw) + 1);

    if (text == NULL)
        return ERR_MEMORY;
    memcpy(raw + 2, ctx->tenant_id.bytes, 16);
    secret_random(raw + 18, 32);
    base64url_encode(raw, sizeof raw, text);
    secret_wipe(raw, sizeof raw);
    *ret_cookie = text;
    return ERR_OK;
}

/* Without a row nobody gets the cookie, so the session goes again: it would show as a sign-in. */
static enum err tell(struct ctx *ctx, const char *action, const struct user *user,
                     const struct session *session)
{
    const enum err told = audit_write(ctx, action, "success", &user->id, NULL);

    if (told == ERR_OK)
        return ERR_OK;

    AUTO(bson_destroy) bson_t *filter = bson_new();
    const struct failure failure = ctx->failure;

    bson_put_uuid(filter, "_id", &session->id);
    if (db_delete_one(ctx, &session_schema, filter) != ERR_OK)
        fail_clear(ctx);
    ctx->failure = failure;
    return told;
}

/* --- in the place of another --- */

struct renewal {
    const struct session *before, *after;
    const char *action;
};

static void put_renewed(bson_t *update, const struct session *after)
{
    bson_t set;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_bytes(&set, "hash", after->hash.data, after->hash.size);
    bson_put_text(&set, "role", role_names[after->role]);
    bson_put_int(&set, "user_epoch", after->user_epoch);
    bson_put_int(&set, "tenant_epoch", after->tenant_epoch);
    if (after->ip != NULL)
        bson_put_text(&set, "ip_address", after->ip);
    if (after->user_agent != NULL)
        bson_put_text(&set, "user_agent", after->user_agent);
    bson_put_time(&set, "auth_time", after->created_at);
    bson_put_time(&set, "last_seen_at", after->last_seen_at);
    bson_put_time(&set, "expires_at", after->expires_at);
    bson_append_document_end(update, &set);
}

/* With its audit row, or not at all: nobody keeps the old cookie after a sign-in without a row. */
static enum err renew(struct ctx *ctx, void *arg)
{
    const struct renewal *renewal = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();

    bson_put_uuid(filter, "_id", &renewal->before->id);
    bson_put_bytes(filter, "hash", renewal->before->hash.data, renewal->before->hash.size);
    put_renewed(update, renewal->after);
    TRY(db_update_one(ctx, &session_schema, filter, update));
    return audit_insert(ctx, renewal->action, "success", &renewal->after->user_id, NULL);
}

/* ERR_NOT_FOUND: there is nothing to go on with. */
static enum err replace(struct ctx *ctx, const struct session_origin *origin,
                        struct session *session)
{
    struct session before = {0};
    const struct renewal renewal = {
        .before = &before, .after = session, .action = origin->audit_action};
    enum err found = ERR_UNAUTHENTICATED;

    if (origin->replaces != NULL)
        found = session_find(ctx, origin->replaces, &before);
    if (found == ERR_OK && uuid_equal(&before.user_id, &session->user_id)) {
        struct renewal copy = renewal;

        TRY(db_transaction(ctx, renew, &copy));
        session->id = before.id;
        session->auth_time = session->created_at;
        session->created_at = before.created_at;
        return ERR_OK;
    }
    if (found == ERR_OK)
        found = session_end(ctx, &before.id, &before.user_id);
    if (found != ERR_OK && found != ERR_UNAUTHENTICATED)
        return found;
    fail_clear(ctx);
    return ERR_NOT_FOUND;
}

/* --- opening --- */

static enum err insert(struct ctx *ctx, const struct user *user,
                       const struct session_origin *origin, const struct session *session)
{
    TRY(db_insert(ctx, &session_schema, session));
    return origin->audit_action == NULL ? ERR_OK : tell(ctx, origin->audit_action, user, session);
}

int64_t session_auth_time(const struct session *session)
{
    return session->auth_time != 0 ? session->auth_time : session->created_at;
}

enum err session_open(struct ctx *ctx, const struct user *user, const struct session_origin *origin,
                      const char **ret_cookie, struct session *ret_session)
{
    const int64_t now = clock_now_ms();
    const char *cookie = NULL;
    const char *user_agent = NULL;

    TRY(make_cookie(ctx, &cookie));
    TRY(text_clip(ctx, ctx->user_agent, SESSION_USER_AGENT_BYTES, &user_agent));

    struct session session = {
        .id = uuid_new(),
        .tenant_id = ctx->tenant_id,
        .hash = hash_of(ctx, cookie),
        .user_id = user->id,
        .role = user->role,
        .user_epoch = user->security_epoch,
        .tenant_epoch = ctx->tenant->epoch,
        .ip = ctx->ip[0] != '\0' ? ctx->ip : NULL,
        .user_agent = user_agent,
        .created_at = now,
        .auth_time = origin->auth_time,
        .last_seen_at = now,
        .expires_at = now + tenant_session_ttl(ctx) * 1000,
    };

    if (session.hash.data == NULL)
        return ERR_MEMORY;

    const enum err replaced = replace(ctx, origin, &session);

    if (replaced != ERR_NOT_FOUND)
        TRY(replaced);
    else
        TRY(insert(ctx, user, origin, &session));
    *ret_cookie = cookie;
    *ret_session = session;
    return ERR_OK;
}

bool session_peek_tenant(const char *cookie, struct uuid *ret_tenant_id)
{
    uint8_t raw[COOKIE_SIZE];
    const size_t length = strnlen(cookie, 256);

    if (base64url_decode(cookie, length, raw, sizeof raw) != COOKIE_SIZE ||
        raw[0] != COOKIE_VERSION || raw[1] != COOKIE_PURPOSE)
        return false;
    memcpy(ret_tenant_id->bytes, raw + 2, 16);
    return true;
}

/* The unexpired session of this cookie in the ctx's tenant, by the database's clock. */
static enum err find_alive(struct ctx *ctx, const struct bytes *hash, struct session *ret_session)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_bytes(filter, "hash", hash->data, hash->size);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
    return db_find_one(ctx, &session_schema, filter, ret_session);
}

enum err session_is_alive(struct ctx *ctx, const struct uuid *session_id)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct session session = {0};

    bson_put_uuid(filter, "_id", session_id);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);

    const enum err found = db_find_one(ctx, &session_schema, filter, &session);

    return found == ERR_NOT_FOUND ? ERR_UNAUTHENTICATED : found;
}

/* The count is there to change with every code: an update that changes nothing conflicts with
 * nothing, and the end of the session would not see the code. */
enum err session_note_client(struct ctx *ctx, const struct uuid *session_id, const char *client_id)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW(
        "0", "{", "$set", "{", "clients", "{", "$let", "{", "vars", "{", "known", "{", "$ifNull",
        "[", BCON_UTF8("$clients"), "[", "]", "]", "}", "}", "in", "{", "$cond", "[", "{", "$in",
        "[", BCON_UTF8(client_id), BCON_UTF8("$$known"), "]", "}", BCON_UTF8("$$known"), "{",
        "$slice", "[", "{", "$concatArrays", "[", BCON_UTF8("$$known"), "[", BCON_UTF8(client_id),
        "]", "]", "}", BCON_INT32(-SESSION_CLIENTS_MAX), "]", "}", "]", "}", "}", "}", "codes", "{",
        "$add", "[", "{", "$ifNull", "[", BCON_UTF8("$codes"), BCON_INT64(0), "]", "}",
        BCON_INT64(1), "]", "}", "}", "}");
    struct session session = {0};

    bson_put_uuid(filter, "_id", session_id);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);

    const enum err noted = db_find_and_update(
        ctx, &session_schema,
        &(struct db_change){.filter = filter, .update = update, .pipeline = true}, &session);

    return noted == ERR_NOT_FOUND ? ERR_UNAUTHENTICATED : noted;
}

/* The condition is in the filter too: of many requests at once, on any instance, one writes. Only a
 * person who looks at the list sees what is lost when the database does not take it. */
static void note_seen(struct ctx *ctx, const struct session *session)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    const int64_t now = clock_now_ms();
    bson_t change;

    if (session->last_seen_at > now - SEEN_EVERY_MS)
        return;
    bson_put_uuid(filter, "_id", &session->id);
    BSON_APPEND_DOCUMENT_BEGIN(filter, "last_seen_at", &change);
    bson_put_time(&change, "$lte", now - SEEN_EVERY_MS);
    bson_append_document_end(filter, &change);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &change);
    bson_put_time(&change, "last_seen_at", now);
    bson_append_document_end(update, &change);
    if (db_update_one(ctx, &session_schema, filter, update) != ERR_OK)
        fail_clear(ctx);
}

enum err session_find(struct ctx *ctx, const char *cookie, struct session *ret_session)
{
    struct uuid tenant_id;
    struct session session = {0};

    if (!session_peek_tenant(cookie, &tenant_id) || !uuid_equal(&tenant_id, &ctx->tenant_id))
        return ERR_UNAUTHENTICATED;

    const struct bytes hash = hash_of(ctx, cookie);

    if (hash.data == NULL)
        return ERR_MEMORY;

    const enum err found = find_alive(ctx, &hash, &session);

    if (found == ERR_NOT_FOUND)
        return ERR_UNAUTHENTICATED;
    TRY(found);
    /* Sessions may outlive the revocation of a tenant's epoch; its document tells for ever. */
    if (session.tenant_epoch < ctx->tenant->epoch)
        return ERR_UNAUTHENTICATED;

    const enum err revoked =
        revocation_check(ctx, &(struct revocation_subject){.tenant_id = session.tenant_id,
                                                           .user_id = session.user_id,
                                                           .tenant_epoch = session.tenant_epoch,
                                                           .user_epoch = session.user_epoch});

    if (revoked == ERR_BAD_TOKEN)
        return ERR_UNAUTHENTICATED;
    TRY(revoked);
    note_seen(ctx, &session);
    *ret_session = session;
    return ERR_OK;
}
