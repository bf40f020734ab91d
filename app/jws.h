/*
 * Compact JWS (RFC 7515) with OpenSSL and parsed keys kept in memory: ES256, RS256, PS256. Text is
 * checked before any cryptography: length, alphabet, canonical base64url, exactly three parts,
 * known header members only (alg, typ, kid), exact alg and typ of the key and token kind. Claims
 * are the caller's. Any thread; a struct jws_key is immutable after parsing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/schema.h"
#include "app/value.h"

#define JWS_MAX_TEXT 8192
#define JWS_KID_SIZE 44 /* base64url SHA-256 thumbprint and NUL */
#define JWS_RSA_BITS 2048

enum jws_alg { JWS_UNSET = 0, JWS_ES256, JWS_RS256, JWS_PS256 };

struct jws_key; /* parsed private (and public) key */

/* A new key pair: PKCS#8 DER (secret, in arena), public JWK as BSON document bytes with kty,
 * crv/n/e, kid, use, alg; kid is the RFC 7638 thumbprint. RSA keys come from ctx->app->rsa. */
struct jws_generated {
    const char *kid;
    struct bytes private_der;
    struct bytes public_jwk;
};
CHECKED enum err jws_generate(struct ctx *ctx, enum jws_alg alg, struct jws_generated *ret_key);

/* Parses PKCS#8 DER. Owned by the caller (key sets live in cache snapshots: register with
 * arena cleanup in keys.c). */
CHECKED enum err jws_key_parse(struct ctx *ctx, enum jws_alg alg, const char *kid,
                               const struct bytes *private_der, struct jws_key **ret_key);
void jws_key_free(struct jws_key *key);
const char *jws_key_kid(const struct jws_key *key);
enum jws_alg jws_key_alg(const struct jws_key *key);
const char *jws_alg_name(enum jws_alg alg);
/* JWS_UNSET for any other text. */
enum jws_alg jws_alg_named(const char *name);

/* header {"alg","typ","kid"} . claims_json . signature, in ctx->arena. */
CHECKED enum err jws_sign(struct ctx *ctx, const struct jws_key *key, const char *typ,
                          const struct bytes *claims_json, const char **ret_token);

/* The parts of a token whose text is well-formed; nothing is verified yet. */
struct jws_parts {
    const char *kid;       /* from the header, in arena; NULL when not there */
    const char *alg, *typ; /* typ: NULL when not there */
    size_t signed_length;  /* of header.payload in the token text */
    struct bytes signature;
    struct bytes payload; /* decoded claims text */
};
/* ERR_BAD_TOKEN for every malformed text. token need not be NUL-terminated at length. */
CHECKED enum err jws_split(struct ctx *ctx, const char *token, size_t length,
                           struct jws_parts *ret_parts);
/* Signature only, after kid, alg and typ were compared with key and want_typ. key may be NULL (not
 * found): ERR_BAD_TOKEN. */
CHECKED enum err jws_verify(struct ctx *ctx, const char *token, const struct jws_parts *parts,
                            const struct jws_key *key, const char *want_typ);
