/* The list of a user's sign-ins over two collections, and the end of one of them. */
#include "models/user_sessions.h"

#include <stdlib.h>

#include "app/db.h"
#include "app/revocation.h"
#include "app/user_agent.h"
#include "models/audit.h"
#include "models/grant.h"
#include "models/session.h"

/* clang-format off */
static const char *const kinds[] = {"browser", "token", NULL};
static const struct field user_session_fields[] = {
    FIELD_UUID(struct user_session, id, "id", F_REQUIRED),
    FIELD_STR(struct user_session, kind, "kind", F_REQUIRED, 1, 16, .values = kinds, .doc = "browser: a session cookie. token: access and refresh tokens of a login."),
    FIELD_STR(struct user_session, device, "device", F_REQUIRED, 1, USER_AGENT_DEVICE_SIZE, .example = "Firefox on Windows"),
    FIELD_STR(struct user_session, ip, "ip", F_ALWAYS, 1, 64, .doc = "Address of the sign-in."),
    FIELD_TIME(struct user_session, created_at, "created_at", F_REQUIRED),
    FIELD_TIME(struct user_session, last_seen_at, "last_seen_at", F_REQUIRED, .doc = "To the minute; of tokens the last refresh."),
    FIELD_TIME(struct user_session, expires_at, "expires_at", F_REQUIRED),
    FIELD_BOOL(struct user_session, current, "current", F_REQUIRED, .doc = "Whether it is the one that asks."),
};
/* clang-format on */

const struct schema user_session_schema = {
    .name = "user_session",
    .size = sizeof(struct user_session),
    SCHEMA_FIELDS(user_session_fields),
};

/* --- reading --- */

static void put_unexpired(bson_t *filter)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");

    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
}

static enum err find_sessions(struct ctx *ctx, const struct uuid *user_id, struct list *ret_list)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(-1));

    bson_put_uuid(filter, "user_id", user_id);
    put_unexpired(filter);
    return db_find_many(
        ctx, &session_schema,
        &(struct db_find){.filter = filter, .sort = sort, .limit = USER_SESSIONS_MAX}, ret_list);
}

static void put_own_grants(const struct uuid *user_id, bson_t *filter)
{
    AUTO(bson_destroy) bson_t *absent = BCON_NEW("$exists", BCON_BOOL(false));

    bson_put_uuid(filter, "user_id", user_id);
    bson_put_text(filter, "state", "active");
    BSON_APPEND_DOCUMENT(filter, "oauth_client_id", absent);
    put_unexpired(filter);
}

static enum err find_grants(struct ctx *ctx, const struct uuid *user_id, struct list *ret_list)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(-1));

    put_own_grants(user_id, filter);
    return db_find_many(
        ctx, &grant_schema,
        &(struct db_find){.filter = filter, .sort = sort, .limit = USER_SESSIONS_MAX}, ret_list);
}

/* A login that was in flight while everything of the user ended may have left a row behind: it is
 * of an old epoch and opens nothing. Rows of one epoch are alike, so one look serves them all. */
struct epochs {
    int64_t user, tenant;
    bool is_known, is_alive;
};

static enum err check_epochs(struct ctx *ctx, const struct uuid *user_id, struct epochs *epochs,
                             const struct epochs *of_row)
{
    if (epochs->is_known && epochs->user == of_row->user && epochs->tenant == of_row->tenant)
        return ERR_OK;

    const enum err checked =
        revocation_check(ctx, &(struct revocation_subject){.tenant_id = ctx->tenant_id,
                                                           .user_id = *user_id,
                                                           .user_epoch = of_row->user,
                                                           .tenant_epoch = of_row->tenant});

    if (checked != ERR_OK && checked != ERR_BAD_TOKEN)
        return checked;
    if (checked == ERR_BAD_TOKEN)
        fail_clear(ctx);
    *epochs = *of_row;
    epochs->is_known = true;
    epochs->is_alive = checked == ERR_OK;
    return ERR_OK;
}

static const char *device_of(struct ctx *ctx, const char *user_agent)
{
    char device[USER_AGENT_DEVICE_SIZE];

    user_agent_device(user_agent, device);
    return arena_strdup(ctx->arena, device);
}

