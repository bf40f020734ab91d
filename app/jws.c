/* Compact JWS over OpenSSL's EVP interface. Everything about the text is decided before it is
 * called. */
#include "app/jws.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "app/app.h"
#include "app/auto.h"
#include "app/bson_auto.h"
#include "app/buf.h"
#include "app/json.h"
#include "app/rsa_pool.h"
#include "app/secret.h"

#define EC_HALF       32 /* bytes of r, s, x and y with P-256 */
#define EC_RAW        ((size_t)2 * EC_HALF)
#define EC_DER_MAX    72
#define RSA_MAX_BYTES 512

struct jws_key {
    enum jws_alg alg;
    EVP_PKEY *pkey;
    /* Initialised once for key and digest; a copy for each use skips the fetches (2 µs). */
    EVP_MD_CTX *sign, *verify;
    char kid[JWS_KID_SIZE];
};

DEFINE_AUTO(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_AUTO(ECDSA_SIG, ECDSA_SIG_free)
DEFINE_AUTO(BIGNUM, BN_free)
DEFINE_AUTO(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
DEFINE_AUTO(struct jws_key, jws_key_free)

const char *jws_alg_name(enum jws_alg alg)
{
    switch (alg) {
    case JWS_ES256:
        return "ES256";
    case JWS_RS256:
        return "RS256";
    case JWS_PS256:
        return "PS256";
    case JWS_UNSET:
        break;
    }
    return "";
}

enum jws_alg jws_alg_named(const char *name)
{
    for (enum jws_alg alg = JWS_ES256; alg <= JWS_PS256; alg++)
        if (strcmp(jws_alg_name(alg), name) == 0)
            return alg;
    return JWS_UNSET;
}

/* ---- keys ---- */

/* base64url of a public number, padded on the left to width bytes (0 = as long as it is). */
static const char *number_text(struct ctx *ctx, const EVP_PKEY *pkey, const char *name, int width)
{
    AUTO(BN_free) BIGNUM *number = NULL;

    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1)
        return NULL;
    if (width == 0)
        width = BN_num_bytes(number);

    uint8_t *bytes = arena_alloc(ctx->arena, (size_t)width);
    char *text = arena_alloc(ctx->arena, BASE64URL_LENGTH((size_t)width) + 1);

    if (bytes == NULL || text == NULL || BN_bn2binpad(number, bytes, width) != width)
        return NULL;
    base64url_encode(bytes, (size_t)width, text);
    return text;
}

struct public_numbers {
    const char *first, *second; /* x and y, or n and e */
};

static enum err public_numbers(struct ctx *ctx, const EVP_PKEY *pkey, enum jws_alg alg,
                               struct public_numbers *ret)
{
    const bool ec = alg == JWS_ES256;

    ret->first = number_text(ctx, pkey, ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_N,
                             ec ? EC_HALF : 0);
    ret->second = number_text(ctx, pkey, ec ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_E,
                              ec ? EC_HALF : 0);
    if (ret->first == NULL || ret->second == NULL)
        return fail_internal(ctx, ERR_INTERNAL, "the public part of a key could not be read");
    return ERR_OK;
}

/* RFC 7638: SHA-256 over the required members in order of name, without blanks. */
static enum err thumbprint(struct ctx *ctx, enum jws_alg alg, const struct public_numbers *numbers,
                           const char **ret_kid)
{
    uint8_t digest[SHA256_SIZE];
    char *kid = arena_alloc(ctx->arena, JWS_KID_SIZE);
    const char *text;

    if (alg == JWS_ES256)
        text =
            arena_printf(ctx->arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                         numbers->first, numbers->second);
    else
        text = arena_printf(ctx->arena, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}",
                            numbers->second, numbers->first);
    if (text == NULL || kid == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a key's thumbprint");
    secret_sha256(text, strlen(text), digest);
    base64url_encode(digest, sizeof digest, kid);
    *ret_kid = kid;
    return ERR_OK;
}

static enum err public_jwk(struct ctx *ctx, enum jws_alg alg, const struct public_numbers *numbers,
                           const char *kid, struct bytes *ret_jwk)
{
    AUTO(bson_destroy) bson_t *jwk = bson_new();
    const bool ec = alg == JWS_ES256;
    bool fits = BSON_APPEND_UTF8(jwk, "kty", ec ? "EC" : "RSA");

    if (ec)
        fits = fits && BSON_APPEND_UTF8(jwk, "crv", "P-256");
    fits = fits && BSON_APPEND_UTF8(jwk, ec ? "x" : "n", numbers->first) &&
           BSON_APPEND_UTF8(jwk, ec ? "y" : "e", numbers->second) &&
           BSON_APPEND_UTF8(jwk, "kid", kid) && BSON_APPEND_UTF8(jwk, "use", "sig") &&
           BSON_APPEND_UTF8(jwk, "alg", jws_alg_name(alg));

    const uint8_t *data = fits ? arena_memdup(ctx->arena, bson_get_data(jwk), jwk->len) : NULL;

    if (data == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a public key");
    *ret_jwk = (struct bytes){.data = data, .size = jwk->len};
    return ERR_OK;
}

static enum err private_der(struct ctx *ctx, const EVP_PKEY *pkey, struct bytes *ret_der)
{
    AUTO(PKCS8_PRIV_KEY_INFO_free) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    unsigned char *der = NULL;
    const int size = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

    if (size <= 0)
        return fail_internal(ctx, ERR_INTERNAL, "a new key could not be encoded");
    ret_der->data = arena_memdup(ctx->arena, der, (size_t)size);
    ret_der->size = (size_t)size;
    OPENSSL_clear_free(der, (size_t)size);
    return ret_der->data != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a key");
}

enum err jws_generate(struct ctx *ctx, enum jws_alg alg, struct jws_generated *ret_key)
{
    AUTO(EVP_PKEY_free)
    EVP_PKEY *pkey = alg == JWS_ES256 ? EVP_EC_gen("P-256")
                                      : rsa_pool_take(ctx->app != NULL ? ctx->app->rsa : NULL);
    struct public_numbers numbers = {0};
    struct jws_generated key = {0};

    if (pkey == NULL)
        return fail_internal(ctx, ERR_INTERNAL, "a key could not be made");
    TRY(public_numbers(ctx, pkey, alg, &numbers));
    TRY(thumbprint(ctx, alg, &numbers, &key.kid));
    TRY(public_jwk(ctx, alg, &numbers, key.kid, &key.public_jwk));
    TRY(private_der(ctx, pkey, &key.private_der));
    *ret_key = key;
    return ERR_OK;
}

static bool key_fits(const EVP_PKEY *pkey, enum jws_alg alg)
{
    char group[32] = "";

    if (alg == JWS_ES256)
        return EVP_PKEY_is_a(pkey, "EC") &&
               EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
               strcmp(group, "prime256v1") == 0;
    return EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= JWS_RSA_BITS &&
           EVP_PKEY_get_size(pkey) <= RSA_MAX_BYTES;
}

static EVP_PKEY *parse_pkcs8(const struct bytes *der)
{
    const unsigned char *end = der->data;
    AUTO(PKCS8_PRIV_KEY_INFO_free)
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &end, (long)der->size);

    if (info == NULL || end != der->data + der->size)
        return NULL;
    return EVP_PKCS82PKEY(info);
}

static bool use_pss(EVP_PKEY_CTX *options, enum jws_alg alg)
{
    if (alg != JWS_PS256)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool prepare_contexts(struct jws_key *key)
{
    EVP_PKEY_CTX *options = NULL; /* owned by the digest context */

    key->sign = EVP_MD_CTX_new();
    key->verify = EVP_MD_CTX_new();
    if (key->sign == NULL || key->verify == NULL)
        return false;
    if (EVP_DigestSignInit_ex(key->sign, &options, "SHA256", NULL, NULL, key->pkey, NULL) != 1 ||
        !use_pss(options, key->alg))
        return false;
    return EVP_DigestVerifyInit_ex(key->verify, &options, "SHA256", NULL, NULL, key->pkey, NULL) ==
               1 &&
           use_pss(options, key->alg);
}

enum err jws_key_parse(struct ctx *ctx, enum jws_alg alg, const char *kid,
                       const struct bytes *private_der, struct jws_key **ret_key)
{
    AUTO(jws_key_free) struct jws_key *key = OPENSSL_zalloc(sizeof *key);
    const size_t kid_length = strlen(kid);

    if (key == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a key");
    if (kid_length == 0 || kid_length >= sizeof key->kid)
        return fail_internal(ctx, ERR_INTERNAL, "a stored key has a bad kid");
    memcpy(key->kid, kid, kid_length + 1);
    key->alg = alg;
    key->pkey = parse_pkcs8(private_der);
    if (key->pkey == NULL || !key_fits(key->pkey, alg) || !prepare_contexts(key)) {
        ERR_clear_error();
        return fail_internal(ctx, ERR_INTERNAL, "the stored key %s is no %s key", kid,
                             jws_alg_name(alg));
    }
    *ret_key = key;
    key = NULL;
    return ERR_OK;
}

void jws_key_free(struct jws_key *key)
{
    if (key == NULL)
        return;
    EVP_MD_CTX_free(key->sign);
    EVP_MD_CTX_free(key->verify);
    EVP_PKEY_free(key->pkey);
    OPENSSL_clear_free(key, sizeof *key);
}

const char *jws_key_kid(const struct jws_key *key)
{
    return key->kid;
}

enum jws_alg jws_key_alg(const struct jws_key *key)
{
    return key->alg;
}

/* ---- signing ---- */

/* OpenSSL speaks DER, JWS the two numbers side by side (RFC 7518 §3.4). */
static bool ec_der_to_raw(const uint8_t *der, size_t size, uint8_t ret_raw[EC_RAW])
{
    const unsigned char *end = der;
    AUTO(ECDSA_SIG_free) ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &end, (long)size);

    return signature != NULL &&
           BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret_raw, EC_HALF) == EC_HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret_raw + EC_HALF, EC_HALF) == EC_HALF;
}

