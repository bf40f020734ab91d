/* The end of browser sessions, and of what they gave to OAuth clients. */
#include "models/session.h"

#include "app/db.h"
#include "app/revocation.h"
#include "models/audit.h"
#include "models/grant.h"
#include "models/logout_token.h"
#include "models/scope.h"

/* What this process refuses from the commit on, without waiting for the change stream. */
struct ended {
    struct ctx *ctx;
    struct uuid *grants;
    size_t count;
};

static void put_unexpired(bson_t *filter, const char *path)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8(path), BCON_UTF8("$$NOW"), "]");

    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
}

/* --- grants --- */

static void put_of_session(bson_t *filter, const struct uuid *session_id, const char *state)
{
    bson_put_uuid(filter, "session_id", session_id);
    bson_put_text(filter, "state", state);
}

/* Nobody has anything of a code yet; an exchange that is under way conflicts, and one comes first.
 */
static enum err remove_codes(struct ctx *ctx, const struct uuid *session_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;

    put_of_session(filter, session_id, "code");
    return db_delete_many(ctx, &grant_schema, filter, &deleted);
}

static enum err revoke_grant(struct ctx *ctx, const struct uuid *grant_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("revoked"), "}");

    bson_put_uuid(filter, "_id", grant_id);
    TRY(db_update_one(ctx, &grant_schema, filter, update));
    return revocation_write(ctx, REVOKED_GRANT, grant_id, 0, GRANT_REVOCATION_SECONDS);
}

/* What was granted for the time that the user is away goes on (api.md section 11). */
static enum err revoke_grants(struct ctx *ctx, const struct uuid *session_id, struct ended *ended)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct list found = {0};

    put_of_session(filter, session_id, "active");
    put_unexpired(filter, "$ends_at");
    TRY(db_find_many(ctx, &grant_schema, &(struct db_find){.filter = filter}, &found));

    const struct grant *grants = found.items;

    ended->grants = arena_array(ctx->arena, found.count + 1, sizeof *ended->grants);
    if (ended->grants == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the grants of a session");
    for (size_t i = 0; i < found.count; i++) {
        if (scope_has(grants[i].scope, SCOPE_OFFLINE_ACCESS))
            continue;
        TRY(revoke_grant(ctx, &grants[i].id));
        ended->grants[ended->count++] = grants[i].id;
    }
    return ERR_OK;
}

/* --- sessions --- */

static void settled(void *arg, enum db_end end)
{
    const struct ended *ended = arg;

    for (size_t i = 0; end == DB_COMMITTED && i < ended->count; i++)
        revocation_apply(ended->ctx, REVOKED_GRANT, &ended->grants[i], 0, GRANT_REVOCATION_SECONDS);
}

enum err session_remove(struct ctx *ctx, const struct uuid *session_id, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct session session = {0};
    struct ended *ended = ARENA_NEW(ctx->arena, struct ended);

    if (ended == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the end of a session");
    ended->ctx = ctx;
    bson_put_uuid(filter, "_id", session_id);
    bson_put_uuid(filter, "user_id", user_id);
    put_unexpired(filter, "$expires_at");
    TRY(db_find_one(ctx, &session_schema, filter, &session));
    TRY(db_delete_one(ctx, &session_schema, filter));
    TRY(logout_tell(ctx, &(struct list){.items = &session, .count = 1}));
    TRY(remove_codes(ctx, session_id));
    TRY(revoke_grants(ctx, session_id, ended));
    return db_on_settled(ctx, settled, ended)
               ? ERR_OK
               : fail_internal(ctx, ERR_MEMORY, "no memory for the end of a session");
}

struct logout {
    const struct uuid *session_id, *user_id;
};

static enum err log_out(struct ctx *ctx, void *arg)
{
    const struct logout *logout = arg;

    TRY(session_remove(ctx, logout->session_id, logout->user_id));
    return audit_insert(ctx, "logout", "success", logout->user_id, NULL);
}

enum err session_end(struct ctx *ctx, const struct uuid *session_id, const struct uuid *user_id)
{
    struct logout logout = {.session_id = session_id, .user_id = user_id};
    const enum err ended = db_transaction(ctx, log_out, &logout);

    return ended == ERR_NOT_FOUND ? ERR_UNAUTHENTICATED : ended;
}

static enum err tell_of_all(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *exists = BCON_NEW("$exists", BCON_BOOL(true));
    AUTO(bson_destroy) bson_t *newest = BCON_NEW("_id", BCON_INT32(-1));
    struct list sessions = {0};

    bson_put_uuid(filter, "user_id", user_id);
    BSON_APPEND_DOCUMENT(filter, "clients", exists);
    TRY(db_find_many(ctx, &session_schema, &(struct db_find){.filter = filter, .sort = newest},
                     &sessions));
    return logout_tell(ctx, &sessions);
}

enum err session_end_user(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;

    TRY(tell_of_all(ctx, user_id));
    bson_put_uuid(filter, "user_id", user_id);
    return db_delete_many(ctx, &session_schema, filter, &deleted);
}
