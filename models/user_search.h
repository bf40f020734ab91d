/*
 * Finding users for people who look through them: by the beginning of a name or address, and the
 * names of those whose ids stand somewhere else. Every query is served by an index of users.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/user.h"

/* Users whose user name or e-mail address (in canonical form) begins with text: those found by name
 * first, each group in alphabetical order, at most limit altogether. list of struct user. */
CHECKED enum err user_search(struct ctx *ctx, const char *text, int64_t limit,
                             struct list *ret_users);
/* The users of these ids that exist, in no order. list of struct user. */
CHECKED enum err user_find_all(struct ctx *ctx, const struct uuid *ids, size_t count,
                               struct list *ret_users);
