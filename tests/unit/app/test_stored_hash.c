/*
 * Which texts may reach a verifier: the table of forms with its bounds (PW-6; security.md F17).
 * What the accepted ones verify is held to other implementations in api/test_imported_hashes.py.
 */
#include "app/stored_hash.h"

#include <string.h>

#include "support/unit.h"

#define B53  "nOUIs5kJ7naTuTFkBy1veuK0kSxUFXfuaOKdOKf9xYT0KKIGSJwFa"
#define B43  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B86  B43 B43
#define B44  B43 "="
#define B88  B86 "=="
#define X64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define X128 X64 X64
#define SALT "c29tZXNhbHRzb21l"
#define TEXT "saltsalt"

static const char *const good[] = {
    "$2a$04$" B53,
    "$2b$14$" B53,
    "$2y$10$" B53,
    "bcrypt$$2b$12$" B53,
    "bcrypt_sha256$$2b$12$" B53,
    "$argon2id$v=19$m=131072,t=4,p=16$" SALT "$" B43,
    "$argon2i$v=19$m=7168,t=5,p=1$" SALT "$" B43,
    "argon2$argon2id$v=19$m=102400,t=2,p=8$" SALT "$" B43,
    "$pbkdf2$1000$" SALT "$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$pbkdf2-sha1$1300000$" SALT "$" B86,
    "$pbkdf2-sha256$27500$" SALT "$" B88,
    "$pbkdf2-sha512$i=210000,l=64$" SALT "$" B86,
    "$pbkdf2-sha256$i=600000$" SALT "$" B43,
    "pbkdf2_sha256$1000000$" TEXT "$" B44,
    "pbkdf2_sha1$2000000$" TEXT "$AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "pbkdf2:sha256:1000$" TEXT "$" X64,
    "pbkdf2:sha512:1000000$" TEXT "$" X128,
    "$scrypt$ln=17,r=8,p=1$" SALT "$" B43,
    "scrypt:32768:8:1$" TEXT "$" X128,
    "scrypt$16384$" TEXT "$8$5$" B88,
    "$7$C6..../....SodiumChloride$" B43,
    "$7$86..../....pFTKmbN2jh+i3FvrHcM4hw$" B43,
    "$5$s$" B43,
    "$6$rounds=1000000$sixteencharacter$" B86,
    "$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$" B88 "$" B88,
};

