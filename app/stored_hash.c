/* Reading stored hashes: one table of forms, one small reader for each family. No cryptography. */
#include "app/stored_hash.h"

#include <string.h>

#define CRYPT_KEY_SIZE 32
#define CRYPT_BASE64   "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define BCRYPT_LENGTH  60
#define ARGON2_LENGTH  127 /* what libsodium reads */
#define ARGON2_MIN_KIB 1024
#define SCRYPT_MIN_N   1024
#define SCRYPT_MAX_WORK                                                      \
    ((int64_t)1 << 20) /* N times r times p; so N times r is 128 MiB at most \
                        */
#define MIN_SALT     8
#define MIN_KEY      16
#define FIREBASE_KEY 64

/* ---- parts ---- */

static bool take(const char **at, const char *literal)
{
    const size_t length = strlen(literal);

    if (strncmp(*at, literal, length) != 0)
        return false;
    *at += length;
    return true;
}

/* Digits without sign or leading zero, from low to high, then the text expected. */
static bool take_number(const char **at, const char *end, int64_t high, int64_t *ret_number)
{
    int64_t number = 0;

    if (**at < '1' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        number = number * 10 + (**at - '0');
        if (number > high)
            return false;
    }
    *ret_number = number;
    return take(at, end);
}

/* So many characters of a set, then the one expected ('\0': the end). */
static bool take_set(const char **at, const char *set, size_t length, char end)
{
    if (strspn(*at, set) != length || (*at)[length] != end)
        return false;
    *at += length + (end != '\0');
    return true;
}

/* A salt that is hashed as the text it is: visible ASCII without the separator. */
static bool take_salt_text(const char **at, struct stored_hash *hash)
{
    size_t size = 0;

    while ((*at)[size] > ' ' && (*at)[size] <= '~' && (*at)[size] != '$')
        size++;
    if (size < MIN_SALT || size > STORED_SALT_MAX || (*at)[size] != '$')
        return false;
    memcpy(hash->salt, *at, size);
    hash->salt_size = size;
    *at += size + 1;
    return true;
}

/* The alphabet of RFC 4648 §4, and passlib's with a dot for the plus. */
static int sextet_of(char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+' || character == '.')
        return 62;
    return character == '/' ? 63 : -1;
}

/* base64 with or without its padding, then the end expected. One spelling for the bytes: the bits
 * that carry none are zero. False when it is more than capacity. */
static bool take_base64(const char **at, char end, uint8_t *ret_bytes, size_t capacity,
                        size_t *ret_size)
{
    size_t size = 0, characters = 0;
    uint32_t bits = 0, held = 0;
    const char *text = *at;

    for (int sextet; (sextet = sextet_of(*text)) >= 0; text++, characters++) {
        held = held << 6 | (uint32_t)sextet;
        bits += 6;
        if (bits < 8)
            continue;
        if (size == capacity)
            return false;
        bits -= 8;
        ret_bytes[size++] = (uint8_t)(held >> bits);
        held &= (1U << bits) - 1;
    }
    if (characters % 4 == 1 || held != 0)
        return false;
    if (*text == '=')
        text += strspn(text, "=") == (4 - characters % 4) % 4 ? (4 - characters % 4) % 4 : 0;
    if (*text != end)
        return false;
    *at = text + (end != '\0');
    *ret_size = size;
    return true;
}

static bool take_salt(const char **at, struct stored_hash *hash)
{
    return take_base64(at, '$', hash->salt, sizeof hash->salt, &hash->salt_size) &&
           hash->salt_size >= MIN_SALT;
}

static bool take_key(const char **at, struct stored_hash *hash)
{
    return take_base64(at, '\0', hash->key, sizeof hash->key, &hash->key_size) &&
           hash->key_size >= MIN_KEY;
}

static bool take_hex_key(const char *at, struct stored_hash *hash, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(at) != 2 * size || strspn(at, digits) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        const size_t high = (size_t)(strchr(digits, at[2 * i]) - digits);
        const size_t low = (size_t)(strchr(digits, at[2 * i + 1]) - digits);

        hash->key[i] = (uint8_t)(high << 4 | low);
    }
    hash->key_size = size;
    return true;
}

static size_t digest_size(enum stored_digest digest)
{
    return digest == DIGEST_SHA1 ? 20 : digest == DIGEST_SHA256 ? 32 : 64;
}

/* ---- families; at stands behind the form's prefix ---- */

