/*
 * Changes of a user's security state: each raises the epoch, revokes what was issued, and writes
 * its audit row in one transaction, so that every instance refuses the old credentials within a
 * second.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

/* Ends all sessions and grants (logout-all). action is the audit row's. */
CHECKED enum err user_end_all(struct ctx *ctx, const struct uuid *user_id, const char *action);
/* Proves the current password, sets the new one, ends everything. ret_user has the new epoch. */
CHECKED enum err user_change_password(struct ctx *ctx, const struct uuid *user_id,
                                      const char *current_password, const char *new_password,
                                      struct user *ret_user);

/* By the operator, who need not know the old one; ends everything, and a lock too. */
CHECKED enum err user_reset_password(struct ctx *ctx, const struct uuid *user_id,
                                     const char *new_password);

/* For the transaction of any further change: what was issued below this epoch of the user ends,
 * tokens, grants and sessions alike. */
CHECKED enum err user_end_issued(struct ctx *ctx, const struct uuid *user_id, int64_t epoch);
/* After its commit: this instance refuses it without waiting for the change stream. */
void user_end_issued_here(struct ctx *ctx, const struct uuid *user_id, int64_t epoch);
