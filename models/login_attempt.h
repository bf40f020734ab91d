/*
 * Failures in a row by account (the user's id, or the name's hash when there is none) and apart
 * from that by known device of a user, so that a stranger cannot lock the owner out: one atomic
 * update charges a try before any hash, so that parallel tries never exceed the limit on any
 * instance.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/device.h"
#include "models/user.h"

extern const struct schema login_attempt_schema;

/* Whose tries are counted: of a known device for a user, else of the user's account, else of a name
 * that nobody has. */
struct login_subject {
    const struct user *user; /* NULL: by the canonical login text */
    const char *login;
    struct device device; /* id zero: none */
};

struct login_charge {
    bool last;     /* this try is still evaluated, and locks unless it succeeds */
    int64_t round; /* the row of tries that it belongs to, for the refund */
};

/* Charges one try by the database's clock. ERR_LOCKED with Retry-After while locked. */
CHECKED enum err login_attempt_charge(struct ctx *ctx, const struct login_subject *subject,
                                      struct login_charge *ret_charge);
/* Takes back a charge whose password was never looked at, with the lock it may have set; nothing
 * when a success or a lock has ended its row meanwhile. */
CHECKED enum err login_attempt_refund(struct ctx *ctx, const struct login_subject *subject,
                                      const struct login_charge *charge);
/* After a proof that is no login (password change): zero. */
CHECKED enum err login_attempt_reset(struct ctx *ctx, const struct user *user);
