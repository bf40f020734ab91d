/* Logout everywhere and password change. */
#include "models/user_security.h"

#include "app/app.h"
#include "app/db.h"
#include "app/password.h"
#include "app/revocation.h"
#include "models/audit.h"
#include "models/grant.h"
#include "models/login_attempt.h"
#include "models/password_policy.h"
#include "models/session.h"
#include "models/sign_in.h"
#include "models/tenant.h"

struct change {
    const struct user *user;
    const char *new_hash; /* NULL: only end everything */
    const char *action;
    bool unlock;
    int64_t epoch; /* afterwards */
};

/* Longer than anything that a login in flight may still open with the epoch it read before. */
static int64_t lifetime(const struct ctx *ctx)
{
    const int64_t tokens = GRANT_REVOCATION_SECONDS, session = tenant_session_ttl(ctx);

    return tokens > session ? tokens : session;
}

enum err user_end_issued(struct ctx *ctx, const struct uuid *user_id, int64_t epoch)
{
    TRY(revocation_write(ctx, REVOKED_USER, user_id, epoch, lifetime(ctx)));
    TRY(grant_revoke_user(ctx, user_id));
    return session_end_user(ctx, user_id);
}

void user_end_issued_here(struct ctx *ctx, const struct uuid *user_id, int64_t epoch)
{
    revocation_apply(ctx, REVOKED_USER, user_id, epoch, lifetime(ctx));
}

static enum err apply(struct ctx *ctx, void *arg)
{
    struct change *change = arg;

    if (change->new_hash != NULL) {
        TRY(user_set_password(ctx, change->user, change->new_hash));
        change->epoch = change->user->security_epoch + 1;
    } else {
        TRY(user_raise_epoch(ctx, &change->user->id, &change->epoch));
    }
    TRY(user_end_issued(ctx, &change->user->id, change->epoch));
    if (change->unlock)
        TRY(login_attempt_reset(ctx, change->user));
    return audit_insert(ctx, change->action, "success", &change->user->id, NULL);
}

static enum err run(struct ctx *ctx, struct change *change)
{
    TRY(db_transaction(ctx, apply, change));
    user_end_issued_here(ctx, &change->user->id, change->epoch);
    return ERR_OK;
}

enum err user_end_all(struct ctx *ctx, const struct uuid *user_id, const char *action)
{
    const struct user user = {.id = *user_id};
    struct change change = {.user = &user, .action = action};

    return run(ctx, &change);
}

static enum err check_new(struct ctx *ctx, const struct user *user, const char *field,
                          const char *prepared)
{
    return password_policy_check(ctx, field, prepared,
                                 &(struct password_owner){.username = user->username,
                                                          .email = user->email,
                                                          .name = user->name});
}

enum err user_change_password(struct ctx *ctx, const struct uuid *user_id,
                              const char *current_password, const char *new_password,
                              struct user *ret_user)
{
    struct user user = {0};
    struct change change = {.user = &user, .action = "user.password_changed"};
    const char *prepared = NULL;

    TRY(password_policy_prepare(ctx, "new_password", new_password, &prepared));
    TRY(user_find(ctx, user_id, &user));
    TRY(check_new(ctx, &user, "new_password", prepared));
    TRY(sign_in_confirm(ctx, &user, current_password, change.action));
    TRY(password_hash(ctx, prepared, &change.new_hash));
    TRY(run(ctx, &change));
    user.security_epoch = change.epoch;
    *ret_user = user;
    return ERR_OK;
}

enum err user_reset_password(struct ctx *ctx, const struct uuid *user_id, const char *new_password)
{
    struct user user = {0};
    struct change change = {.user = &user, .action = "user.password_set", .unlock = true};
    const char *prepared = NULL;

    TRY(password_policy_prepare(ctx, "password", new_password, &prepared));
    TRY(user_find(ctx, user_id, &user));
    TRY(check_new(ctx, &user, "password", prepared));
    TRY(password_hash(ctx, prepared, &change.new_hash));
    return run(ctx, &change);
}