static bool read_bcrypt(struct stored_hash *hash, const char *at)
{
    int64_t cost;

    hash->kind = STORED_BCRYPT;
    hash->text = at - 4;
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9' || at[2] != '$')
        return false;
    cost = (at[0] - '0') * 10 + (at[1] - '0');
    hash->cost = cost;
    at += 3;
    return cost >= STORED_BCRYPT_MIN_COST && cost <= STORED_BCRYPT_MAX_COST &&
           take_set(&at, CRYPT_BASE64, BCRYPT_LENGTH - 7, '\0');
}

static bool read_django_bcrypt(struct stored_hash *hash, const char *at)
{
    return (take(&at, "$2b$") || take(&at, "$2a$") || take(&at, "$2y$")) && read_bcrypt(hash, at);
}

static bool read_django_bcrypt_sha256(struct stored_hash *hash, const char *at)
{
    const bool good = read_django_bcrypt(hash, at);

    hash->kind = STORED_BCRYPT_SHA256;
    return good;
}

/* libsodium verifies the text; here it is held to what that may cost. */
static bool read_argon2(struct stored_hash *hash, const char *at)
{
    uint8_t bytes[STORED_KEY_MAX];
    size_t size;

    hash->kind = STORED_ARGON2;
    if (strlen(hash->text) > ARGON2_LENGTH || !take(&at, "$v=19$m=") ||
        !take_number(&at, ",t=", STORED_MAX_KIB, &hash->kib) ||
        !take_number(&at, ",p=", STORED_ARGON2_MAX_WORK, &hash->cost) ||
        !take_number(&at, "$", 16, &hash->lanes))
        return false;
    if (hash->kib < ARGON2_MIN_KIB || hash->kib * hash->cost > STORED_ARGON2_MAX_WORK ||
        strchr(at, '.') != NULL || strchr(at, '=') != NULL)
        return false;
    return take_base64(&at, '$', bytes, sizeof bytes, &size) && size >= MIN_SALT &&
           take_base64(&at, '\0', bytes, sizeof bytes, &size) && size >= MIN_KEY;
}

static bool read_django_argon2(struct stored_hash *hash, const char *at)
{
    hash->text = at;
    return (take(&at, "$argon2id") || take(&at, "$argon2i")) && read_argon2(hash, at);
}

static bool read_rounds(struct stored_hash *hash, const char **at, const char *end)
{
    hash->kind = STORED_PBKDF2;
    return take_number(at, end, STORED_PBKDF2_ROUNDS, &hash->cost) && hash->cost >= 1000;
}

static bool read_phc_pbkdf2(struct stored_hash *hash, const char *at)
{
    int64_t length = 0;

    if (!take(&at, "i="))
        return read_rounds(hash, &at, "$") && take_salt(&at, hash) && take_key(&at, hash);
    if (!read_rounds(hash, &at, strchr(at, ',') != NULL ? ",l=" : "$"))
        return false;
    if (at[-1] == '=' && !take_number(&at, "$", STORED_KEY_MAX, &length))
        return false;
    return take_salt(&at, hash) && take_key(&at, hash) &&
           (length == 0 || length == (int64_t)hash->key_size);
}

static bool read_django_pbkdf2(struct stored_hash *hash, const char *at)
{
    return read_rounds(hash, &at, "$") && take_salt_text(&at, hash) && take_key(&at, hash) &&
           hash->key_size == digest_size(hash->digest);
}

static bool read_werkzeug_pbkdf2(struct stored_hash *hash, const char *at)
{
    return read_rounds(hash, &at, "$") && take_salt_text(&at, hash) &&
           take_hex_key(at, hash, digest_size(hash->digest));
}

static bool scrypt_is_bounded(struct stored_hash *hash)
{
    hash->kind = STORED_SCRYPT;
    hash->kib = hash->cost * hash->block / 8;
    return hash->cost >= SCRYPT_MIN_N && (hash->cost & (hash->cost - 1)) == 0 && hash->block >= 2 &&
           hash->lanes >= 1 && hash->cost * hash->block * hash->lanes <= SCRYPT_MAX_WORK;
}

static bool take_ln(const char **at, struct stored_hash *hash)
{
    int64_t exponent;

    if (!take(at, "ln=") || !take_number(at, ",r=", 20, &exponent))
        return false;
    hash->cost = (int64_t)1 << exponent;
    return true;
}

static bool read_phc_scrypt(struct stored_hash *hash, const char *at)
{
    return take_ln(&at, hash) && take_number(&at, ",p=", 32, &hash->block) &&
           take_number(&at, "$", 16, &hash->lanes) && scrypt_is_bounded(hash) &&
           take_salt(&at, hash) && take_key(&at, hash);
}

