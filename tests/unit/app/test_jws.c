/*
 * Public tokens: what was signed is accepted as it stands, under its key and as its kind;
 * signatures and keys have one form (TS-1, TS-6). Forged texts: test_jws_forged.c.
 */
#include "app/jws.h"

#include <jwt.h>

#include "app/secret.h"
#include "support/token.h"

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

/* r and s are padded: a signature with a short number has 64 bytes too. One in 128 is short, so
 * that all but one of 10^34 runs meet one. */
static void test_short_numbers_keep_their_width(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    unsigned padded = 0;

    (void)state;
    for (int i = 0; i < 10000 && padded < 3; i++) {
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

/* RFC 7638 and RFC 7517: the kid is the thumbprint, nothing private is in the JWK. */
static void test_public_key(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    const struct bytes *jwk = &made.generated.public_jwk;
    uint8_t digest[SHA256_SIZE];
    bson_t document;
    const char *text =
        arena_printf(&bare.arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                     jwk_member(jwk, "x"), jwk_member(jwk, "y"));

    (void)state;
    secret_sha256(text, strlen(text), digest);
    assert_string_equal(encode(digest, sizeof digest), made.generated.kid);
    assert_string_equal(jwk_member(jwk, "kid"), made.generated.kid);
    assert_string_equal(jwk_member(jwk, "alg"), "ES256");
    assert_string_equal(jwk_member(jwk, "use"), "sig");
    assert_int_equal(strlen(jwk_member(jwk, "x")), 43);
    assert_true(bson_init_static(&document, jwk->data, jwk->size));
    assert_false(bson_has_field(&document, "d"));
    jws_key_free(made.key);
}

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
    assert_int_equal(jws_key_parse(&bare.ctx, JWS_ES256, "k", &rsa.generated.private_der, &key),
                     ERR_INTERNAL);
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
        const char *token = arena_printf(&bare.arena, "%.*s%s", head, good, encode(raw, size));

        assert_int_equal(verify(made.key, token, strlen(token)),
                         size == 64 ? ERR_OK : ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

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

static void test_every_allocation_may_fail(void **state)
{
    struct made_key made = make_key(JWS_ES256);
    const char *good = sign(made.key, TYP, CLAIMS);
    const struct bytes claims = {.data = (const uint8_t *)CLAIMS, .size = sizeof CLAIMS - 1};
    bool done = false;

    (void)state;
    for (int64_t n = 1; !done; n++) {
        const char *token;
        enum err signed_code, read_code;

        arena_fail_after(n);
        signed_code = jws_sign(&bare.ctx, made.key, TYP, &claims, &token);
        read_code = verify(made.key, good, strlen(good));
        done = arena_fail_after(0) > 0;
        assert_true(signed_code == ERR_OK || signed_code == ERR_MEMORY);
        assert_true(read_code == ERR_OK || read_code == ERR_MEMORY);
        assert_true(!done || (signed_code == ERR_OK && read_code == ERR_OK));
        assert_true(n < 100);
    }
    jws_key_free(made.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_es256),
        TOKEN_TEST(test_rs256),
        TOKEN_TEST(test_ps256),
        TOKEN_TEST(test_short_numbers_keep_their_width),
        TOKEN_TEST(test_public_key),
        TOKEN_TEST(test_parsing_refuses_other_keys),
        TOKEN_TEST(test_bad_es256_signatures),
        TOKEN_TEST(test_signature_has_one_form),
        TOKEN_TEST(test_libjwt_reads_our_tokens),
        TOKEN_TEST(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