static const char *const bad[] = {
    /* no form, and forms that crypt() would run all the same */
    "",
    "*",
    "*0",
    "*1",
    "x",
    "plaintext",
    "abJnggxhB/yWI",
    "_J9..rasmBYk8r9AiWNc",
    "$1$salt$AAAAAAAAAAAAAAAAAAAAAA",
    "$3$$8846f7eaee8fb117ad06bdd830b7586c",
    "$md5$rounds=904$salt$$AAAAAAAAAAAAAAAAAAAAAA",
    "$sha1$40000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$y$j9T$saltsalt$" B43,
    "$gy$j9T$saltsalt$" B43,
    "$argon2d$v=19$m=19456,t=2,p=1$" SALT "$" B43,
    "pbkdf2:md5:1000$" TEXT "$0123456789abcdef0123456789abcdef",
    "md5$salt$0123456789abcdef0123456789abcdef",
    "sha1$salt$0123456789abcdef0123456789abcdef01234567",
    " $2b$10$" B53,
    /* bcrypt */
    "$2$10$" B53,
    "$2x$10$" B53,
    "$2b$03$" B53,
    "$2b$15$" B53,
    "$2b$31$" B53,
    "$2b$1$0" B53,
    "$2b$+9$" B53,
    "$2b$10$",
    "$2b$10$nOUIs5kJ7naTuTFkBy1veu",
    "$2b$10$" B53 "a",
    "$2b$10$" B53 "\n",
    "$2b$10$nOUIs5kJ7naTuTFkBy1ve:K0kSxUFXfuaOKdOKf9xYT0KKIGSJwFa",
    "bcrypt$$1$10$" B53,
    "bcrypt_sha256$" B53,
    /* Argon2 */
    "$argon2id$v=16$m=19456,t=2,p=1$" SALT "$" B43,
    "$argon2id$m=19456,t=2,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=1023,t=2,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=131073,t=1,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=131072,t=5,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=19456,t=0,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=19456,t=02,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=19456,t=2,p=17$" SALT "$" B43,
    "$argon2id$v=19$m=19456,t=2,p=0$" SALT "$" B43,
    "$argon2id$v=19$m=99999999999999999999,t=2,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=-1,t=2,p=1$" SALT "$" B43,
    "$argon2id$v=19$m=19456,t=2,p=1$$" B43,
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$" B43,
    "$argon2id$v=19$m=19456,t=2,p=1$" SALT "$",
    "$argon2id$v=19$m=19456,t=2,p=1$" SALT "$AAAA",
    "$argon2id$v=19$m=19456,t=2,p=1$" SALT,
    "$argon2id$v=19$m=19456,t=2,p=1$" SALT "$" B43 "$",
    "$argon2id$v=19$m=19456,t=2,p=1,keyid=x$" SALT "$" B43,
    "argon2$argon2d$v=19$m=19456,t=2,p=1$" SALT "$" B43,
    /* PBKDF2 */
    "$pbkdf2-sha256$999$" SALT "$" B43,
    "$pbkdf2-sha256$2000001$" SALT "$" B43,
    "$pbkdf2-sha256$i=600000,l=64$" SALT "$" B43,
    "$pbkdf2-sha256$i=600000,l=$" SALT "$" B43,
    "$pbkdf2-sha224$27500$" SALT "$" B43,
    "$pbkdf2-sha256$27500$c2FsdA$" B43,
    "$pbkdf2-sha256$27500$" SALT "$" B86 "AA",
    "$pbkdf2-sha256$27500$" SALT "$AAAAAAAAAAAAAAAAAAAA",
    "$pbkdf2-sha256$27500$" SALT "=$" B43,
    "$pbkdf2-sha256$27500$" SALT "$" B43 "==",
    "$pbkdf2-sha256$27500$" SALT "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
    "pbkdf2_sha256$27500$salt$" B44,
    "pbkdf2_sha256$27500$salt salt$" B44,
    "pbkdf2_sha256$27500$" TEXT "$" B88,
    "pbkdf2_sha256$4294968296$" TEXT "$" B44,
    "pbkdf2:sha256$" TEXT "$" X64,
    "pbkdf2:sha256:1000$" TEXT "$" X128,
    "pbkdf2:sha256:1000$" TEXT "$ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    /* scrypt */
    "$scrypt$ln=9,r=8,p=1$" SALT "$" B43,
    "$scrypt$ln=18,r=8,p=1$" SALT "$" B43,
    "$scrypt$ln=64,r=8,p=1$" SALT "$" B43,
    "$scrypt$ln=16,r=1,p=1$" SALT "$" B43,
    "$scrypt$ln=14,r=33,p=1$" SALT "$" B43,
    "$scrypt$ln=14,r=8,p=0$" SALT "$" B43,
    "$scrypt$ln=14,r=8,p=9$" SALT "$" B43,
    "scrypt:30000:8:1$" TEXT "$" X128,
    "scrypt:32768:8:1$" TEXT "$" X64,
    "scrypt:32768:8$" TEXT "$" X128,
    "scrypt$16384$" TEXT "$8$1$" B44,
    "$7$",
    "$7$C6..../....",
    "$7$z6..../....SodiumChloride$" B43,
    "$7$C/////////.SodiumChloride$" B43,
    "$7$C6..../....SodiumChloride$" B43 "A",
    /* SHA-crypt */
    "$5$rounds=5000$$" B43,
    "$5$rounds=999$salt$" B43,
    "$5$rounds=999999999$salt$" B43,
    "$5$rounds=05000$salt$" B43,
    "$5$salt$" B86,
    "$6$salt$" B43,
    "$6$seventeen.letters$" B86,
    "$6$sa:lt$" B86,
    "$6$salt",
    /* Firebase */
    "$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$" B88 "$" B43,
    "$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$" B43 "$" B88,
    "$firebase-scrypt$ln=18,r=8$42xEC+ixf3L2lw==$Bw==$" B88 "$" B88,
    "$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$" B88 "$" B88,
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct stored_hash hash;

        if (stored_hash_problem(good[i]) != NULL || !stored_hash_read(good[i], &hash))
            fail_msg("refused: %s", good[i]);
        assert_true(hash.kib <= STORED_MAX_KIB);
        assert_in_range(hash.kind, STORED_BCRYPT, STORED_FIREBASE);
    }
}

static void test_bad(void **state)
{
    struct stored_hash hash;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (stored_hash_read(bad[i], &hash) || stored_hash_problem(bad[i]) == NULL)
            fail_msg("accepted: %s", bad[i]);
    assert_false(stored_hash_read(NULL, &hash));
}

/* Every text that lacks its end or has something behind it is none. */
static void test_cut_and_longer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct stored_hash hash;
        char text[STORED_HASH_MAX + 2];
        const size_t length = strlen(good[i]);

        for (size_t cut = 0; cut + 4 < length; cut++) {
            memcpy(text, good[i], cut);
            text[cut] = '\0';
            /* a key of another length is a good hash of PBKDF2 and Argon2 */
            if (stored_hash_read(text, &hash) && hash.kind != STORED_PBKDF2 &&
                hash.kind != STORED_ARGON2 && hash.kind != STORED_SCRYPT)
                fail_msg("accepted: %s", text);
        }
        memcpy(text, good[i], length);
        memcpy(text + length, "!", 2);
        assert_false(stored_hash_read(text, &hash));
    }
}

/* Whoever sets one is told what is allowed. */
static void test_sentences(void **state)
{
    (void)state;
    assert_non_null(strstr(stored_hash_problem("x"), "no known form"));
    assert_non_null(strstr(stored_hash_problem("$2b$15$" B53), "04 to 14"));
    assert_non_null(strstr(stored_hash_problem("$5$rounds=1$a$" B43), "1000000 rounds"));
    assert_null(stored_hash_problem("$2b$12$" B53));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_cut_and_longer),
        cmocka_unit_test(test_sentences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
