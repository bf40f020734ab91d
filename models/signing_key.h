/*
 * Replacing the keys that sign a tenant's tokens (SK-6), each algorithm for itself. A new key is
 * published at once and signs from a moment that lies far enough ahead: by then every instance has
 * it, and whoever verifies tokens by the published set has asked again. Each instance looks at the
 * clock, so no second write is needed and an interrupted command leaves nothing half done. The key
 * before stays published until the longest token that it signed has expired. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/keys.h"

enum signing_key_state {
    SIGNING_KEY_UNSET = 0,
    SIGNING_KEY_NEXT,     /* published, does not sign yet */
    SIGNING_KEY_CURRENT,  /* signs */
    SIGNING_KEY_PREVIOUS, /* verifies what it has signed */
};

extern const char *const signing_key_state_names[];

struct signing_key_view {
    struct signing_key key;
    enum signing_key_state state;
};

/* How far ahead a new key's first signature is at least, and normally: published sets may be kept
 * for five minutes (handlers/jwks.c). */
#define SIGNING_KEY_LEAST_MS   INT64_C(5000)
#define SIGNING_KEY_NORMAL_MS  INT64_C(330000)
#define SIGNING_KEY_LONGEST_MS INT64_C(2592000000)

/* Of the ctx's tenant, the next one first. list of struct signing_key_view. */
CHECKED enum err signing_key_list(struct ctx *ctx, struct list *ret_views);
/* ERR_CONFLICT with a sentence while another new key waits, or too many are still published. */
CHECKED enum err signing_key_rotate(struct ctx *ctx, enum jws_alg alg, int64_t after_ms,
                                    struct signing_key *ret_key);
/* By schedule: replaces whichever keys that sign have done so for longer than max_age_ms, unless
 * their successors wait already. *ret_rotated counts them. */
CHECKED enum err signing_key_rotate_due(struct ctx *ctx, int64_t max_age_ms, size_t *ret_rotated);
/* At once and for good: tokens that the key signed are refused by all instances within a second.
 * When it was the one that signs, another does so from now on; *ret_new tells which (kid NULL:
 * none was needed). ERR_NOT_FOUND. */
CHECKED enum err signing_key_revoke(struct ctx *ctx, const char *kid, struct signing_key *ret_new);
