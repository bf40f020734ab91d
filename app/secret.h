/*
 * Secrets: random bytes, MACs, comparison, wiping, and sealing at rest. The only user of libsodium
 * besides password.c. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/schema.h"

#define SECRET_KEY_SIZE     32
#define SECRET_MAC_SIZE     32
#define SHA256_SIZE         32
/* Length of the unpadded base64url text of n bytes, without NUL. */
#define BASE64URL_LENGTH(n) (((n)*4 + 2) / 3)

/* Once per process, before anything else. False: no randomness, do not start. */
bool secret_init(void);
void secret_random(void *ret_bytes, size_t size);
void secret_wipe(void *bytes, size_t size);
/* Constant time. */
bool secret_equal(const void *a, const void *b, size_t size);
void secret_sha256(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE]);
void secret_mac(const uint8_t key[SECRET_KEY_SIZE], const void *bytes, size_t size,
                uint8_t ret_mac[SECRET_MAC_SIZE]); /* HMAC-SHA-256 */
/* Subkey for one purpose: HMAC(key, label). */
void secret_derive(const uint8_t key[SECRET_KEY_SIZE], const char *label,
                   uint8_t ret_key[SECRET_KEY_SIZE]);

/* Names bytes within this process, and in no other: BLAKE2b under a key of the process, a third of
 * what SHA-256 costs. For what is looked up with every request and never stored. */
void secret_fingerprint(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE]);
/* Keyed hash for tables whose keys come from outside; differs in every process. Not a MAC. */
uint64_t secret_table_hash(const void *bytes, size_t size);

/* base64url without padding (RFC 4648 §5). ret_text needs BASE64URL_LENGTH(size) + 1. */
void base64url_encode(const void *bytes, size_t size, char *ret_text);
/* Strict: no padding, no foreign character, canonical last character. Returns the number of bytes
 * or -1; never writes more than capacity. */
int64_t base64url_decode(const char *text, size_t length, void *ret_bytes, size_t capacity);
/* The same of base64 with padding (RFC 4648 §4). */
int64_t base64_decode(const char *text, size_t length, void *ret_bytes, size_t capacity);

/* XChaCha20-Poly1305 under key; context (tenant, collection, field, id…) is authenticated with it.
 * The sealed bytes are nonce || ciphertext || tag in ctx->arena. */
CHECKED enum err secret_seal(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                             const struct bytes *plain, const char *context,
                             struct bytes *ret_sealed);
/* ERR_INTERNAL when it does not authenticate. */
CHECKED enum err secret_open(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                             const struct bytes *sealed, const char *context,
                             struct bytes *ret_plain);
