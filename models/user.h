/*
 * Users of one tenant, in the tenant's own collection users_<hex>. The ctx names the tenant. Names
 * and addresses are stored as typed and in one canonical form (NFC, lower case) that is unique.
 */
#pragma once

#include "app/ctx.h"
#include "app/db.h"
#include "app/schema.h"

struct user {
    struct uuid id;
    struct uuid tenant_id;
    const char *username;           /* as typed; may be NULL */
    const char *username_canonical; /* unique */
    const char *email;
    const char *email_canonical; /* unique */
    const char *name;
    const char *password_hash;  /* may be NULL: cannot log in with a password */
    int role;                   /* enum role */
    struct bytes custom_fields; /* as the ctx's party sees them (models/custom_fields.h) */
    struct bytes stored_fields; /* as the database has them: never for an answer */
    bool is_active;
    bool is_email_verified;
    int64_t security_epoch;
    int64_t created_at, updated_at, last_login_at;
    int64_t strange_login_at; /* the last one without a known device: wipes the account's tries */
    int64_t deletion_at;      /* the account was closed and is removed then; 0 = no */
    int64_t version;
    uint64_t shown; /* which fields an answer has (models/user_fields.h); 0 = all */
};

extern const char *const role_names[]; /* {NULL, "user", "admin", "owner", NULL} */
extern const struct schema user_schema;
extern const struct db_index user_indexes[];
extern const size_t user_index_count;

/* The user name, else the e-mail address, as typed: one of them is there. */
static inline const char *user_login_name(const struct user *user)
{
    return user->username != NULL ? user->username : user->email;
}

/* ERR_NOT_FOUND. */
CHECKED enum err user_find(struct ctx *ctx, const struct uuid *id, struct user *ret_user);
/* With "@": by e-mail, else by user name. */
CHECKED enum err user_find_by_login(struct ctx *ctx, const char *login, struct user *ret_user);
/* Fills what every new user has: id, canonical forms, times, version. */
CHECKED enum err user_begin(struct ctx *ctx, struct user *user);
/* ERR_USERNAME_TAKEN, ERR_EMAIL_TAKEN. Begins the user, too. The place under the plan's limit must
 * have been reserved. */
CHECKED enum err user_insert(struct ctx *ctx, struct user *user);
/* The last login is now, by the database's clock, which is left in user->last_login_at. */
CHECKED enum err user_touch_login(struct ctx *ctx, struct user *user, bool on_known_device);
/* What a refused write of a name, an address or a unique custom field means: ERR_USERNAME_TAKEN,
 * ERR_EMAIL_TAKEN, ERR_VALUE_TAKEN with the field's pointer. For the
 * ERR_CONFLICT of a db_ call just made. */
CHECKED enum err user_taken(struct ctx *ctx);
/* Replaces the hash if it is still old_hash (rehash on login). ERR_NOT_FOUND when it is not. */
CHECKED enum err user_rehash(struct ctx *ctx, const struct user *user, const char *new_hash);
/* New hash, epoch + 1 (only if the epoch is still that of user: each change of a password raises
 * it, a rehash does not). For the transaction of a password change. ERR_CONFLICT when the user
 * changed meanwhile. */
CHECKED enum err user_set_password(struct ctx *ctx, const struct user *user, const char *new_hash);
CHECKED enum err user_raise_epoch(struct ctx *ctx, const struct uuid *id, int64_t *ret_epoch);
/* Own profile, written as a user: name and custom fields (a merge patch, or the whole object as the
 * user sees it) under the version read. ret_user afterwards. ERR_CONFLICT when the version moved,
 * ERR_VALUE_TAKEN. */
struct user_patch {
    const char *name;
    bool has_name;
    const struct value *custom_patch; /* or NULL */
    struct bytes custom_fields;
    bool has_custom_fields;
};
CHECKED enum err user_patch(struct ctx *ctx, const struct user *user,
                            const struct user_patch *patch, struct user *ret_user);
/* For the transaction of a change: writes the fields of after whose bit of user_schema is set in
 * mask (an absent one is removed), version + 1, and with new_epoch the epoch + 1. ret_user as it is
 * afterwards. ERR_USERNAME_TAKEN, ERR_EMAIL_TAKEN, ERR_NOT_FOUND. */
struct user_write {
    const struct user *after;
    uint64_t mask;
    bool new_epoch;
};
CHECKED enum err user_rewrite(struct ctx *ctx, const struct user_write *write,
                              struct user *ret_user);
/* The bit of a field in such a mask. */
uint64_t user_field_bit(const char *name);
CHECKED enum err user_delete(struct ctx *ctx, const struct uuid *id);
/* As many as a page holds; *ret_cut: there are more. */
CHECKED enum err user_list_page(struct ctx *ctx, const struct uuid *after, int64_t limit,
                                bool *ret_cut, struct list *ret_users);
CHECKED enum err user_list(struct ctx *ctx, const struct uuid *after, int64_t limit,
                           struct list *ret_users);
