/*
 * Access tokens already verified: from the SHA-256 of the token text to its claims, so that a token
 * seen before costs a hash and a look-up. Bounded; entries die with the token's exp. Revocation is
 * checked by the caller every time. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"

struct token_cache;

#define TOKEN_CLIENT_SIZE 64
#define TOKEN_SCOPE_SIZE  256

/* Claims of an access token, fixed size. */
struct token_claims {
    struct uuid tenant_id, user_id, grant_id, token_id;
    int64_t issued_at, expires_at; /* seconds */
    int64_t tenant_epoch, user_epoch, client_epoch;
    enum role role;
    bool is_for_others;                /* aud lacks the issuer: no route of ours takes it */
    bool has_audience;                 /* aud is not the issuer alone */
    bool has_claims;                   /* its grant asks for claims of UserInfo by name */
    char client_id[TOKEN_CLIENT_SIZE]; /* "" = none */
    char scope[TOKEN_SCOPE_SIZE];
};

struct token_cache *token_cache_new(size_t entries);
void token_cache_free(struct token_cache *cache);
bool token_cache_find(struct token_cache *cache, const uint8_t digest[32],
                      struct token_claims *ret_claims);
/* How often everything was forgotten: read before a token is verified. */
uint64_t token_cache_age(const struct token_cache *cache);
/* Nothing happens unless age is still the same: what it was verified with may be outdated. */
void token_cache_add(struct token_cache *cache, const uint8_t digest[32],
                     const struct token_claims *claims, uint64_t age);
/* Forgets everything: a key that signed some of it is no longer trusted. */
void token_cache_flush(struct token_cache *cache);
