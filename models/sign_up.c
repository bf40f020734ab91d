/* Making a user: prepare and hash, reserve a place, insert with its audit row, or give the place
 * back. */
#include "models/sign_up.h"

#include "app/app.h"
#include "app/password.h"
#include "app/stored_hash.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/custom_fields.h"
#include "models/password_policy.h"
#include "models/sign_up_party.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"

static enum err check_text(struct ctx *ctx, const char *field, const char *text,
                           const char *(*check)(const char *))
{
    const char *problem = text != NULL ? check(text) : NULL;

    return problem != NULL ? fail(ctx, ERR_VALIDATION, field, "%s %s", field, problem) : ERR_OK;
}

static enum err check(struct ctx *ctx, const struct new_user *new_user)
{
    if (new_user->username == NULL && new_user->email == NULL)
        return fail(ctx, ERR_VALIDATION, "email", "Missing: email or username");
    TRY(check_text(ctx, "username", new_user->username, text_check_username));
    TRY(check_text(ctx, "email", new_user->email, text_check_email));
    return check_text(ctx, "name", new_user->name, text_check_name);
}

struct insertion {
    const struct new_user *wanted;
    struct user *user;
    const char *action;
};

static enum err insert_audited(struct ctx *ctx, void *arg)
{
    const struct insertion *insertion = arg;
    struct user *user = insertion->user;

    if (insertion->wanted->permit != NULL)
        TRY(insertion->wanted->permit(ctx, (enum role)user->role));
    if (user->role == ROLE_OWNER)
        TRY(tenant_usage_change(ctx, &(struct usage_change){.owners = 1}));
    TRY(user_insert(ctx, user));
    return audit_insert(ctx, insertion->action, "success", &user->id, NULL);
}

/* What failed stays the answer; the place goes back, and a refusal is audited. */
static enum err give_back(struct ctx *ctx, const char *action, enum err code)
{
    const struct failure failure = ctx->failure;

    /* When the outcome is unknown the user may exist: housekeeping recounts, the limit holds. */
    if (!db_outcome_unknown(ctx)) {
        TRY(tenant_release_users(ctx, 1));
    }
    if (code == ERR_EMAIL_TAKEN || code == ERR_USERNAME_TAKEN || code == ERR_VALUE_TAKEN)
        TRY(audit_write(ctx, action, "failed", NULL, error_info(code)->code));
    ctx->failure = failure;
    return code;
}

static enum err hash_new(struct ctx *ctx, const struct new_user *new_user, const char **ret_hash)
{
    const struct password_owner owner = {
        .username = new_user->username, .email = new_user->email, .name = new_user->name};
    const char *password = NULL;

    TRY(password_policy_prepare(ctx, "password", new_user->password, &password));
    TRY(password_policy_check(ctx, "password", password, &owner));
    return password_hash(ctx, password, ret_hash);
}

/* A hash that was made elsewhere stays as it is until its user signs in: nobody knows the password
 * that a policy could look at. */
static enum err take_password(struct ctx *ctx, const struct new_user *new_user,
                              const char **ret_hash)
{
    const char *stored = new_user->password_hash;

    if (stored == NULL && new_user->password == NULL)
        return fail(ctx, ERR_VALIDATION, "password", "Missing: password");
    if (stored == NULL)
        return hash_new(ctx, new_user, ret_hash);
    if (new_user->password != NULL)
        return fail(ctx, ERR_VALIDATION, "password_hash",
                    "A user has password or password_hash, not both.");

    const char *problem = stored_hash_problem(stored);

    if (problem != NULL)
        return fail(ctx, ERR_VALIDATION, "password_hash", "password_hash %s", problem);
    *ret_hash = stored;
    return ERR_OK;
}

static enum err settle(struct ctx *ctx, const struct new_user *new_user, struct user *user)
{
    TRY(custom_fields_settle(
        ctx,
        &(struct custom_write){.user_id = user->id,
                               .document = &new_user->custom_fields,
                               .is_new = true,
                               .emptied = &new_user->emptied,
                               .party = new_user->permit != NULL ? custom_party(ctx) : SHAPE_USER},
        &user->stored_fields));
    return custom_fields_loaded(ctx, user);
}

/* Again while a schema is published under its feet. */
static enum err insert_settled(struct ctx *ctx, struct insertion *insertion)
{
    struct user *user = insertion->user;

    for (int tries = 1;; tries++) {
        const enum err inserted = db_transaction(ctx, insert_audited, insertion);

        if (inserted != ERR_DOCUMENT_REFUSED)
            return inserted;
        TRY(custom_fields_refused(ctx, &user->id, &user->stored_fields, tries));
        TRY(settle(ctx, insertion->wanted, user));
    }
}

/* A place under the limit, then the user. */
static enum err insert_alone(struct sign_up_guest *guest)
{
    struct ctx *ctx = guest->ctx;
    const enum err reserved = tenant_reserve_users(ctx, 1);

    if (reserved == ERR_PLAN_LIMIT) {
        const struct failure failure = ctx->failure;

        TRY(audit_write(ctx, guest->action, "failed", NULL, "plan_limit"));
        ctx->failure = failure;
    }
    TRY(reserved);

    const enum err inserted = insert_settled(ctx, guest->arg);

    return inserted != ERR_OK ? give_back(ctx, guest->action, inserted) : ERR_OK;
}

/* An owner is counted apart, and rare. */
static enum err insert_new(struct ctx *ctx, struct insertion *insertion)
{
    struct sign_up_guest guest = {.ctx = ctx,
                                  .user = insertion->user,
                                  .permit = insertion->wanted->permit,
                                  .action = insertion->action,
                                  .alone = insert_alone,
                                  .arg = insertion};

    if (ctx->app->sign_ups == NULL || insertion->user->role == ROLE_OWNER)
        return insert_alone(&guest);
    return sign_up_meet(&guest);
}

enum err sign_up(struct ctx *ctx, const struct new_user *new_user, struct user *ret_user)
{
    struct user user = {
        .id = ctx_new_id(ctx),
        .username = new_user->username,
        .email = new_user->email,
        .name = new_user->name,
        .role = new_user->role,
        .is_active = true,
    };
    struct insertion insertion = {
        .wanted = new_user,
        .action = new_user->action != NULL ? new_user->action : "signup",
    };

    TRY(check(ctx, new_user));
    TRY(settle(ctx, new_user, &user));
    TRY(take_password(ctx, new_user, &user.password_hash));

    *ret_user = user;
    insertion.user = ret_user;
    return insert_new(ctx, &insertion);
}
