/* Thin names over libsodium: what leaves here is either random, a digest, or authenticated. */
#include "app/secret.h"

#include <string.h>

#include <sodium.h>

static uint8_t table_key[crypto_shorthash_KEYBYTES];
static uint8_t fingerprint_key[crypto_generichash_KEYBYTES];

bool secret_init(void)
{
    if (sodium_init() < 0)
        return false;
    crypto_shorthash_keygen(table_key);
    crypto_generichash_keygen(fingerprint_key);
    return true;
}

void secret_random(void *ret_bytes, size_t size)
{
    randombytes_buf(ret_bytes, size);
}

void secret_wipe(void *bytes, size_t size)
{
    sodium_memzero(bytes, size);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return sodium_memcmp(a, b, size) == 0;
}

void secret_sha256(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
    crypto_hash_sha256(ret_digest, bytes, size);
}

void secret_mac(const uint8_t key[SECRET_KEY_SIZE], const void *bytes, size_t size,
                uint8_t ret_mac[SECRET_MAC_SIZE])
{
    crypto_auth_hmacsha256(ret_mac, bytes, size, key);
}

void secret_derive(const uint8_t key[SECRET_KEY_SIZE], const char *label,
                   uint8_t ret_key[SECRET_KEY_SIZE])
{
    secret_mac(key, label, strlen(label), ret_key);
}

void secret_fingerprint(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
    _Static_assert(SHA256_SIZE == crypto_generichash_BYTES, "the size that it is made for");
    crypto_generichash(ret_digest, SHA256_SIZE, bytes, size, fingerprint_key,
                       sizeof fingerprint_key);
}

uint64_t secret_table_hash(const void *bytes, size_t size)
{
    uint64_t hash;

    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "SipHash-2-4 gives 64 bits");
    crypto_shorthash((unsigned char *)&hash, bytes, size, table_key);
    return hash;
}

void base64url_encode(const void *bytes, size_t size, char *ret_text)
{
    sodium_bin2base64(ret_text, BASE64URL_LENGTH(size) + 1, bytes, size,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Without an end pointer libsodium refuses what it cannot read to the last character; unused bits
 * of the last character must be zero. */
static int64_t decode(const char *text, size_t length, void *ret_bytes, size_t capacity,
                      int variant)
{
    size_t size = 0;

    /* libsodium 1.0.18 takes bytes from 0x80 on for letters where char is signed. */
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return -1;
    if (sodium_base642bin(ret_bytes, capacity, text, length, NULL, &size, NULL, variant) != 0)
        return -1;
    return (int64_t)size;
}

int64_t base64url_decode(const char *text, size_t length, void *ret_bytes, size_t capacity)
{
    return decode(text, length, ret_bytes, capacity, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int64_t base64_decode(const char *text, size_t length, void *ret_bytes, size_t capacity)
{
    return decode(text, length, ret_bytes, capacity, sodium_base64_VARIANT_ORIGINAL);
}

#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE   crypto_aead_xchacha20poly1305_ietf_ABYTES
_Static_assert(SECRET_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(SECRET_KEY_SIZE == crypto_auth_hmacsha256_KEYBYTES, "key size");

enum err secret_seal(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE], const struct bytes *plain,
                     const char *context, struct bytes *ret_sealed)
{
    const size_t size = NONCE_SIZE + plain->size + TAG_SIZE;
    uint8_t *sealed = arena_alloc(ctx->arena, size);
    unsigned long long written = 0;

    if (sealed == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory to seal a secret");
    randombytes_buf(sealed, NONCE_SIZE);
    if (crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_SIZE, &written, plain->data,
                                                   plain->size, (const unsigned char *)context,
                                                   strlen(context), NULL, sealed, key) != 0)
        return fail_internal(ctx, ERR_INTERNAL, "a secret could not be sealed");
    *ret_sealed = (struct bytes){.data = sealed, .size = size};
    return ERR_OK;
}

enum err secret_open(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                     const struct bytes *sealed, const char *context, struct bytes *ret_plain)
{
    if (sealed->data == NULL || sealed->size < NONCE_SIZE + TAG_SIZE)
        return fail_internal(ctx, ERR_INTERNAL, "sealed bytes of %s are too short", context);

    const size_t size = sealed->size - NONCE_SIZE - TAG_SIZE;
    /* One byte more, so that an empty secret is memory too. */
    uint8_t *plain = arena_alloc(ctx->arena, size + 1);
    unsigned long long written = 0;

    if (plain == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory to open a secret");
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain, &written, NULL, sealed->data + NONCE_SIZE, sealed->size - NONCE_SIZE,
            (const unsigned char *)context, strlen(context), sealed->data, key) != 0)
        return fail_internal(ctx, ERR_INTERNAL,
                             "sealed bytes of %s do not open: wrong master key, or changed data",
                             context);
    *ret_plain = (struct bytes){.data = plain, .size = size};
    return ERR_OK;
}
