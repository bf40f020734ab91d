/*
 * What a new password must be in this tenant: long enough, and where the tenant wants it
 * (password_blocklist) neither common nor made of words that anybody knows who knows the tenant and
 * the user (PW-5). No rules of composition. Local tables, no network. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"

/* Hashes of common passwords in order; made by cmake/common_passwords.py. */
extern const uint64_t common_passwords[];
extern const size_t common_password_count;

/* Whose password it will be; each may be NULL. */
struct password_owner {
    const char *username, *email, *name;
};

/* As password_prepare, with the least length of the ctx's tenant. */
CHECKED enum err password_policy_prepare(struct ctx *ctx, const char *field, const char *password,
                                         const char **ret_password);
/* A prepared password against what is guessed first. ERR_VALIDATION names field and says why. */
CHECKED enum err password_policy_check(struct ctx *ctx, const char *field, const char *password,
                                       const struct password_owner *owner);

/* Whether a password (lower case) is among those that are guessed first. */
bool password_is_common(const char *password);
