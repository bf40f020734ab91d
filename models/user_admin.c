/* Changing users: each operation is the body of one transaction, which reads what it decides by. */
#include "models/user_admin.h"

#include <string.h>

#include "app/db.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/custom_fields.h"
#include "models/tenant_records.h"
#include "models/tenant_usage.h"
#include "models/user_authority.h"
#include "models/user_removal.h"
#include "models/user_security.h"

/* One change on its way through its transaction. */
struct change {
    const struct uuid *id;
    int64_t version; /* demanded; 0 = any */
    const struct user_edit *edit;
    enum role role;
    struct authority authority;
    struct user before, after;
    uint64_t mask; /* what differs in after */
    int64_t ended; /* the epoch below which everything ended; 0 = nothing ended */
};

static enum err begin(struct ctx *ctx, struct change *change)
{
    change->mask = 0;
    change->ended = 0;
    change->before = (struct user){0};
    TRY(user_authority(ctx, &change->authority));
    TRY(user_find(ctx, change->id, &change->before));
    if (change->version != 0 && change->before.version != change->version)
        return ERR_PRECONDITION;
    change->after = change->before;
    return user_authority_over(ctx, &change->authority, &change->before);
}

static enum err run(struct ctx *ctx, db_transaction_fn body, struct change *change)
{
    TRY(db_transaction(ctx, body, change));
    if (change->ended != 0)
        user_end_issued_here(ctx, change->id, change->ended);
    return ERR_OK;
}

/* Writes what differs; with a new epoch everything that was issued before ends. */
static enum err rewrite(struct ctx *ctx, struct change *change, bool ends)
{
    const struct user after = change->after;

    TRY(user_rewrite(ctx,
                     &(struct user_write){.after = &after, .mask = change->mask, .new_epoch = ends},
                     &change->after));
    if (!ends)
        return ERR_OK;
    change->ended = change->after.security_epoch;
    return user_end_issued(ctx, change->id, change->ended);
}

static enum err refuse_self(struct ctx *ctx, const struct change *change, const char *sentence)
{
    return user_authority_is_self(&change->authority, &change->before)
               ? fail(ctx, ERR_FORBIDDEN, NULL, "%s", sentence)
               : ERR_OK;
}

/* ---- create ---- */

enum err user_admin_create(struct ctx *ctx, const struct new_user *new_user, struct user *ret_user)
{
    struct new_user wanted = *new_user;

    wanted.permit = user_authority_to_give;
    wanted.action = "user.created";
    /* Before a hash is paid for. */
    if (wanted.password_hash == NULL)
        TRY(user_authority_to_give(ctx, (enum role)wanted.role));
    return sign_up(ctx, &wanted, ret_user);
}

/* ---- edit ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* A name or address, as typed and canonical; *ret_moved tells that it is another one now. */
static enum err edit_login(struct ctx *ctx, struct change *change, bool email, bool *ret_moved)
{
    struct user *after = &change->after;
    const char *typed = email ? change->edit->email : change->edit->username;
    const char **text = email ? &after->email : &after->username;
    const char **canonical = email ? &after->email_canonical : &after->username_canonical;
    const char *before = *canonical;

    *ret_moved = false;
    if (same_text(typed, *text))
        return ERR_OK;
    *text = typed;
    *canonical = NULL;
    if (typed != NULL)
        TRY(text_canonical(ctx, typed, canonical));
    change->mask |= email ? user_field_bit("email") | user_field_bit("email_canonical")
                          : user_field_bit("username") | user_field_bit("username_canonical");
    *ret_moved = !same_text(before, *canonical);
    return ERR_OK;
}

static enum err edit_logins(struct ctx *ctx, struct change *change, bool *ret_moved_address)
{
    bool renamed = false;

    *ret_moved_address = false;
    if (change->edit->has_username)
        TRY(edit_login(ctx, change, false, &renamed));
    if (change->edit->has_email)
        TRY(edit_login(ctx, change, true, ret_moved_address));
    if (change->after.username == NULL && change->after.email == NULL)
        return fail(ctx, ERR_VALIDATION, change->edit->has_email ? "email" : "username",
                    "A user keeps at least one of username and email.");
    /* Nobody has proven the new address. */
    if (*ret_moved_address) {
        change->after.is_email_verified = false;
        change->mask |= user_field_bit("is_email_verified");
    }
    return ERR_OK;
}

static enum err edit_profile(struct ctx *ctx, struct change *change)
{
    const struct user_edit *edit = change->edit;

