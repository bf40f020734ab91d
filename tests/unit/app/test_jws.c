/*
 * Public tokens: what was signed is accepted as it stands and in no other form. Each forged class here was
 * accepted by some library once (security.md section 1: F1, F2, F4, F5, F6); checklist TS-1, TS-6, G8.
 */
#include "app/jws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "app/secret.h"
#include "support/bare.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define TYP "at+jwt"
#define CLAIMS "{\"sub\":\"somebody\",\"n\":9007199254740993}"

static struct bare bare;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

struct made_key {
    struct jws_generated generated;
    struct jws_key *key;
};

static struct made_key make_key(enum jws_alg alg)
{
    struct made_key made;

    assert_int_equal(jws_generate(&bare.ctx, alg, &made.generated), ERR_OK);
    assert_int_equal(jws_key_parse(&bare.ctx, alg, made.generated.kid,
                                   &made.generated.private_der, &made.key),
                     ERR_OK);
    return made;
}

static const char *sign(const struct jws_key *key, const char *typ, const char *claims)
{
    const char *token = NULL;

    assert_int_equal(jws_sign(&bare.ctx, key, typ, claims, strlen(claims), &token), ERR_OK);
    return token;
}

static enum err verify(const struct jws_key *key, const char *token, size_t length)
{
    struct jws_parts parts;
    enum err code = jws_split(&bare.ctx, token, length, &parts);

    if (code == ERR_OK)
        code = jws_verify(&bare.ctx, token, &parts, key, TYP);
    return code;
}

static const char *encode(const void *bytes, size_t size)
{
    char *text = arena_alloc(&bare.arena, BASE64URL_LENGTH(size) + 1);

    assert_non_null(text);
    base64url_encode(bytes, size, text);
    return text;
}

/* header and payload as given, signed by nobody: the signature is the caller's. */
static const char *assemble(const char *header, const char *payload, const char *signature)
{
    const char *text = arena_printf(&bare.arena, "%s.%s.%s", encode(header, strlen(header)),
                                    encode(payload, strlen(payload)), signature);

    assert_non_null(text);
    return text;
}

static EVP_PKEY *pkey_of(const struct made_key *made)
{
    const unsigned char *der = made->generated.private_der.data;
    PKCS8_PRIV_KEY_INFO *info =
        d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, (long)made->generated.private_der.size);
    EVP_PKEY *pkey = EVP_PKCS82PKEY(info);

    PKCS8_PRIV_KEY_INFO_free(info);
    assert_non_null(pkey);
    return pkey;
}

/* Any header, truly signed with the ES256 key: only what the header says can make it bad. */
static const char *sign_header(const struct made_key *made, const char *header)
{
    const char *text = arena_printf(&bare.arena, "%s.%s", encode(header, strlen(header)),
                                    encode(CLAIMS, strlen(CLAIMS)));
    EVP_PKEY *pkey = pkey_of(made);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t der[80], raw[64];
    size_t size = sizeof der;
    const unsigned char *end = der;
    ECDSA_SIG *signature;

    assert_int_equal(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, pkey), 1);
    assert_int_equal(
        EVP_DigestSign(digest, der, &size, (const unsigned char *)text, strlen(text)), 1);
    signature = d2i_ECDSA_SIG(NULL, &end, (long)size);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(pkey);
    return arena_printf(&bare.arena, "%s.%s", text, encode(raw, sizeof raw));
}

static const char *signature_of(const char *token)
{
    return strrchr(token, '.') + 1;
}

/* ---- honest tokens ---- */

static void round_trip(enum jws_alg alg, size_t signature_size)
{
    struct made_key made = make_key(alg);
    const char *token = sign(made.key, TYP, CLAIMS);
    struct jws_parts parts;

    assert_int_equal(jws_split(&bare.ctx, token, strlen(token), &parts), ERR_OK);
    assert_string_equal(parts.alg, jws_alg_name(alg));
    assert_string_equal(parts.typ, TYP);
    assert_string_equal(parts.kid, made.generated.kid);
    assert_int_equal(parts.signature.size, signature_size);
    assert_int_equal(parts.payload.size, strlen(CLAIMS));
    assert_memory_equal(parts.payload.data, CLAIMS, strlen(CLAIMS));
    assert_int_equal(jws_verify(&bare.ctx, token, &parts, made.key, TYP), ERR_OK);
    assert_int_equal(jws_verify(&bare.ctx, token, &parts, made.key, "JWT"), ERR_BAD_TOKEN);
    assert_int_equal(jws_verify(&bare.ctx, token, &parts, made.key, "AT+JWT"), ERR_BAD_TOKEN);
    jws_key_free(made.key);
}

