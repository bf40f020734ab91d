/*
 * The one path that proves a password: behind every JSON login, form login and login page, later
 * the password grant. Find, charge one attempt atomically, hash exactly once, reset, audit.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

/* The device cookie of a request that may leave cookies: in as it was sent, out as it is now. */
struct sign_in_device {
    const char *sent; /* NULL: none */
    const char *made;
};

/* login is a user name or an e-mail address. device is NULL where no cookies are set: what such a
 * path leaves behind is in a program's hands, and a cookie it did not set must not count there.
 * On success the attempt counter is wiped, the hash renewed when the configuration changed, and
 * device->made is the cookie that makes this a known device. ERR_BAD_CREDENTIALS with one text for
 * every reason; ERR_LOCKED with Retry-After and without a hash; ERR_BUSY. The success row of the
 * audit is the caller's, with the grant or session that it opens; the failure row is written here.
 */
CHECKED enum err sign_in(struct ctx *ctx, const char *login, const char *password,
                         struct sign_in_device *device, struct user *ret_user);
/* The current password of a known user, under the same counter; action is what a failure is
 * audited as. */
CHECKED enum err sign_in_confirm(struct ctx *ctx, const struct user *user, const char *password,
                                 const char *action);