    if (edit->has_name && !same_text(edit->name, change->before.name)) {
        change->after.name = edit->name;
        change->mask |= user_field_bit("name");
    }
    if (edit->custom_fields == NULL && edit->custom_document == NULL)
        return ERR_OK;
    change->mask |= user_field_bit("stored_fields");
    return custom_fields_settle(ctx,
                                &(struct custom_write){.user_id = change->before.id,
                                                       .before = change->before.stored_fields,
                                                       .patch = edit->custom_fields,
                                                       .document = edit->custom_document,
                                                       .party = custom_party(ctx)},
                                &change->after.stored_fields);
}

/* The only owner hears of that: another owner, who could change the role, does not exist. */
static enum err refuse_own_role(struct ctx *ctx, const struct change *change)
{
    struct tenant_usage usage = {0};

    if (!user_authority_is_self(&change->authority, &change->before))
        return ERR_OK;
    TRY(tenant_usage_get(ctx, &usage));
    if (change->before.role == ROLE_OWNER && usage.has_owners && usage.owners <= 1)
        return ERR_LAST_OWNER;
    return fail(ctx, ERR_FORBIDDEN, NULL,
                "Nobody changes their own role; another owner of the tenant can.");
}

/* change->role; *ret_changed tells that it is another one. */
static enum err change_role(struct ctx *ctx, struct change *change, bool *ret_changed)
{
    *ret_changed = false;
    if (change->authority.role != ROLE_OWNER)
        return fail(ctx, ERR_ROLE, NULL, "Only an owner may give roles.");
    TRY(refuse_own_role(ctx, change));
    if (change->before.role == (int)change->role)
        return ERR_OK;
    if (change->before.is_active)
        TRY(tenant_usage_change(
            ctx, &(struct usage_change){.owners = (change->role == ROLE_OWNER) -
                                                  (change->before.role == ROLE_OWNER)}));
    change->after.role = (int)change->role;
    change->mask |= user_field_bit("role");
    *ret_changed = true;
    return ERR_OK;
}

static enum err edit_role(struct ctx *ctx, struct change *change, bool *ret_changed)
{
    *ret_changed = false;
    if (change->edit->role == ROLE_UNSET || change->edit->role == change->before.role)
        return ERR_OK;
    change->role = (enum role)change->edit->role;
    return change_role(ctx, change, ret_changed);
}

/* Behind a new address, which nobody has proven unless it is said with it. */
static enum err edit_verified(struct ctx *ctx, struct change *change)
{
    const struct user_edit *edit = change->edit;

    if (!edit->has_is_email_verified || edit->is_email_verified == change->after.is_email_verified)
        return ERR_OK;
    if (edit->is_email_verified && change->after.email == NULL)
        return fail(ctx, ERR_VALIDATION, "is_email_verified",
                    "is_email_verified: the user has no email that could be verified.");
    change->after.is_email_verified = edit->is_email_verified;
    change->mask |= user_field_bit("is_email_verified");
    return ERR_OK;
}

/* Activity with the counters; an account that was closed by its owner is taken back. */
static enum err edit_activity(struct ctx *ctx, struct change *change, bool *ret_changed)
{
    const struct user_edit *edit = change->edit;
    const int64_t more = edit->is_active ? 1 : -1;
    const bool owner = change->after.role == ROLE_OWNER;

    *ret_changed = edit->has_is_active && edit->is_active != change->before.is_active;
    if (!*ret_changed)
        return ERR_OK;
    if (!edit->is_active)
        TRY(refuse_self(ctx, change,
                        "Nobody deactivates their own account here; DELETE /users/me closes it."));
    change->after.is_active = edit->is_active;
    change->mask |= user_field_bit("is_active");
    if (change->before.deletion_at != 0) {
        change->after.deletion_at = 0;
        change->mask |= user_field_bit("deletion_at");
        TRY(user_removal_cancel(ctx, change->id));
    }
    return tenant_usage_change(
        ctx, &(struct usage_change){.inactive_users = -more, .owners = owner ? more : 0});
}

static enum err audit_edit(struct ctx *ctx, const struct change *change, bool role, bool activity)
{
    const uint64_t others = change->mask & ~(user_field_bit("is_active") | user_field_bit("role") |
                                             user_field_bit("deletion_at"));

    if (role)
        TRY(audit_insert(ctx, "user.role_changed", "success", change->id,
                         role_names[change->after.role]));
    if (activity)
        TRY(audit_insert(ctx, change->after.is_active ? "user.activated" : "user.deactivated",
                         "success", change->id, NULL));
    return others != 0 ? audit_insert(ctx, "user.updated", "success", change->id, NULL) : ERR_OK;
}

