/*
 * What a tenant's administrators do to its users. Who asks is ctx->who (models/user_authority.h); a
 * command sets credential to CREDENTIAL_PLATFORM and acts as an owner who is nobody's own account.
 * Each change of role, activity or address, each end of sessions and each removal is one
 * transaction with its epoch, its revocation, the counters and its audit row; old tokens end on all
 * instances within a second. An owner is changed by owners only; the last active owner stays:
 * ERR_LAST_OWNER. Refusals: ERR_ROLE, ERR_ROLE_NOT_GRANTED, ERR_FORBIDDEN (oneself), ERR_NOT_FOUND.
 *
 * Lists are user_list (models/user.h).
 */
#pragma once

#include "app/ctx.h"
#include "app/value.h"
#include "models/sign_up.h"
#include "models/user.h"

/* Like sign_up, with a role up to the caller's own. */
CHECKED enum err user_admin_create(struct ctx *ctx, const struct new_user *new_user,
                                   struct user *ret_user);

/* What is not given stays. NULL clears a name or address, but not both names to log in with. */
struct user_edit {
    const char *username, *email, *name;
    bool has_username, has_email, has_name;
    bool is_active, has_is_active; /* true also takes back the deletion of a closed account */
    bool is_email_verified, has_is_email_verified;
    int role;                            /* by owners; ROLE_UNSET = not given */
    const struct value *custom_fields;   /* a merge patch; null empties them; NULL = not given */
    const struct bytes *custom_document; /* without a patch: the whole of them; NULL = not given */
    int64_t version;                     /* that the user must have; 0 = any */
};

/* Texts are checked as sign_up does. Also ERR_VALIDATION, ERR_CUSTOM_FIELDS, ERR_USERNAME_TAKEN,
 * ERR_EMAIL_TAKEN, ERR_PRECONDITION. */
CHECKED enum err user_admin_edit(struct ctx *ctx, const struct uuid *id,
                                 const struct user_edit *edit, struct user *ret_user);
/* By owners. version as above. The role the user has already changes nothing. */
CHECKED enum err user_admin_set_role(struct ctx *ctx, const struct uuid *id, enum role role,
                                     int64_t version, struct user *ret_user);
/* Ends all sessions and tokens of the user. */
CHECKED enum err user_admin_end_sessions(struct ctx *ctx, const struct uuid *id);
/* At once, with everything that is the user's; name and address are free again. */
CHECKED enum err user_admin_delete(struct ctx *ctx, const struct uuid *id, int64_t version);