static int ec_raw_to_der(const uint8_t raw[EC_RAW], uint8_t ret_der[EC_DER_MAX])
{
    AUTO(ECDSA_SIG_free) ECDSA_SIG *signature = ECDSA_SIG_new();
    AUTO(BN_free) BIGNUM *r = BN_bin2bn(raw, EC_HALF, NULL);
    AUTO(BN_free) BIGNUM *s = BN_bin2bn(raw + EC_HALF, EC_HALF, NULL);
    unsigned char *end = ret_der;

    if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1)
        return -1;
    r = NULL;
    s = NULL;
    return i2d_ECDSA_SIG(signature, &end);
}

static enum err sign_bytes(struct ctx *ctx, const struct jws_key *key, const char *text,
                           size_t length, struct bytes *ret_signature)
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    size_t size = RSA_MAX_BYTES;
    uint8_t *signature = arena_alloc(ctx->arena, size);

    if (digest == NULL || signature == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory to sign");
    if (EVP_MD_CTX_copy_ex(digest, key->sign) != 1 ||
        EVP_DigestSign(digest, signature, &size, (const unsigned char *)text, length) != 1)
        return fail_internal(ctx, ERR_INTERNAL, "signing failed with key %s", key->kid);
    if (key->alg == JWS_ES256) {
        uint8_t raw[EC_RAW];

        if (!ec_der_to_raw(signature, size, raw))
            return fail_internal(ctx, ERR_INTERNAL, "key %s made a bad signature", key->kid);
        memcpy(signature, raw, EC_RAW);
        size = EC_RAW;
    }
    *ret_signature = (struct bytes){.data = signature, .size = size};
    return ERR_OK;
}