static void test_es256(void **state)
{
    (void)state;
    round_trip(JWS_ES256, 64);
}

static void test_rs256(void **state)
{
    (void)state;
    round_trip(JWS_RS256, 256);
}

static void test_ps256(void **state)
{
    (void)state;
    round_trip(JWS_PS256, 256);
}

/* r and s are padded: a signature with a short number has 64 bytes too. One in 128 is short. */
static void test_short_numbers_keep_their_width(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    unsigned padded = 0;

    (void)state;
    for (int i = 0; i < 2000 && padded < 3; i++) {
        const char *token = sign(made.key, TYP, CLAIMS);
        struct jws_parts parts;

        assert_int_equal(jws_split(&bare.ctx, token, strlen(token), &parts), ERR_OK);
        assert_int_equal(parts.signature.size, 64);
        padded += parts.signature.data[0] == 0 || parts.signature.data[32] == 0;
        assert_int_equal(jws_verify(&bare.ctx, token, &parts, made.key, TYP), ERR_OK);
        arena_reset(&bare.arena);
    }
    assert_true(padded > 0);
    jws_key_free(made.key);
}

static const char *member(const struct bytes *jwk, const char *name)
{
    bson_t document;
    bson_iter_t at;

    assert_true(bson_init_static(&document, jwk->data, jwk->size));
    assert_true(bson_iter_init_find(&at, &document, name));
    return bson_iter_utf8(&at, NULL);
}

/* RFC 7638 and RFC 7517: the kid is the thumbprint, nothing private is in the JWK. */
static void test_public_key(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    const struct bytes *jwk = &made.generated.public_jwk;
    uint8_t digest[SHA256_SIZE];
    bson_t document;
    const char *text = arena_printf(&bare.arena,
                                    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                                    member(jwk, "x"), member(jwk, "y"));

    (void)state;
    secret_sha256(text, strlen(text), digest);
    assert_string_equal(encode(digest, sizeof digest), made.generated.kid);
    assert_string_equal(member(jwk, "kid"), made.generated.kid);
    assert_string_equal(member(jwk, "alg"), "ES256");
    assert_string_equal(member(jwk, "use"), "sig");
    assert_int_equal(strlen(member(jwk, "x")), 43);
    assert_true(bson_init_static(&document, jwk->data, jwk->size));
    assert_false(bson_has_field(&document, "d"));
    jws_key_free(made.key);
}

/* ---- keys that are none ---- */

static void test_parsing_refuses_other_keys(void **state)
{
    struct made_key ec = make_key(JWS_ES256);
    struct made_key rsa = make_key(JWS_RS256);
    const struct bytes *der = &ec.generated.private_der;
    uint8_t *longer = arena_alloc(&bare.arena, der->size + 1);
    struct bytes bad = {.data = longer, .size = der->size + 1};
    struct jws_key *key;

    (void)state;
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_RS256, "k", der, &key), ERR_INTERNAL);
    assert_int_equal(
        jws_key_parse(&bare.ctx, JWS_ES256, "k", &rsa.generated.private_der, &key), ERR_INTERNAL);
    memcpy(longer, der->data, der->size);
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256, "k", &bad, &key), ERR_INTERNAL);
    bad = (struct bytes){.data = der->data, .size = der->size - 1};
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256, "k", &bad, &key), ERR_INTERNAL);
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256, "", der, &key), ERR_INTERNAL);
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256,
                                   "a-name-that-is-longer-than-any-thumbprint-is", der, &key),
                     ERR_INTERNAL);
    jws_key_free(ec.key);
    jws_key_free(rsa.key);
}

/* ---- forged headers (TS-1) ---- */

static const char *header_of(const char *kid, const char *members)
{
    return arena_printf(&bare.arena, "{\"kid\":\"%s\"%s}", kid, members);
}

