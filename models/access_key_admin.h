/*
 * Administering the access keys of the ctx's tenant. The counter that the plan limits, the key and
 * the audit row change in one transaction, so the limit is exact. Other instances follow within a
 * second. An expired key keeps its place until it is deleted; one that was replaced has none. Any
 * thread.
 */
#pragma once

#include "models/access_key.h"

/* True for the name of a scope that keys can have. */
bool access_key_is_scope(const char *text);

/* One text with blanks between, each scope once; those of a new key when items is NULL. */
CHECKED enum err access_key_join_scopes(struct ctx *ctx, const struct strs *scopes,
                                        const char **ret_text);

#define ACCESS_KEY_DEFAULT_SCOPES "auth users:read audit:read"

/* ERR_PLAN_LIMIT; ERR_VALIDATION when expires_at is past; ERR_CONFLICT when the wanted id has been
 * given to a key. */
CHECKED enum err access_key_create(struct ctx *ctx, const struct new_access_key *wanted,
                                   struct made_key *ret_made);
/* Those that have not been ended, by age, after the given one (zero = from the first). list of
 * struct access_key with last_used_at. */
CHECKED enum err access_key_list(struct ctx *ctx, const struct uuid *after, int64_t limit,
                                 struct list *ret_keys);
/* A new key with label, scopes and end of the old one, which works on for overlap_ms; what the old
 * one had replaced ends at once. ERR_NOT_FOUND; ERR_CONFLICT when it was replaced before or has
 * expired. */
CHECKED enum err access_key_rotate(struct ctx *ctx, const struct uuid *id, int64_t overlap_ms,
                                   struct made_key *ret_made);
/* ERR_NOT_FOUND. */
CHECKED enum err access_key_delete(struct ctx *ctx, const struct uuid *id);
/* How many of the ctx's tenant count against its plan: neither replaced nor deleted. */
CHECKED enum err access_key_count(struct ctx *ctx, int64_t *ret_keys);
/* Housekeeping: brings the counter of the ctx's tenant in line with the keys. */
CHECKED enum err access_key_recount(struct ctx *ctx);