enum err jws_sign(struct ctx *ctx, const struct jws_key *key, const char *typ,
                  const struct bytes *claims_json, const char **ret_token)
{
    const char *header = arena_printf(ctx->arena, "{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}",
                                      jws_alg_name(key->alg), typ, key->kid);
    if (header == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a token");

    const size_t header_length = strlen(header);
    const size_t signed_length =
        BASE64URL_LENGTH(header_length) + 1 + BASE64URL_LENGTH(claims_json->size);
    const size_t room = signed_length + 1 + BASE64URL_LENGTH((size_t)RSA_MAX_BYTES) + 1;
    char *token = claims_json->size < JWS_MAX_TEXT ? arena_alloc(ctx->arena, room) : NULL;
    struct bytes signature = {0};

    if (token == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a token");
    base64url_encode(header, header_length, token);
    token[BASE64URL_LENGTH(header_length)] = '.';
    base64url_encode(claims_json->data, claims_json->size,
                     token + BASE64URL_LENGTH(header_length) + 1);
    TRY(sign_bytes(ctx, key, token, signed_length, &signature));
    token[signed_length] = '.';
    base64url_encode(signature.data, signature.size, token + signed_length + 1);
    if (strlen(token) > JWS_MAX_TEXT)
        return fail_internal(ctx, ERR_INTERNAL, "a token became longer than may be read");
    *ret_token = token;
    return ERR_OK;
}

/* ---- reading ---- */

static enum err bad_token(struct ctx *ctx, const char *why)
{
    fail_clear(ctx);
    return fail_internal(ctx, ERR_BAD_TOKEN, "%s", why);
}

/* One part of the text, decoded; NUL-terminated behind its end. */
static enum err decode_part(struct ctx *ctx, const char *text, size_t length,
                            struct bytes *ret_part)
{
    /* 3 bytes of 4 characters, so never more than length. */
    uint8_t *data = arena_alloc(ctx->arena, length + 1);

    if (data == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a token");

    const int64_t size = base64url_decode(text, length, data, length);

    if (size < 0)
        return bad_token(ctx, "the token is not canonical base64url");
    *ret_part = (struct bytes){.data = data, .size = (size_t)size};
    return ERR_OK;
}

static const char **header_member(struct jws_parts *parts, const char *name)
{
    if (strcmp(name, "alg") == 0)
        return &parts->alg;
    if (strcmp(name, "typ") == 0)
        return &parts->typ;
    if (strcmp(name, "kid") == 0)
        return &parts->kid;
    return NULL;
}

/* Whatever else a header may say (crit, jku, jwk, x5u, b64, zip …) would have to be understood, so
 * it is refused. Duplicates are refused by the parser. */
static enum err read_header(struct ctx *ctx, const struct bytes *header, struct jws_parts *parts)
{
    struct value root = {0};
    const enum err parsed = json_parse(ctx, (const char *)header->data, header->size, &root);

    if (parsed == ERR_MEMORY)
        return parsed;
    if (parsed != ERR_OK || root.type != VALUE_OBJECT)
        return bad_token(ctx, "the header is not one JSON object");
    for (size_t i = 0; i < root.object.count; i++) {
        const struct member *member = &root.object.members[i];
        const char **place = header_member(parts, member->name);

        if (place == NULL || member->value.type != VALUE_STRING)
            return bad_token(ctx, "the header has a member that is not allowed");
        *place = member->value.string.text;
    }
    if (parts->alg == NULL)
        return bad_token(ctx, "the header names no algorithm");
    return ERR_OK;
}

enum err jws_split(struct ctx *ctx, const char *token, size_t length, struct jws_parts *ret_parts)
{
    struct jws_parts parts = {0};
    struct bytes header;

    if (length > JWS_MAX_TEXT)
        return bad_token(ctx, "the token is too long");

    const char *end = token + length;
    const char *first = memchr(token, '.', length);
    const char *second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;

    /* A third dot is refused with the other foreign characters of the last part. */
    if (second == NULL || first == token || second == first + 1 || second + 1 == end)
        return bad_token(ctx, "the token has not three parts");
    parts.signed_length = (size_t)(second - token);
    TRY(decode_part(ctx, token, (size_t)(first - token), &header));
    TRY(decode_part(ctx, first + 1, (size_t)(second - first - 1), &parts.payload));
    TRY(decode_part(ctx, second + 1, (size_t)(end - second - 1), &parts.signature));
    TRY(read_header(ctx, &header, &parts));
    *ret_parts = parts;
    return ERR_OK;
}

static bool signature_matches(const struct jws_key *key, const char *token,
                              const struct jws_parts *parts)
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t der[EC_DER_MAX];
    const uint8_t *signature = parts->signature.data;
    size_t size = parts->signature.size;

    if (key->alg == JWS_ES256) {
        const int der_size = size == EC_RAW ? ec_raw_to_der(signature, der) : -1;

        if (der_size <= 0)
            return false;
        signature = der;
        size = (size_t)der_size;
    } else if (size != (size_t)EVP_PKEY_get_size(key->pkey)) {
        return false;
    }
    return digest != NULL && EVP_MD_CTX_copy_ex(digest, key->verify) == 1 &&
           EVP_DigestVerify(digest, signature, size, (const unsigned char *)token,
                            parts->signed_length) == 1;
}

enum err jws_verify(struct ctx *ctx, const char *token, const struct jws_parts *parts,
                    const struct jws_key *key, const char *want_typ)
{
    if (key == NULL || parts->kid == NULL || strcmp(parts->kid, key->kid) != 0)
        return bad_token(ctx, "the token names another key");
    if (strcmp(parts->alg, jws_alg_name(key->alg)) != 0)
        return bad_token(ctx, "the token's algorithm is not its key's");
    if (parts->typ == NULL || strcmp(parts->typ, want_typ) != 0)
        return bad_token(ctx, "the token is of another kind");
    if (!signature_matches(key, token, parts)) {
        /* What stays in this thread's queue would be taken for an error of its next TLS read. */
        ERR_clear_error();
        return bad_token(ctx, "the signature does not match");
    }
    return ERR_OK;
}