/* All of them carry a true signature of the key: only the header decides. */
static void test_headers_that_are_refused(void **state)
{
    static const char *const members[] = {
        ",\"alg\":\"none\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"None\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"nONE\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"\",\"typ\":\"at+jwt\"",
        ",\"alg\":null,\"typ\":\"at+jwt\"",
        ",\"alg\":[\"ES256\"],\"typ\":\"at+jwt\"",
        ",\"alg\":256,\"typ\":\"at+jwt\"",
        ",\"typ\":\"at+jwt\"",
        ",\"alg\":\"es256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES256 \",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES256\\u0000\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES384\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES256K\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"RS256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"PS256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"HS256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES256\"",
        ",\"alg\":\"ES256\",\"typ\":\"JWT\"",
        ",\"alg\":\"ES256\",\"typ\":\"session+jwt\"",
        ",\"alg\":\"ES256\",\"typ\":\"application/at+jwt\"",
        ",\"alg\":\"ES256\",\"typ\":7",
        ",\"alg\":\"ES256\",\"alg\":\"ES256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"at+jwt\"",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"]",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"crit\":[]",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jku\":\"https://evil.example/keys\"",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jwk\":{\"kty\":\"EC\"}",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x5u\":\"https://evil.example/\"",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x5c\":[]",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"b64\":false",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"zip\":\"DEF\"",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"cty\":\"JWT\"",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"other\":1",
        ",\"alg\":\"ES256\",\"typ\":\"at+jwt\"}{",
        ",\"kid\":\"other\",\"alg\":\"ES256\",\"typ\":\"at+jwt\"",
    };
    struct made_key made = make_key(JWS_ES256);
    const char *good = sign_header(
        &made, header_of(made.generated.kid, ",\"alg\":\"ES256\",\"typ\":\"at+jwt\""));

    (void)state;
    assert_int_equal(verify(made.key, good, strlen(good)), ERR_OK);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *token = sign_header(&made, header_of(made.generated.kid, members[i]));

        assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

static void test_headers_that_are_no_object(void **state)
{
    static const char *const headers[] = {
        "",   "{}",  "[]", "null", "1",    "\"ES256\"", "{\"alg\":\"ES256\"", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        "{ ", "\xff", "{\"alg\":\"ES256\"} {\"alg\":\"ES256\"}", "[[[[[[[[[[[[[[[[[[[[[[[[",
    };
    struct made_key made = make_key(JWS_ES256);

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const char *token = sign_header(&made, headers[i]);

        assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

static const char *pem_of_public_key(const struct made_key *made)
{
    EVP_PKEY *pkey = pkey_of(made);
    BIO *memory = BIO_new(BIO_s_mem());
    char *data;
    long size;
    const char *copy;

    assert_int_equal(PEM_write_bio_PUBKEY(memory, pkey), 1);
    size = BIO_get_mem_data(memory, &data);
    copy = arena_strndup(&bare.arena, data, (size_t)size);
    BIO_free(memory);
    EVP_PKEY_free(pkey);
    return copy;
}

/* F2: an HS256 token under the public key's text, as libjwt accepts it. */
static void test_hs256_with_the_public_key(void **state)
{
    struct made_key made = make_key(JWS_RS256);
    const char *header = header_of(made.generated.kid, ",\"alg\":\"HS256\",\"typ\":\"at+jwt\"");
    const char *secrets[] = {pem_of_public_key(&made), member(&made.generated.public_jwk, "n"),
                             made.generated.kid, ""};

    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        uint8_t mac[SECRET_MAC_SIZE];
        unsigned size = sizeof mac;
        const char *text = arena_printf(&bare.arena, "%s.%s", encode(header, strlen(header)),
                                        encode(CLAIMS, strlen(CLAIMS)));

        assert_non_null(HMAC(EVP_sha256(), secrets[i], (int)strlen(secrets[i]),
                             (const unsigned char *)text, strlen(text), mac, &size));

        const char *token = assemble(header, CLAIMS, encode(mac, sizeof mac));

        assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

/* ---- foreign keys ---- */

static void test_another_key_under_this_kid(void **state)
{
    struct made_key mine = make_key(JWS_ES256);
    struct made_key foreign = make_key(JWS_ES256);
    struct jws_key *posing;
    const char *token;

    (void)state;
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256, mine.generated.kid,
                                   &foreign.generated.private_der, &posing),
                     ERR_OK);
    token = sign(posing, TYP, CLAIMS);
    assert_int_equal(verify(posing, token, strlen(token)), ERR_OK);
    assert_int_equal(verify(mine.key, token, strlen(token)), ERR_BAD_TOKEN);
    token = sign(foreign.key, TYP, CLAIMS);
    assert_int_equal(verify(mine.key, token, strlen(token)), ERR_BAD_TOKEN);
    assert_int_equal(verify(NULL, token, strlen(token)), ERR_BAD_TOKEN);
    jws_key_free(posing);
    jws_key_free(mine.key);
    jws_key_free(foreign.key);
}

/* ---- signatures ---- */

/* CVE-2022-21449 and its kin: zero, order, out of range, wrong length, DER. */
static void test_bad_es256_signatures(void **state)
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                      0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    struct made_key made = make_key(JWS_ES256);
    const char *header = header_of(made.generated.kid, ",\"alg\":\"ES256\",\"typ\":\"at+jwt\"");
    uint8_t bytes[96] = {0};

    (void)state;
    for (size_t size = 1; size <= sizeof bytes; size++) {
        const char *token = assemble(header, CLAIMS, encode(bytes, size));

        assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
    }
    for (int r = 0; r < 4; r++) {
        for (int s = 0; s < 4; s++) {
            const char *token;

            memset(bytes, r == 3 ? 0xff : 0, 32);
            memset(bytes + 32, s == 3 ? 0xff : 0, 32);
            if (r == 1)
                memcpy(bytes, order, 32);
            if (s == 1)
                memcpy(bytes + 32, order, 32);
            bytes[31] |= r == 2;
            bytes[63] |= s == 2;
            token = assemble(header, CLAIMS, encode(bytes, 64));
            assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
        }
    }
    jws_key_free(made.key);
}

