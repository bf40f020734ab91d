/*
 * The one path that proves a password: behind every JSON login, form login and login page, later
 * the password grant. Find, charge one attempt atomically, hash exactly once, reset, audit.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

/* login is a user name or an e-mail address. On success the attempt counter is reset, the hash
 * renewed when the configuration changed. ERR_BAD_CREDENTIALS with one text for every reason;
 * ERR_LOCKED with Retry-After and without a hash; ERR_BUSY. The success row of the audit is the
 * caller's, with the grant or session that it opens; the failure row is written here. */
CHECKED enum err sign_in(struct ctx *ctx, const char *login, const char *password,
                         struct user *ret_user);
/* The current password of a known user, under the same counter (password change). */
CHECKED enum err sign_in_confirm(struct ctx *ctx, const struct user *user, const char *password);