static struct user_session from_session(struct ctx *ctx, const struct session *row)
{
    return (struct user_session){
        .id = row->id,
        .kind = "browser",
        .device = device_of(ctx, row->user_agent),
        .ip = row->ip,
        .created_at = row->created_at,
        .last_seen_at = row->last_seen_at != 0 ? row->last_seen_at : row->created_at,
        .expires_at = row->expires_at,
        .current = uuid_equal(&row->id, &ctx->who.session_id),
    };
}

static struct user_session from_grant(struct ctx *ctx, const struct grant *row)
{
    return (struct user_session){
        .id = row->id,
        .kind = "token",
        .device = device_of(ctx, row->user_agent),
        .ip = row->ip,
        .created_at = row->created_at,
        .last_seen_at = row->rotated_at != 0 ? row->rotated_at : row->created_at,
        .expires_at = row->expires_at,
        .current = uuid_equal(&row->id, &ctx->who.grant_id),
    };
}

static int newest_first(const void *a, const void *b)
{
    const int64_t x = ((const struct user_session *)a)->created_at;
    const int64_t y = ((const struct user_session *)b)->created_at;

    return (x < y) - (x > y);
}

enum err user_sessions_list(struct ctx *ctx, const struct uuid *user_id, struct list *ret_sessions)
{
    struct list sessions = {0}, grants = {0};
    struct epochs epochs = {0};

    TRY(find_sessions(ctx, user_id, &sessions));
    TRY(find_grants(ctx, user_id, &grants));

    const struct session *session = sessions.items;
    const struct grant *grant = grants.items;
    struct user_session *found =
        arena_array(ctx->arena, sessions.count + grants.count + 1, sizeof *found);
    size_t count = 0;

    if (found == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < sessions.count; i++, session++) {
        TRY(check_epochs(ctx, user_id, &epochs,
                         &(struct epochs){session->user_epoch, session->tenant_epoch, true, true}));
        if (epochs.is_alive)
            found[count++] = from_session(ctx, session);
    }
    for (size_t i = 0; i < grants.count; i++, grant++) {
        TRY(check_epochs(ctx, user_id, &epochs,
                         &(struct epochs){grant->user_epoch, grant->tenant_epoch, true, true}));
        if (epochs.is_alive)
            found[count++] = from_grant(ctx, grant);
    }
    for (size_t i = 0; i < count; i++) {
        if (found[i].device == NULL)
            return ERR_MEMORY;
    }
    qsort(found, count, sizeof *found, newest_first);
    *ret_sessions = (struct list){.items = found, .count = count};
    return ERR_OK;
}

/* --- ending --- */

struct ending {
    const struct uuid *user_id, *id;
    bool was_grant;
};

/* Access tokens of a grant are believed without asking, so that all instances must be told. */
static enum err end_grant(struct ctx *ctx, const struct ending *ending)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("revoked"), "}");

    bson_put_uuid(filter, "_id", ending->id);
    put_own_grants(ending->user_id, filter);
    TRY(db_update_one(ctx, &grant_schema, filter, update));
    return revocation_write(ctx, REVOKED_GRANT, ending->id, 0, GRANT_REVOCATION_SECONDS);
}

static enum err end_either(struct ctx *ctx, void *arg)
{
    struct ending *ending = arg;
    enum err ended = session_remove(ctx, ending->id, ending->user_id);

    ending->was_grant = ended == ERR_NOT_FOUND;
    if (ending->was_grant) {
        fail_clear(ctx);
        ended = end_grant(ctx, ending);
    }
    TRY(ended);
    return audit_insert(ctx, "session.revoked", "success", ending->user_id, NULL);
}

enum err user_sessions_end(struct ctx *ctx, const struct uuid *user_id, const struct uuid *id)
{
    struct ending ending = {.user_id = user_id, .id = id};

    TRY(db_transaction(ctx, end_either, &ending));
    if (ending.was_grant)
        revocation_apply(ctx, REVOKED_GRANT, id, 0, GRANT_REVOCATION_SECONDS);
    return ERR_OK;
}