/* The same signature with leading zeros, as DER, cut or with a byte more. */
static void test_signature_has_one_form(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    const char *good = sign(made.key, TYP, CLAIMS);
    const int head = (int)(signature_of(good) - good);
    uint8_t raw[64 + 2] = {0};

    (void)state;
    assert_int_equal(base64url_decode(signature_of(good), strlen(signature_of(good)), raw, 64), 64);
    for (size_t size = 1; size <= sizeof raw; size++) {
        const char *token =
            arena_printf(&bare.arena, "%.*s%s", head, good, encode(raw, size));

        assert_int_equal(verify(made.key, token, strlen(token)),
                         size == 64 ? ERR_OK : ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

/* ---- text (TS-6, F5, F6) ---- */

static void test_malformed_texts(void **state)
{
    static const char *const texts[] = {
        "", ".", "..", "...", "....", "a", "a.b", "a.b.", ".a.b", "a..b", "a.b.c.d", "a.b.c.",
        ".a.b.c", " a.b.c", "a.b.c ", "a.b.c\n", "e30.e30.", "e30..", "..e30", "=.=.=",
        "e30.e30.e30", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "\xff.\xff.\xff", "Zg==.Zg==.Zg==",
    };
    struct made_key made = make_key(JWS_ES256);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(verify(made.key, texts[i], strlen(texts[i])), ERR_BAD_TOKEN);
    jws_key_free(made.key);
}

static void test_whatever_is_added_to_a_good_token(void **state)
{
    static const char *const tails[] = {"=", "==", "====", "A", ".", ".e30", " ", "\n", "\t", "%"};
    struct made_key made = make_key(JWS_ES256);
    const char *good = sign(made.key, TYP, CLAIMS);

    (void)state;
    assert_int_equal(verify(made.key, good, strlen(good)), ERR_OK);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        const char *after = arena_printf(&bare.arena, "%s%s", good, tails[i]);
        const char *before = arena_printf(&bare.arena, "%s%s", tails[i], good);

        assert_int_equal(verify(made.key, after, strlen(after)), ERR_BAD_TOKEN);
        assert_int_equal(verify(made.key, before, strlen(before)), ERR_BAD_TOKEN);
    }
    /* The length counts, not the NUL. */
    assert_int_equal(verify(made.key, good, strlen(good) + 1), ERR_BAD_TOKEN);
    assert_int_equal(verify(made.key, good, strlen(good) - 1), ERR_BAD_TOKEN);
    jws_key_free(made.key);
}

/* G8: every byte of a good token, replaced by every other byte. */
static void test_every_single_byte_counts(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    char *token = arena_strdup(&bare.arena, sign(made.key, TYP, "{\"a\":1}"));
    const size_t length = strlen(token);

    (void)state;
    for (size_t place = 0; place < length; place++) {
        const char good = token[place];

        for (int c = 0; c < 256; c += place % 3 == 0 ? 1 : 5) {
            struct arena scratch;
            struct arena *arena = bare.ctx.arena;

            if ((char)c == good)
                continue;
            arena_init(&scratch, (size_t)64 * 1024);
            bare.ctx.arena = &scratch;
            token[place] = (char)c;
            assert_int_equal(verify(made.key, token, length), ERR_BAD_TOKEN);
            bare.ctx.arena = arena;
            arena_clear(&scratch);
        }
        token[place] = good;
    }
    assert_int_equal(verify(made.key, token, length), ERR_OK);
    jws_key_free(made.key);
}

/* F6: 110 kB of token. The limit is reached before anything is copied. */
static void test_long_tokens(void **state)
{
    const size_t size = 110000;
    char *text = arena_alloc(&bare.arena, size + 1);
    struct jws_parts parts;
    struct made_key made = make_key(JWS_ES256);
    char *claims = arena_alloc(&bare.arena, 7000);
    const char *token;

    (void)state;
    memset(text, 'A', size);
    text[size / 3] = '.';
    text[size / 3 * 2] = '.';

    const size_t used = bare.arena.used;

    assert_int_equal(jws_split(&bare.ctx, text, size, &parts), ERR_BAD_TOKEN);
    assert_true(bare.arena.used - used < 256);
    assert_int_equal(jws_split(&bare.ctx, text, JWS_MAX_TEXT + 1, &parts), ERR_BAD_TOKEN);
    memset(claims, ' ', 6999);
    assert_int_equal(jws_sign(&bare.ctx, made.key, TYP, claims, 6999, &token), ERR_INTERNAL);
    assert_int_equal(jws_sign(&bare.ctx, made.key, TYP, claims, 5000, &token), ERR_OK);
    assert_true(strlen(token) < JWS_MAX_TEXT);
    jws_key_free(made.key);
}

/* ---- an independent reader ---- */

/* libjwt reads what jws.c signed, by its own decoder and its own OpenSSL calls. */
static void read_by_libjwt(enum jws_alg alg, jwt_alg_t name)
{
    struct made_key made = make_key(alg);
    const char *token = sign(made.key, "JWT", CLAIMS);
    const char *pem = pem_of_public_key(&made);
    jwt_t *jwt = NULL;

    assert_int_equal(jwt_decode(&jwt, token, (const unsigned char *)pem, (int)strlen(pem)), 0);
    assert_int_equal(jwt_get_alg(jwt), name);
    assert_string_equal(jwt_get_grant(jwt, "sub"), "somebody");
    assert_int_equal(jwt_get_grant_int(jwt, "n"), 9007199254740993);
    jwt_free(jwt);
    jws_key_free(made.key);
}

static void test_libjwt_reads_our_tokens(void **state)
{
    (void)state;
    read_by_libjwt(JWS_ES256, JWT_ALG_ES256);
    read_by_libjwt(JWS_RS256, JWT_ALG_RS256);
}

/* ---- out of memory ---- */

static void test_every_allocation_may_fail(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    const char *good = sign(made.key, TYP, CLAIMS);
    bool done = false;

    (void)state;
    for (int64_t n = 1; !done; n++) {
        const char *token;
        enum err signed_code, read_code;

        arena_fail_after(n);
        signed_code = jws_sign(&bare.ctx, made.key, TYP, CLAIMS, strlen(CLAIMS), &token);
        read_code = verify(made.key, good, strlen(good));
        done = arena_fail_after(0) > 0;
        assert_true(signed_code == ERR_OK || signed_code == ERR_MEMORY);
        assert_true(read_code == ERR_OK || read_code == ERR_MEMORY);
        assert_true(!done || (signed_code == ERR_OK && read_code == ERR_OK));
        assert_true(n < 100);
    }
    jws_key_free(made.key);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_es256),
        CASE(test_rs256),
        CASE(test_ps256),
        CASE(test_short_numbers_keep_their_width),
        CASE(test_public_key),
        CASE(test_parsing_refuses_other_keys),
        CASE(test_headers_that_are_refused),
        CASE(test_headers_that_are_no_object),
        CASE(test_hs256_with_the_public_key),
        CASE(test_another_key_under_this_kid),
        CASE(test_bad_es256_signatures),
        CASE(test_signature_has_one_form),
        CASE(test_malformed_texts),
        CASE(test_whatever_is_added_to_a_good_token),
        CASE(test_every_single_byte_counts),
        CASE(test_long_tokens),
        CASE(test_libjwt_reads_our_tokens),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
