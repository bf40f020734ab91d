/*
 * Password hashes. bcrypt $2b$ (libxcrypt) or Argon2id (libsodium) are made; they and the forms of
 * other systems (app/stored_hash.h) are always verified.
 * Hashing runs on its own threads with their own stacks, behind a bounded queue: when that is full
 * the answer is ERR_BUSY with Retry-After at once. Callers block on their connection thread; no
 * database client may be held meanwhile. Passwords are wiped by the arena of the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/config.h"
#include "app/ctx.h"

#define PASSWORD_HASH_SIZE  256
#define BCRYPT_MAX_PASSWORD 72
#define ARGON2_MAX_PASSWORD 256

struct hash_pool;

/* server_threads: that may ask at once; 0 = of a command, which hashes little or nothing: then no
 * hash is made ahead to learn what one takes. */
CHECKED enum err hash_pool_new(const struct config_password *config, int64_t server_threads,
                               struct hash_pool **ret_pool);
void hash_pool_free(struct hash_pool *pool);

struct hash_stats {
    uint64_t hashes;  /* computed since start, real and dummy */
    uint64_t refused; /* queue full */
    size_t waiting, threads, queue;
};
void hash_pool_stats(struct hash_pool *pool, struct hash_stats *ret_stats);

/* Brings a password into its one form (NFC) and checks what may be set: length in code points from
 * min_length, at most 72 bytes with bcrypt (256 with Argon2id), no NUL, no control character, valid
 * UTF-8. ERR_VALIDATION names field. */
CHECKED enum err password_prepare(struct ctx *ctx, const char *field, const char *password,
                                  int64_t min_length, const char **ret_password);

/* A new hash with the configured scheme and cost, in ctx->arena. ERR_BUSY when the queue is full.
 */
CHECKED enum err password_hash(struct ctx *ctx, const char *password, const char **ret_hash);

/* Exactly one hash whatever the input: NULL or unknown stored forms, empty, over-long or invalid
 * passwords are compared with a dummy of configured cost and do not match. What another scheme made
 * costs what it costs, a failure no less than the configured hash usually takes (ADR 0019).
 * ret_stale: matches, but the configuration asks for another scheme or cost now. ERR_BUSY when the
 * queue is full. */
CHECKED enum err password_matches(struct ctx *ctx, const char *password, const char *stored_hash,
                                  bool *ret_matches, bool *ret_stale);

/* True for the stored forms that may reach a verifier. */
bool password_hash_is_known(const char *stored_hash);
