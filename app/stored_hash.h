/*
 * The forms in which a password hash may be stored: the two that are made here, and those of the
 * systems that users are brought from. Read strictly and by one table: what is not in it, or costs
 * more than a hash thread may be asked for, never reaches a verifier (PW-6). The bounds belong to
 * no configuration, so what was accepted once can be verified for ever. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORED_HASH_MAX         255
#define STORED_SALT_MAX         64
#define STORED_KEY_MAX          64
/* The work bounds. */
#define STORED_BCRYPT_MIN_COST  4
#define STORED_BCRYPT_MAX_COST  14
#define STORED_SHA_CRYPT_ROUNDS 1000000
#define STORED_PBKDF2_ROUNDS    2000000
#define STORED_MAX_KIB          (128 * 1024) /* Argon2 and scrypt */
#define STORED_ARGON2_MAX_WORK  (512 * 1024) /* KiB times passes */

enum stored_kind {
    STORED_BCRYPT = 1,    /* $2a$ $2b$ $2y$ */
    STORED_BCRYPT_SHA256, /* bcrypt of the hexadecimal SHA-256, by Django */
    STORED_ARGON2,
    STORED_PBKDF2,
    STORED_SCRYPT,
    STORED_CRYPT,    /* what crypt() reads besides: $5$ $6$ */
    STORED_FIREBASE, /* scrypt whose key encrypts the project's signer key */
};

enum stored_digest { DIGEST_SHA1 = 1, DIGEST_SHA256, DIGEST_SHA512 };

/* One hash, taken apart. */
struct stored_hash {
    enum stored_kind kind;
    const char *text; /* within the text read: the hash as its library knows it */
    enum stored_digest digest;
    int64_t cost;  /* bcrypt: exponent; PBKDF2, SHA-crypt: rounds; Argon2: passes; scrypt: N */
    int64_t kib;   /* of memory: Argon2, scrypt */
    int64_t block; /* scrypt: r */
    int64_t lanes; /* Argon2, scrypt: p */
    size_t salt_size, key_size;
    uint8_t salt[STORED_SALT_MAX], key[STORED_KEY_MAX], signer[STORED_KEY_MAX];
};

/* False when it is none that may be verified. *ret_hash points into stored. */
bool stored_hash_read(const char *stored, struct stored_hash *ret_hash);
/* Why not, to follow the name of a field; NULL when it may be. */
const char *stored_hash_problem(const char *stored);
/* May have been made here: then what was hashed is the password's one form (NFC), else what was
 * typed. */
bool stored_hash_may_be_ours(const struct stored_hash *hash);

struct crypt_data;

/* On a hash thread: password against it. *ret_done is false when nothing could be computed. */
bool stored_hash_compare(const struct stored_hash *hash, const char *password,
                         struct crypt_data *scratch, bool *ret_done);
/* Works on a hash thread until it has spent so much time of its core since start. */
void stored_hash_spend(int64_t start_us, int64_t least_us);
