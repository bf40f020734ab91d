/* Closing one's own account, and removing accounts. */
#include "models/user_removal.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/log.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/consent.h"
#include "models/fresh_login.h"
#include "models/grant.h"
#include "models/login_attempt.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"
#include "models/user_security.h"

#define REMOVALS_PER_ROUND 20

/* clang-format off */
static const struct field user_removal_fields[] = {
    FIELD_UUID(struct user_removal, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct user_removal, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct user_removal, user_id, "user_id", F_READONLY),
    FIELD_TIME(struct user_removal, due_at, "due_at", F_READONLY | F_REQUIRED),
};
const struct schema user_removal_schema = {
    .name = "user_removal", .collection = "user_removals", .global = true,
    .size = sizeof(struct user_removal), SCHEMA_FIELDS(user_removal_fields),
};
/* clang-format on */

static struct uuid id_of(const struct ctx *ctx, const struct uuid *user_id)
{
    struct uuid both[2] = {ctx->tenant_id, *user_id}, id;
    uint8_t digest[SHA256_SIZE];

    secret_sha256(both, sizeof both, digest);
    memcpy(id.bytes, digest, sizeof id.bytes);
    return id;
}

/* Of this user, by this version or one before. */
static void put_user(const struct ctx *ctx, const struct uuid *user_id, bson_t *filter)
{
    const struct uuid id = id_of(ctx, user_id);
    bson_t in, list;

    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    bson_put_uuid(&list, "0", &id);
    bson_put_uuid(&list, "1", user_id);
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    bson_put_uuid(filter, "tenant_id", &ctx->tenant_id);
}

enum err user_removal_put(struct ctx *ctx, const struct uuid *user_id, int64_t due_at)
{
    return db_insert(ctx, &user_removal_schema,
                     &(struct user_removal){.id = id_of(ctx, user_id),
                                            .tenant_id = ctx->tenant_id,
                                            .user_id = *user_id,
                                            .due_at = due_at});
}

enum err user_removal_cancel(struct ctx *ctx, const struct uuid *user_id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    int64_t deleted = 0;

    put_user(ctx, user_id, filter);
    return db_delete_many(ctx, &user_removal_schema, filter, &deleted);
}

enum err user_remove(struct ctx *ctx, const struct user *user, const char *reason)
{
    const bool owner = user->role == ROLE_OWNER && user->is_active;

    TRY(tenant_usage_change(ctx, &(struct usage_change){.users = -1,
                                                        .inactive_users = user->is_active ? 0 : -1,
                                                        .owners = owner ? -1 : 0}));
    TRY(user_delete(ctx, &user->id));
    TRY(grant_delete_user(ctx, &user->id));
    TRY(consent_delete_user(ctx, &user->id));
    TRY(user_end_issued(ctx, &user->id, user->security_epoch + 1));
    TRY(login_attempt_reset(ctx, user));
    TRY(user_removal_cancel(ctx, &user->id));
    return audit_insert(ctx, "user.deleted", "success", &user->id, reason);
}

/* ---- closing one's own account ---- */

static enum err close_own(struct ctx *ctx, void *arg)
{
    struct user *closed = arg, user = {0};
    const enum err found = user_find(ctx, &ctx->who.user_id, &user);

    if (found == ERR_NOT_FOUND || (found == ERR_OK && !user.is_active))
        return ERR_BAD_TOKEN;
    TRY(found);
    TRY(tenant_usage_change(
        ctx,
        &(struct usage_change){.inactive_users = 1, .owners = user.role == ROLE_OWNER ? -1 : 0}));
    user.is_active = false;
    user.deletion_at = clock_now_ms() + USER_REMOVAL_GRACE_MS;
    TRY(user_rewrite(
        ctx,
        &(struct user_write){.after = &user,
                             .mask = user_field_bit("is_active") | user_field_bit("deletion_at"),
                             .new_epoch = true},
        closed));
    TRY(user_removal_put(ctx, &user.id, user.deletion_at));
    TRY(user_end_issued(ctx, &user.id, closed->security_epoch));
    return audit_insert(ctx, "user.deletion_requested", "success", &user.id, NULL);
}

enum err user_close_own(struct ctx *ctx, struct user *ret_user)
{
    struct user closed = {0};

    TRY(fresh_login_demand(ctx));
    TRY(db_transaction(ctx, close_own, &closed));
    user_end_issued_here(ctx, &closed.id, closed.security_epoch);
    *ret_user = closed;
    return ERR_OK;
}

/* ---- removing what is due ---- */

static enum err find_due(struct ctx *ctx, struct list *ret_removals)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("due_at", "{", "$lte", BCON_DATE_TIME(clock_now_ms()), "}");
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("due_at", BCON_INT32(1));

    return db_find_many(
        ctx, &user_removal_schema,
        &(struct db_find){.filter = filter, .sort = sort, .limit = REMOVALS_PER_ROUND},
        ret_removals);
}

static enum err find_tenant(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return db_find_one(ctx, &tenant_schema, filter, ret_tenant);
}

/* Read again inside: the account may have been taken back, or removed by whoever held the lease
 * before. */
static enum err remove_due(struct ctx *ctx, void *arg)
{
    const struct user_removal *removal = arg;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct user_removal now = {0};
    struct user user = {0};

    put_user(ctx, &removal->user_id, filter);
    TRY(db_find_one(ctx, &user_removal_schema, filter, &now));

    const enum err found = user_find(ctx, &removal->user_id, &user);

    if (found == ERR_NOT_FOUND || (found == ERR_OK && user.deletion_at == 0))
        return user_removal_cancel(ctx, &removal->user_id);
    TRY(found);
    return user_remove(ctx, &user, "grace_ended");
}

/* A tenant that is gone took its users with it. */
static enum err remove_in_tenant(struct ctx *ctx, struct user_removal *removal)
{
    struct tenant tenant = {0};
    const enum err found = find_tenant(ctx, &removal->tenant_id, &tenant);
    enum err removed = found;

    if (found == ERR_NOT_FOUND ||
        (found == ERR_OK && (tenant.status == TENANT_DELETED || tenant.status == TENANT_PURGING))) {
        tenant.id = removal->tenant_id;
        ctx_set_tenant(ctx, &tenant, &tenant.id);
        removed = user_removal_cancel(ctx, &removal->user_id);
    } else if (found == ERR_OK) {
        ctx_set_tenant(ctx, &tenant, &tenant.id);
        removed = db_transaction(ctx, remove_due, removal);
    }
    ctx_set_tenant(ctx, NULL, NULL);
    return removed;
}

enum err user_remove_due(struct ctx *ctx, int64_t *ret_removed)
{
    struct list due = {0};

    *ret_removed = 0;
    TRY(find_due(ctx, &due));

    struct user_removal *removals = due.items;

    for (size_t i = 0; i < due.count; i++) {
        if (uuid_is_zero(&removals[i].user_id)) /* of a version before */
            removals[i].user_id = removals[i].id;

        const enum err removed = remove_in_tenant(ctx, &removals[i]);

        if (removed == ERR_DB_UNAVAILABLE)
            return removed;
        if (removed == ERR_OK)
            (*ret_removed)++;
        else if (removed != ERR_NOT_FOUND)
            log_event(LOG_ERROR, "user.removal_failed", "error", error_info(removed)->code,
                      "detail", ctx->failure.internal, NULL);
        fail_clear(ctx);
    }
    return ERR_OK;
}
