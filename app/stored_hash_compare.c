/* Comparing a password with a stored hash of any form: on a hash thread, which has the stack and
 * the scratch memory for it. */
#include "app/stored_hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <crypt.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "app/clock.h"
#include "app/secret.h"

#define AES_KEY_SIZE 32
#define PARALLEL_KIB (32 * 1024)
#define SPEND_ROUNDS 200

/* A hash that needs more memory than most waits for the one before it: a service with many hash
 * threads must not need many times 128 MiB. */
static pthread_mutex_t big = PTHREAD_MUTEX_INITIALIZER;

static bool crypt_compare(const struct stored_hash *hash, const char *password,
                          struct crypt_data *scratch, bool *ret_done)
{
    const size_t length = strlen(hash->text);
    const char *made = crypt_rn(password, hash->text, scratch, sizeof *scratch);

    *ret_done = made != NULL && made[0] != '*' && strlen(made) == length;
    return *ret_done && secret_equal(made, hash->text, length);
}

static bool bcrypt_sha256_compare(const struct stored_hash *hash, const char *password,
                                  struct crypt_data *scratch, bool *ret_done)
{
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    secret_sha256(password, strlen(password), digest);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);

    const bool same = crypt_compare(hash, hex, scratch, ret_done);

    secret_wipe(digest, sizeof digest);
    secret_wipe(hex, sizeof hex);
    return same;
}

/* A refusal for want of memory is no wrong password. */
static bool argon2_compare(const struct stored_hash *hash, const char *password, bool *ret_done)
{
    errno = 0;

    const bool same = crypto_pwhash_str_verify(hash->text, password, strlen(password)) == 0;

    *ret_done = same || errno != ENOMEM;
    return same;
}

/* The blocks of a long PBKDF2 result are independent; the first one, of at least 128 bits, proves
 * the password. Those after it would cost us and nobody who guesses. */
static bool pbkdf2_compare(const struct stored_hash *hash, const char *password, bool *ret_done)
{
    const EVP_MD *digest = hash->digest == DIGEST_SHA1     ? EVP_sha1()
                           : hash->digest == DIGEST_SHA256 ? EVP_sha256()
                                                           : EVP_sha512();
    const size_t block = (size_t)EVP_MD_get_size(digest);
    const size_t size = hash->key_size < block ? hash->key_size : block;
    uint8_t key[STORED_KEY_MAX] = {0};

    *ret_done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), hash->salt, (int)hash->salt_size,
                                  (int)hash->cost, digest, (int)size, key) == 1;

    const bool same = *ret_done && secret_equal(key, hash->key, size);

    secret_wipe(key, sizeof key);
    return same;
}

static bool scrypt(const struct stored_hash *hash, const char *password, uint8_t *ret_key,
                   size_t size)
{
    return EVP_PBE_scrypt(password, strlen(password), hash->salt, hash->salt_size,
                          (uint64_t)hash->cost, (uint64_t)hash->block, (uint64_t)hash->lanes,
                          (uint64_t)2 * STORED_MAX_KIB * 1024, ret_key, size) == 1;
}

static bool scrypt_compare(const struct stored_hash *hash, const char *password, bool *ret_done)
{
    uint8_t key[STORED_KEY_MAX] = {0};

    *ret_done = scrypt(hash, password, key, hash->key_size);

    const bool same = *ret_done && secret_equal(key, hash->key, hash->key_size);

    secret_wipe(key, sizeof key);
    return same;
}

/* What Firebase keeps is the project's signer key, encrypted (AES-256-CTR, the counter from zero)
 * with what scrypt makes of the password. */
static bool firebase_compare(const struct stored_hash *hash, const char *password, bool *ret_done)
{
    static const uint8_t counter[16];
    uint8_t key[AES_KEY_SIZE] = {0}, made[STORED_KEY_MAX] = {0};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0;

    *ret_done = cipher != NULL && scrypt(hash, password, key, sizeof key) &&
                EVP_EncryptInit_ex(cipher, EVP_aes_256_ctr(), NULL, key, counter) == 1 &&
                EVP_EncryptUpdate(cipher, made, &size, hash->signer, sizeof hash->signer) == 1 &&
                size == sizeof made;
    EVP_CIPHER_CTX_free(cipher);

    const bool same = *ret_done && secret_equal(made, hash->key, sizeof made);

    secret_wipe(key, sizeof key);
    secret_wipe(made, sizeof made);
    return same;
}

static bool compare(const struct stored_hash *hash, const char *password,
                    struct crypt_data *scratch, bool *ret_done)
{
    switch (hash->kind) {
    case STORED_BCRYPT:
    case STORED_CRYPT:
        return crypt_compare(hash, password, scratch, ret_done);
    case STORED_BCRYPT_SHA256:
        return bcrypt_sha256_compare(hash, password, scratch, ret_done);
    case STORED_ARGON2:
        return argon2_compare(hash, password, ret_done);
    case STORED_PBKDF2:
        return pbkdf2_compare(hash, password, ret_done);
    case STORED_SCRYPT:
        return scrypt_compare(hash, password, ret_done);
    case STORED_FIREBASE:
        return firebase_compare(hash, password, ret_done);
    }
    *ret_done = false;
    return false;
}

bool stored_hash_compare(const struct stored_hash *hash, const char *password,
                         struct crypt_data *scratch, bool *ret_done)
{
    const bool alone = hash->kib > PARALLEL_KIB;

    if (alone)
        pthread_mutex_lock(&big);

    const bool same = compare(hash, password, scratch, ret_done);

    if (alone)
        pthread_mutex_unlock(&big);
    return same;
}

void stored_hash_spend(int64_t start_us, int64_t least_us)
{
    static const uint8_t salt[16];
    uint8_t key[SHA256_SIZE];

    while (clock_thread_cpu_us() - start_us < least_us)
        if (PKCS5_PBKDF2_HMAC("", 0, salt, sizeof salt, SPEND_ROUNDS, EVP_sha256(), sizeof key,
                              key) != 1)
            return;
}
