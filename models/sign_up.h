/* The one path that makes a user: behind the four registration entries, the page, commands and
 * seed. */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

struct new_user {
    const char *username; /* or NULL */
    const char *email;    /* or NULL; at least one of both */
    const char *name;
    const char *password;
    const char *password_hash; /* instead of password: what another system stored */
    struct bytes custom_fields;
    struct strs emptied; /* members of custom_fields that get no default */
    int role;            /* ROLE_USER unless the caller may give more */
    /* Asked inside the transaction, too: may this caller still give the role? NULL = nobody asks.
     */
    enum err (*permit)(struct ctx *ctx, enum role role);
    const char *action; /* of the audit rows; NULL = "signup" */
};

/* Checks, hashes, reserves a place under the plan's limit, inserts, audits. *ret_user is
 * complete when the hooks of the inserting transaction run (db_before_commit). Errors name the
 * field: ERR_VALIDATION, ERR_USERNAME_TAKEN, ERR_EMAIL_TAKEN, ERR_PLAN_LIMIT, ERR_BUSY. */
CHECKED enum err sign_up(struct ctx *ctx, const struct new_user *new_user, struct user *ret_user);
