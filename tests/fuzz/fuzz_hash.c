/*
 * Any text as a stored password hash (PW-6): what may reach a verifier keeps the bounds of cost and
 * memory, is visible ASCII, and comes to the same verdict whoever asks. Cheap ones are compared: no
 * password that the target knows opens a hash that nobody made.
 */
#include <string.h>

#include <crypt.h>

#include "app/password.h"
#include "app/stored_hash.h"
#include "support/fuzz.h"

static struct crypt_data scratch;

static bool is_cheap(const struct stored_hash *hash)
{
    switch (hash->kind) {
    case STORED_BCRYPT:
    case STORED_BCRYPT_SHA256:
        return hash->cost == STORED_BCRYPT_MIN_COST;
    case STORED_ARGON2:
        return hash->kib * hash->cost <= 4096;
    case STORED_SCRYPT:
    case STORED_FIREBASE:
        return hash->kib * hash->lanes <= 1024;
    case STORED_PBKDF2:
        return hash->cost <= 2000;
    case STORED_CRYPT:
        return hash->cost <= 2000;
    }
    return false;
}

static int64_t work_limit(const struct stored_hash *hash)
{
    switch (hash->kind) {
    case STORED_BCRYPT:
    case STORED_BCRYPT_SHA256:
        return STORED_BCRYPT_MAX_COST;
    case STORED_ARGON2:
        return STORED_ARGON2_MAX_WORK / hash->kib;
    case STORED_PBKDF2:
        return STORED_PBKDF2_ROUNDS;
    case STORED_CRYPT:
        return STORED_SHA_CRYPT_ROUNDS;
    case STORED_SCRYPT:
    case STORED_FIREBASE:
        return (int64_t)8 * STORED_MAX_KIB / hash->block / hash->lanes;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct stored_hash hash;
    const bool good = stored_hash_read(text, &hash);
    bool done = false;

    require(good == (stored_hash_problem(text) == NULL));
    require(good == password_hash_is_known(text));
    if (good) {
        require(strlen(text) <= STORED_HASH_MAX);
        for (const char *at = text; *at != '\0'; at++)
            require(*at > ' ' && *at <= '~');
        require(hash.text >= text && hash.text <= text + strlen(text));
        require(hash.salt_size <= STORED_SALT_MAX && hash.key_size <= STORED_KEY_MAX);
        require(hash.kib >= 0 && hash.kib <= STORED_MAX_KIB);
        require(hash.cost >= 1 && hash.cost <= work_limit(&hash));
        if (is_cheap(&hash)) {
            require(!stored_hash_compare(&hash, "no password of anybody", &scratch, &done));
            require(done);
        }
    }
    free(text);
    return 0;
}
