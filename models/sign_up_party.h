/*
 * Sign-ups of one tenant that meet: while a transaction is on its way to the disk the next users
 * gather, and one transaction makes them all. Each is answered for itself: what keeps one of them
 * out (a name that is taken, the last place under the limit, a schema) undoes all, and then each is
 * made alone. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/user.h"

struct sign_up_guest {
    struct ctx *ctx;
    struct user *user;                                   /* becomes complete */
    enum err (*permit)(struct ctx *ctx, enum role role); /* as in struct new_user */
    const char *action;                                  /* of the audit row */
    enum err (*alone)(struct sign_up_guest *guest);      /* makes this user and no other */
    void *arg;                                           /* for alone */
    /* Of sign_up_party.c. */
    enum err result;
    bool is_alone;
};

/* The user with its audit row and its place under the limit, or nothing. */
CHECKED enum err sign_up_meet(struct sign_up_guest *guest);

/* For gather_new. */
bool sign_up_may_meet(const void *work, const void *other);