static bool read_werkzeug_scrypt(struct stored_hash *hash, const char *at)
{
    return take_number(&at, ":", SCRYPT_MAX_WORK, &hash->cost) &&
           take_number(&at, ":", 32, &hash->block) && take_number(&at, "$", 16, &hash->lanes) &&
           scrypt_is_bounded(hash) && take_salt_text(&at, hash) && take_hex_key(at, hash, 64);
}

static bool read_django_scrypt(struct stored_hash *hash, const char *at)
{
    return take_number(&at, "$", SCRYPT_MAX_WORK, &hash->cost) && take_salt_text(&at, hash) &&
           take_number(&at, "$", 32, &hash->block) && take_number(&at, "$", 16, &hash->lanes) &&
           scrypt_is_bounded(hash) && take_key(&at, hash) && hash->key_size == 64;
}

/* The lowest digit first, as crypt() writes them. */
static bool take_crypt_number(const char **at, size_t digits, int64_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < digits; i++) {
        const char *found = **at != '\0' ? strchr(CRYPT_BASE64, **at) : NULL;

        if (found == NULL)
            return false;
        *ret_number |= (int64_t)(found - CRYPT_BASE64) << 6 * i;
        (*at)++;
    }
    return true;
}

/* 32 bytes, three to four digits. */
static bool take_crypt_key(const char *at, struct stored_hash *hash)
{
    for (hash->key_size = 0; hash->key_size < CRYPT_KEY_SIZE; hash->key_size += 3) {
        const size_t bytes = CRYPT_KEY_SIZE - hash->key_size < 3 ? 2 : 3;
        int64_t number;

        if (!take_crypt_number(&at, bytes + 1, &number) || number >> 8 * bytes != 0)
            return false;
        for (size_t i = 0; i < bytes; i++)
            hash->key[hash->key_size + i] = (uint8_t)(number >> 8 * i);
    }
    hash->key_size = CRYPT_KEY_SIZE;
    return *at == '\0';
}

/* crypt() itself takes no "+" in a salt, which passlib writes: it is taken apart here. */
static bool read_crypt_scrypt(struct stored_hash *hash, const char *at)
{
    int64_t exponent;

    if (!take_crypt_number(&at, 1, &exponent) || !take_crypt_number(&at, 5, &hash->block) ||
        !take_crypt_number(&at, 5, &hash->lanes) || exponent > 20 || hash->block > 32 ||
        hash->lanes > 16)
        return false;
    hash->cost = (int64_t)1 << exponent;
    return scrypt_is_bounded(hash) && take_salt_text(&at, hash) && take_crypt_key(at, hash);
}

static bool read_sha_crypt(struct stored_hash *hash, const char *at)
{
    hash->kind = STORED_CRYPT;
    hash->cost = 5000;
    if (take(&at, "rounds=") &&
        (!take_number(&at, "$", STORED_SHA_CRYPT_ROUNDS, &hash->cost) || hash->cost < 1000))
        return false;

    const size_t salt = strspn(at, CRYPT_BASE64);

    return salt >= 1 && salt <= 16 && take_set(&at, CRYPT_BASE64, salt, '$') &&
           take_set(&at, CRYPT_BASE64, hash->digest == DIGEST_SHA256 ? 43 : 86, '\0');
}

/* The salt and the project's separator are hashed as one. */
static bool read_firebase(struct stored_hash *hash, const char *at)
{
    size_t separator = 0, signer = 0;
    bool good;

    hash->lanes = 1;
    if (!take_ln(&at, hash) || !take_number(&at, "$", 32, &hash->block) || !scrypt_is_bounded(hash))
        return false;
    hash->kind = STORED_FIREBASE;
    if (!take_salt(&at, hash))
        return false;
    good = take_base64(&at, '$', hash->salt + hash->salt_size, STORED_SALT_MAX - hash->salt_size,
                       &separator);
    hash->salt_size += separator;
    return good && take_base64(&at, '$', hash->signer, FIREBASE_KEY, &signer) &&
           signer == FIREBASE_KEY && take_key(&at, hash) && hash->key_size == FIREBASE_KEY;
}

/* ---- the table ---- */

#define BCRYPT_RULE "is no bcrypt hash of 60 characters with a cost from 04 to 14"
#define ARGON2_RULE                                                                                \
    "is no $argon2id$v=19$m=...,t=...,p=...$salt$hash (or argon2i) with m from 1024 to 131072, m " \
    "times t up to 524288, and p up to 16"
#define PBKDF2_RULE \
    "is no PBKDF2 hash with 1000 to 2000000 iterations, a salt of 8 to 64 bytes and a whole key"
