/* Secrets: what is sealed opens only where it belongs, and base64url has one spelling for each
 * value. */
#include "app/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "support/bare.h"

#include <cmocka.h> /* last: it has a macro named fail */

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

static void hex(const uint8_t *bytes, size_t size, char *ret_text)
{
    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        ret_text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

/* FIPS 180-4 and RFC 4231, case 2 (its key padded to 32 bytes is the same key for HMAC). */
static void test_digest_and_mac_vectors(void **state)
{
    uint8_t digest[SHA256_SIZE];
    uint8_t key[SECRET_KEY_SIZE] = "Jefe";
    char text[2 * SHA256_SIZE + 1];

    (void)state;
    secret_sha256("abc", 3, digest);
    hex(digest, sizeof digest, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    secret_mac(key, "what do ya want for nothing?", 28, digest);
    hex(digest, sizeof digest, text);
    assert_string_equal(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_a_fingerprint_tells_texts_apart(void **state)
{
    uint8_t one[SHA256_SIZE], again[SHA256_SIZE], other[SHA256_SIZE];
    char text[400];

    (void)state;
    memset(text, 'a', sizeof text);
    secret_fingerprint(text, sizeof text, one);
    secret_fingerprint(text, sizeof text, again);
    assert_true(secret_equal(one, again, sizeof one));
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] ^= 1;
        secret_fingerprint(text, sizeof text, other);
        assert_false(secret_equal(one, other, sizeof one));
        text[i] ^= 1;
    }
    secret_fingerprint(text, sizeof text - 1, other);
    assert_false(secret_equal(one, other, sizeof one));
}

static void test_derived_keys_differ_by_label(void **state)
{
    uint8_t key[SECRET_KEY_SIZE], one[SECRET_KEY_SIZE], other[SECRET_KEY_SIZE];

    (void)state;
    secret_random(key, sizeof key);
    secret_derive(key, "a", one);
    secret_derive(key, "b", other);
    assert_false(secret_equal(one, other, sizeof one));
    assert_false(secret_equal(one, key, sizeof one));
    secret_derive(key, "a", other);
    assert_true(secret_equal(one, other, sizeof one));
}

static struct bytes sealed_text(const uint8_t *key, const char *text, const char *context)
{
    const struct bytes plain = {.data = (const uint8_t *)text, .size = strlen(text)};
    struct bytes sealed;

    assert_int_equal(secret_seal(&bare.ctx, key, &plain, context, &sealed), ERR_OK);
    return sealed;
}

/* SK-3: sealed bytes cannot be moved to another tenant, field or document, nor changed. */
static void test_sealed_bytes_open_only_in_their_place(void **state)
{
    uint8_t key[SECRET_KEY_SIZE], other_key[SECRET_KEY_SIZE];
    struct bytes plain;

    (void)state;
    secret_random(key, sizeof key);
    secret_random(other_key, sizeof other_key);

    const struct bytes sealed = sealed_text(key, "a private key", "t1:keys:private:1");

    assert_int_equal(secret_open(&bare.ctx, key, &sealed, "t1:keys:private:1", &plain), ERR_OK);
    assert_int_equal(plain.size, 13);
    assert_memory_equal(plain.data, "a private key", 13);
    assert_int_equal(secret_open(&bare.ctx, key, &sealed, "t2:keys:private:1", &plain),
                     ERR_INTERNAL);
    assert_int_equal(secret_open(&bare.ctx, other_key, &sealed, "t1:keys:private:1", &plain),
                     ERR_INTERNAL);
    for (size_t i = 0; i < sealed.size; i++) {
        uint8_t *changed = arena_memdup(&bare.arena, sealed.data, sealed.size);
        const struct bytes bad = {.data = changed, .size = sealed.size};
        const struct bytes cut = {.data = sealed.data, .size = i};

        assert_non_null(changed);
        changed[i] ^= 1;
        assert_int_equal(secret_open(&bare.ctx, key, &bad, "t1:keys:private:1", &plain),
                         ERR_INTERNAL);
        assert_int_equal(secret_open(&bare.ctx, key, &cut, "t1:keys:private:1", &plain),
                         ERR_INTERNAL);
    }
}

static void test_sealing_never_repeats_itself(void **state)
{
    uint8_t key[SECRET_KEY_SIZE];

    (void)state;
    secret_random(key, sizeof key);

    const struct bytes one = sealed_text(key, "same", "place");
    const struct bytes two = sealed_text(key, "same", "place");
    const struct bytes empty = sealed_text(key, "", "place");
    struct bytes plain;

    assert_int_equal(one.size, two.size);
    assert_memory_not_equal(one.data, two.data, one.size);
    assert_int_equal(secret_open(&bare.ctx, key, &empty, "place", &plain), ERR_OK);
    assert_int_equal(plain.size, 0);
}

static void test_sealing_without_memory_fails(void **state)
{
    uint8_t key[SECRET_KEY_SIZE] = {0};
    const struct bytes plain = {.data = key, .size = sizeof key};
    const struct bytes sealed = sealed_text(key, "text", "place");
    struct bytes out;

    (void)state;
    bare.arena.limit = bare.arena.used;
    assert_int_equal(secret_seal(&bare.ctx, key, &plain, "place", &out), ERR_MEMORY);
    assert_int_equal(secret_open(&bare.ctx, key, &sealed, "place", &out), ERR_MEMORY);
}

/* RFC 4648 section 10, without padding. */
static void test_base64url_vectors(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    char text[32];
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const size_t size = strlen(pairs[i][0]);

        base64url_encode(pairs[i][0], size, text);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(strlen(text), BASE64URL_LENGTH(size));
        assert_int_equal(base64url_decode(text, strlen(text), bytes, sizeof bytes), size);
        assert_memory_equal(bytes, pairs[i][0], size);
    }
}

/* TS-6: no padding, no other alphabet, no unused bits, no lone character, nothing behind. */
static void test_base64url_has_one_spelling(void **state)
{
    static const char *const bad[] = {
        "Zg==",  "Zg=",    "Z",      "Zm9vY", "Zh",   "Zm9",      "Zm9vYh", "Zm9v+", "Zm9v/",
        "Zm 9v", "\nZm9v", "Zm9v\n", "Zm9v.", "....", "Zm9v\x80", "Zm9*",   " ",     "=",
    };
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(base64url_decode(bad[i], strlen(bad[i]), bytes, sizeof bytes), -1);
    assert_int_equal(base64url_decode("Zm9v\0Zm9v", 9, bytes, sizeof bytes), -1);
}

/* libsodium 1.0.18 reads bytes from 0x80 on as letters: they must not reach it (TS-6). */
static void test_base64url_refuses_every_foreign_byte(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[32];

    (void)state;
    for (size_t place = 0; place < 8; place++) {
        for (int c = 0; c < 256; c++) {
            char text[] = "Zm9vZm9v";
            const bool known = c != 0 && strchr(alphabet, c) != NULL;

            text[place] = (char)c;
            assert_int_equal(base64url_decode(text, 8, bytes, sizeof bytes), known ? 6 : -1);
        }
    }
}

static void test_base64url_respects_capacity(void **state)
{
    uint8_t bytes[4] = {0, 0, 0, 99};

    (void)state;
    assert_int_equal(base64url_decode("Zm9v", 4, bytes, 3), 3);
    assert_int_equal(base64url_decode("Zm9vYg", 6, bytes, 3), -1);
    assert_int_equal(bytes[3], 99);
    assert_int_equal(base64url_decode("Zg", 2, bytes, 0), -1);
}

/* RFC 4648 section 10, as HTTP Basic sends it (RFC 7617): padded, one spelling, no byte beside. */
static void test_base64_with_padding(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "+//+"},
    };
    static const char *const bad[] = {
        "Zg",    "Zg=",   "Zg===",  "Z===", "====", "Zh==",    "Zm9v=",   "Zm8=Zg==", "-__-",
        " Zm9v", "Zm9v ", "Zm9v\n", "Zm9",  "Zm9*", "Zm\xffv", "Zm\x80v", "=Zg=",
    };
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const size_t size = strlen(pairs[i][0]);
        const size_t length = strlen(pairs[i][1]);

        assert_int_equal(base64_decode(pairs[i][1], length, bytes, sizeof bytes), size);
        assert_memory_equal(bytes, pairs[i][0], size);
        if (size > 0)
            assert_int_equal(base64_decode(pairs[i][1], length, bytes, size - 1), -1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, sizeof bytes), -1);
}

/* Every last character that decodes must be the one the encoder would write. */
static void test_base64url_round_trip(void **state)
{
    uint8_t bytes[64], back[64];
    char text[BASE64URL_LENGTH(64) + 1];

    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        secret_random(bytes, sizeof bytes);
        base64url_encode(bytes, size, text);

        const size_t length = strlen(text);
        unsigned accepted = 0;

        assert_int_equal(base64url_decode(text, length, back, sizeof back), size);
        assert_memory_equal(bytes, back, size);
        for (int c = 1; c < 256 && length > 0; c++) {
            const char last = text[length - 1];

            text[length - 1] = (char)c;
            accepted += base64url_decode(text, length, back, sizeof back) >= 0;
            text[length - 1] = last;
        }
        assert_int_equal(accepted, length == 0 ? 0 : size % 3 == 0 ? 64 : size % 3 == 1 ? 4 : 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digest_and_mac_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_fingerprint_tells_texts_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_derived_keys_differ_by_label, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed_bytes_open_only_in_their_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sealing_never_repeats_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealing_without_memory_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64url_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64url_has_one_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64url_refuses_every_foreign_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64url_respects_capacity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64url_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64_with_padding, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
