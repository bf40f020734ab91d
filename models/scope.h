/*
 * Scopes (RFC 6749 §3.3): words with one blank between, each once. Ours have a meaning; all others
 * are a tenant's own and mean what its applications make of them. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "app/ctx.h"

#define SCOPE_OPENID         "openid"
#define SCOPE_OFFLINE_ACCESS "offline_access"

/* The list holds the word; NULL is an empty list. */
bool scope_has(const char *list, const char *word);
/* The same words, each once, with one blank between; "" for none. ERR_SCOPE_INVALID when a word has
 * a character that scopes do not have. In the arena. */
CHECKED enum err scope_normalise(struct ctx *ctx, const char *text, const char **ret_scope);
/* The words of wanted that are in allowed, in wanted's order. */
CHECKED enum err scope_common(struct ctx *ctx, const char *wanted, const char *allowed,
                              const char **ret_scope);
/* The first word of wanted that allowed lacks, in the arena; *ret_word is NULL when there is none.
 */
CHECKED enum err scope_missing(struct ctx *ctx, const char *wanted, const char *allowed,
                               const char **ret_word);

/* Without what this role may not have (admin, users:read, users:write below an administrator). */
CHECKED enum err scope_for_role(struct ctx *ctx, const char *scope, enum role role,
                                const char **ret_scope);
/* Without what needs a person (openid, profile, …, admin), for a client that acts for itself;
 * users:read and users:write only with for_users. */
CHECKED enum err scope_for_machine(struct ctx *ctx, const char *scope, bool for_users,
                                   const char **ret_scope);
/* Words that are scopes of access keys and would be mistaken for them. */
bool scope_is_reserved(const char *word);
