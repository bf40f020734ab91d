/*
 * Forged and altered tokens: each class here was accepted by some library once (security.md section
 * 1: F1, F2, F4, F5, F6); TS-1, TS-6, G8.
 */
#include "app/jws.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "app/secret.h"
#include "support/token.h"

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
    const char *good =
        sign_header(&made, header_of(made.generated.kid, ",\"alg\":\"ES256\",\"typ\":\"at+jwt\""));

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
        "",
        "{}",
        "[]",
        "null",
        "1",
        "\"ES256\"",
        "{\"alg\":\"ES256\"",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        "{ ",
        "\xff",
        "{\"alg\":\"ES256\"} {\"alg\":\"ES256\"}",
        "[[[[[[[[[[[[[[[[[[[[[[[[",
    };
    struct made_key made = make_key(JWS_ES256);

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const char *token = sign_header(&made, headers[i]);

        assert_int_equal(verify(made.key, token, strlen(token)), ERR_BAD_TOKEN);
    }
    jws_key_free(made.key);
}

/* F2: an HS256 token under the public key's text, as libjwt accepts it. */
static void test_hs256_with_the_public_key(void **state)
{
    struct made_key made = make_key(JWS_RS256);
    const char *header = header_of(made.generated.kid, ",\"alg\":\"HS256\",\"typ\":\"at+jwt\"");
    const char *secrets[] = {pem_of_public_key(&made), jwk_member(&made.generated.public_jwk, "n"),
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

static void test_malformed_texts(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "....",
        "a",
        "a.b",
        "a.b.",
        ".a.b",
        "a..b",
        "a.b.c.d",
        "a.b.c.",
        ".a.b.c",
        " a.b.c",
        "a.b.c ",
        "a.b.c\n",
        "e30.e30.",
        "e30..",
        "..e30",
        "=.=.=",
        "e30.e30.e30",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
        "\xff.\xff.\xff",
        "Zg==.Zg==.Zg==",
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

/* On an arena of its own, since all of it is made hundreds of thousands of times. */
static enum err verify_apart(const struct made_key *made, const char *token, size_t length)
{
    struct arena *arena = bare.ctx.arena;
    struct arena scratch;
    enum err code;

    arena_init(&scratch, (size_t)64 * 1024);
    bare.ctx.arena = &scratch;
    code = verify(made->key, token, length);
    bare.ctx.arena = arena;
    arena_clear(&scratch);
    return code;
}

static void change_every_byte(const struct made_key *made, char *token, bool whole)
{
    const size_t length = strlen(token);

    for (size_t place = 0; place < length; place++) {
        const char good = token[place];

        for (int c = 0; c < 256; c += whole || place % 3 == 0 ? 1 : 5) {
            if ((char)c == good)
                continue;
            token[place] = (char)c;
            assert_int_equal(verify_apart(made, token, length), ERR_BAD_TOKEN);
        }
        token[place] = good;
    }
    assert_int_equal(verify_apart(made, token, length), ERR_OK);
}

/* G8: every byte of a good token, replaced by many others; with TENANTD_LONG (./dev soak) by every
 * other one, and in 200 tokens of different keys and claims. */
static void test_every_single_byte_counts(void **state)
{
    const bool whole = getenv("TENANTD_LONG") != NULL;
    const int tokens = whole ? 200 : 1;

    (void)state;
    for (int i = 0; i < tokens; i++) {
        struct made_key made = make_key(JWS_ES256);
        const char *claims = arena_printf(&bare.arena, "{\"a\":%d}", i + 1);

        change_every_byte(&made, arena_strdup(&bare.arena, sign(made.key, TYP, claims)), whole);
        jws_key_free(made.key);
    }
}

/* F6: 110 kB of token. The limit is reached before anything is copied. */
static void test_long_tokens(void **state)
{
    const size_t size = 110000;
    char *text = arena_alloc(&bare.arena, size + 1);
    struct jws_parts parts;
    struct made_key made = make_key(JWS_ES256);
    char *claims = arena_alloc(&bare.arena, 7000);
    struct bytes blanks = {.data = (const uint8_t *)claims};
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
    blanks.size = 6999;
    assert_int_equal(jws_sign(&bare.ctx, made.key, TYP, &blanks, &token), ERR_INTERNAL);
    blanks.size = 5000;
    assert_int_equal(jws_sign(&bare.ctx, made.key, TYP, &blanks, &token), ERR_OK);
    assert_true(strlen(token) < JWS_MAX_TEXT);
    jws_key_free(made.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_headers_that_are_refused),
        TOKEN_TEST(test_headers_that_are_no_object),
        TOKEN_TEST(test_hs256_with_the_public_key),
        TOKEN_TEST(test_another_key_under_this_kid),
        TOKEN_TEST(test_malformed_texts),
        TOKEN_TEST(test_whatever_is_added_to_a_good_token),
        TOKEN_TEST(test_every_single_byte_counts),
        TOKEN_TEST(test_long_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
