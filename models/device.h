/*
 * Known devices (api.md §11): a cookie that a sign-in leaves behind and that is worth nothing but a
 * count of tries of its own. Bound to tenant, user, the user's epoch and a device id by a MAC under
 * the tenant's key; nothing of it is stored. It counts for DEVICE_SECONDS after the last sign-in
 * with it and ends with the epoch (password change, logout everywhere). Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

#define DEVICE_SECONDS (INT64_C(400) * 24 * 3600)

struct device {
    struct uuid id;     /* zero: none */
    int64_t sign_in_at; /* the last one with this cookie, by the database's clock, ms */
};

/* What the cookie proves about this user now; id zero when it is absent, forged, another user's,
 * of an earlier epoch or too old. */
CHECKED enum err device_read(struct ctx *ctx, const struct user *user, const char *cookie,
                             struct device *ret_device);
/* The cookie after a sign-in at user->last_login_at: for the same device, or for a new one when
 * device->id is zero. */
CHECKED enum err device_write(struct ctx *ctx, const struct user *user, const struct device *device,
                              const char **ret_cookie);