static enum err edit(struct ctx *ctx, void *arg)
{
    struct change *change = arg;
    bool activity = false, moved = false, role = false;

    TRY(begin(ctx, change));
    TRY(edit_logins(ctx, change, &moved));
    TRY(edit_verified(ctx, change));
    TRY(edit_profile(ctx, change));
    TRY(edit_role(ctx, change, &role));
    TRY(edit_activity(ctx, change, &activity));
    if (change->mask == 0)
        return ERR_OK;
    TRY(rewrite(ctx, change, activity || moved || role));
    return audit_edit(ctx, change, role, activity);
}

static enum err check_text(struct ctx *ctx, const char *field, const char *text,
                           const char *(*check)(const char *))
{
    const char *problem = text != NULL ? check(text) : NULL;

    return problem != NULL ? fail(ctx, ERR_VALIDATION, field, "%s %s", field, problem) : ERR_OK;
}

/* Again while a schema is published under its feet. */
static enum err run_settled(struct ctx *ctx, struct change *change)
{
    for (int tries = 1;; tries++) {
        const struct change begun = *change;
        const enum err edited = run(ctx, edit, change);

        if (edited != ERR_DOCUMENT_REFUSED)
            return edited;
        TRY(custom_fields_refused(ctx, change->id, &change->after.stored_fields, tries));
        *change = begun;
    }
}

enum err user_admin_edit(struct ctx *ctx, const struct uuid *id, const struct user_edit *user_edit,
                         struct user *ret_user)
{
    struct change *change = ARENA_NEW(ctx->arena, struct change);

    if (change == NULL)
        return ERR_MEMORY;
    *change = (struct change){.id = id, .version = user_edit->version, .edit = user_edit};
    TRY(check_text(ctx, "username", user_edit->username, text_check_username));
    TRY(check_text(ctx, "email", user_edit->email, text_check_email));
    TRY(check_text(ctx, "name", user_edit->name, text_check_name));
    TRY(run_settled(ctx, change));
    *ret_user = change->after;
    return ERR_OK;
}

/* ---- role ---- */

static enum err set_role(struct ctx *ctx, void *arg)
{
    struct change *change = arg;
    bool changed = false;

    TRY(begin(ctx, change));
    TRY(change_role(ctx, change, &changed));
    if (!changed)
        return ERR_OK;
    TRY(rewrite(ctx, change, true));
    return audit_insert(ctx, "user.role_changed", "success", change->id, role_names[change->role]);
}

enum err user_admin_set_role(struct ctx *ctx, const struct uuid *id, enum role role,
                             int64_t version, struct user *ret_user)
{
    struct change *change = ARENA_NEW(ctx->arena, struct change);

    if (change == NULL)
        return ERR_MEMORY;
    *change = (struct change){.id = id, .version = version, .role = role};
    TRY(run(ctx, set_role, change));
    *ret_user = change->after;
    return ERR_OK;
}

/* ---- sessions ---- */

static enum err end_sessions(struct ctx *ctx, void *arg)
{
    struct change *change = arg;
    int64_t epoch = 0;

    TRY(begin(ctx, change));
    TRY(user_raise_epoch(ctx, change->id, &epoch));
    change->ended = epoch;
    TRY(user_end_issued(ctx, change->id, epoch));
    return audit_insert(ctx, "user.sessions_revoked", "success", change->id, NULL);
}

enum err user_admin_end_sessions(struct ctx *ctx, const struct uuid *id)
{
    struct change *change = ARENA_NEW(ctx->arena, struct change);

    if (change == NULL)
        return ERR_MEMORY;
    *change = (struct change){.id = id};
    return run(ctx, end_sessions, change);
}

/* ---- delete ---- */

static enum err delete (struct ctx *ctx, void *arg) {
    struct change *change = arg;

    TRY(begin(ctx, change));
    TRY(refuse_self(ctx, change,
                    "Nobody deletes their own account here; DELETE /users/me closes it."));
    change->ended = change->before.security_epoch + 1;
    return user_remove(ctx, &change->before, NULL);
}

enum err user_admin_delete(struct ctx *ctx, const struct uuid *id, int64_t version)
{
    struct change *change = ARENA_NEW(ctx->arena, struct change);

    if (change == NULL)
        return ERR_MEMORY;
    *change = (struct change){.id = id, .version = version};
    return run(ctx, delete, change);
}
