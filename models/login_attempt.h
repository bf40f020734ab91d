/*
 * Failures in a row by account (the user's id, or the name's hash when there is none): one atomic
 * update charges a try before any hash, so that parallel tries never exceed the limit on any
 * instance.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/user.h"

extern const struct schema login_attempt_schema;

/* Charges one try by the database's clock. ERR_LOCKED with Retry-After while locked. user NULL: by
 * the canonical login text. ret_last: this try is still evaluated, and locks unless it succeeds. */
CHECKED enum err login_attempt_charge(struct ctx *ctx, const struct user *user, const char *login,
                                      bool *ret_last);
/* Takes back a charge whose password was never looked at, with the lock it may have set. */
CHECKED enum err login_attempt_refund(struct ctx *ctx, const struct user *user, const char *login);
/* After a proof that is no login (password change): zero. */
CHECKED enum err login_attempt_reset(struct ctx *ctx, const struct user *user);