#define SCRYPT_RULE                                                                                \
    "is no scrypt hash with N from 1024, a power of two, r from 2 to 32, p up to 16, N*r*p up to " \
    "1048576, a salt of 8 to 64 bytes and a whole key"
#define SHA_RULE "is no SHA-crypt hash with 1000 to 1000000 rounds and a salt of 1 to 16 characters"
#define FIREBASE_RULE                                                                              \
    "is no $firebase-scrypt$ln=...,r=...$salt$separator$signer key$hash, each in base64, with ln " \
    "from 10, 2^ln*r up to 1048576, and 64 bytes of signer key and of hash"

/* clang-format off */
static const struct form {
    const char *prefix;
    bool (*read)(struct stored_hash *hash, const char *at);
    enum stored_digest digest;
    const char *rule;
} forms[] = {
    {"$2a$", read_bcrypt, 0, BCRYPT_RULE},
    {"$2b$", read_bcrypt, 0, BCRYPT_RULE},
    {"$2y$", read_bcrypt, 0, BCRYPT_RULE},
    {"bcrypt$", read_django_bcrypt, 0, BCRYPT_RULE},
    {"bcrypt_sha256$", read_django_bcrypt_sha256, 0, BCRYPT_RULE},
    {"$argon2id", read_argon2, 0, ARGON2_RULE},
    {"$argon2i", read_argon2, 0, ARGON2_RULE},
    {"argon2", read_django_argon2, 0, ARGON2_RULE},
    {"$pbkdf2-sha256$", read_phc_pbkdf2, DIGEST_SHA256, PBKDF2_RULE},
    {"$pbkdf2-sha512$", read_phc_pbkdf2, DIGEST_SHA512, PBKDF2_RULE},
    {"$pbkdf2-sha1$", read_phc_pbkdf2, DIGEST_SHA1, PBKDF2_RULE},
    {"$pbkdf2$", read_phc_pbkdf2, DIGEST_SHA1, PBKDF2_RULE},
    {"pbkdf2_sha256$", read_django_pbkdf2, DIGEST_SHA256, PBKDF2_RULE},
    {"pbkdf2_sha512$", read_django_pbkdf2, DIGEST_SHA512, PBKDF2_RULE},
    {"pbkdf2_sha1$", read_django_pbkdf2, DIGEST_SHA1, PBKDF2_RULE},
    {"pbkdf2:sha256:", read_werkzeug_pbkdf2, DIGEST_SHA256, PBKDF2_RULE},
    {"pbkdf2:sha512:", read_werkzeug_pbkdf2, DIGEST_SHA512, PBKDF2_RULE},
    {"pbkdf2:sha1:", read_werkzeug_pbkdf2, DIGEST_SHA1, PBKDF2_RULE},
    {"$scrypt$", read_phc_scrypt, 0, SCRYPT_RULE},
    {"scrypt:", read_werkzeug_scrypt, 0, SCRYPT_RULE},
    {"scrypt$", read_django_scrypt, 0, SCRYPT_RULE},
    {"$7$", read_crypt_scrypt, 0, SCRYPT_RULE},
    {"$5$", read_sha_crypt, DIGEST_SHA256, SHA_RULE},
    {"$6$", read_sha_crypt, DIGEST_SHA512, SHA_RULE},
    {"$firebase-scrypt$", read_firebase, 0, FIREBASE_RULE},
};
/* clang-format on */

static const struct form *form_of(const char *stored)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strncmp(stored, forms[i].prefix, strlen(forms[i].prefix)) == 0)
            return &forms[i];
    return NULL;
}

bool stored_hash_read(const char *stored, struct stored_hash *ret_hash)
{
    const struct form *form;

    if (stored == NULL || strlen(stored) > STORED_HASH_MAX || (form = form_of(stored)) == NULL)
        return false;
    *ret_hash = (struct stored_hash){.digest = form->digest, .text = stored};
    return form->read(ret_hash, stored + strlen(form->prefix));
}

const char *stored_hash_problem(const char *stored)
{
    const struct form *form = form_of(stored);
    struct stored_hash hash;

    if (form == NULL)
        return "is of no known form; known are bcrypt, Argon2, scrypt, PBKDF2 and SHA-crypt, in "
               "the "
               "spellings of docs/MIGRATION.md";
    return stored_hash_read(stored, &hash) ? NULL : form->rule;
}

bool stored_hash_may_be_ours(const struct stored_hash *hash)
{
    return (hash->kind == STORED_BCRYPT && hash->text[2] == 'b' && hash->cost >= 10) ||
           (hash->kind == STORED_ARGON2 && hash->lanes == 1);
}
