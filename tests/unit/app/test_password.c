/*
 * Passwords: what may be set, what is stored, and that every evaluated try costs exactly one hash
 * (PW-1, PW-2, PW-8, PW-9; security.md F17).
 * Which stored forms there are: test_stored_hash.c.
 */
#include "app/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <crypt.h>
#include <dlfcn.h>
#include <sodium.h>

#include "app/clock.h"
#include "app/hash_pool.h"
#include "support/bare.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct bare bare;

/* ---- what the libraries are asked to compare with ---- */

static char seen_setting[PASSWORD_HASH_SIZE];

char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    char *(*next)(const char *, const char *, void *, int) = NULL;

    *(void **)&next = dlsym(RTLD_NEXT, "crypt_rn");
    /* A whole hash is compared with; what is made has a setting only (the pool makes one ahead). */
    if (strlen(setting) == 60)
        snprintf(seen_setting, sizeof seen_setting, "%s", setting);
    return next(phrase, setting, data, size);
}

int crypto_pwhash_str_verify(const char stored[crypto_pwhash_STRBYTES], const char *password,
                             unsigned long long length)
{
    int (*next)(const char *, const char *, unsigned long long) = NULL;

    *(void **)&next = dlsym(RTLD_NEXT, "crypto_pwhash_str_verify");
    snprintf(seen_setting, sizeof seen_setting, "%s", stored);
    return next(stored, password, length);
}

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    bare.config.password.threads = 2;
    return hash_pool_new(&bare.config.password, 128, &bare.app.hashes) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    hash_pool_free(bare.app.hashes);
    bare_clear(&bare);
    return 0;
}

static const char *hash(const char *password)
{
    const char *text = NULL;

    assert_int_equal(password_hash(&bare.ctx, password, &text), ERR_OK);
    assert_true(password_hash_is_known(text));
    return text;
}

static uint64_t hash_count(void)
{
    struct hash_stats stats;

    hash_pool_stats(bare.app.hashes, &stats);
    return stats.hashes;
}

/* Compares, and sees that it cost one hash. */
static bool matches(const char *password, const char *stored, bool *ret_stale)
{
    bool result = true, stale = true;
    const uint64_t before = hash_count();

    assert_int_equal(password_matches(&bare.ctx, password, stored, &result, &stale), ERR_OK);
    assert_int_equal(hash_count(), before + 1);
    if (ret_stale != NULL)
        *ret_stale = stale;
    return result;
}

/* ---- what is stored ---- */

static void test_bcrypt(void **state)
{
    const char *stored = hash("password123");
    const char *again = hash("password123");
    bool stale = true;

    (void)state;
    assert_int_equal(strncmp(stored, "$2b$10$", 7), 0);
    assert_int_equal(strlen(stored), 60);
    assert_string_not_equal(stored, again);
    assert_true(matches("password123", stored, &stale));
    assert_false(stale);
    assert_false(matches("password124", stored, &stale));
    assert_false(stale);
    assert_false(matches("Password123", stored, NULL));
    assert_false(matches("password123 ", stored, NULL));
}

static void test_argon2id(void **state)
{
    const char *stored;
    bool stale = true;
    char text[258];

    (void)state;
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    stored = hash("password123");
    assert_int_equal(strncmp(stored, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_true(matches("password123", stored, &stale));
    assert_false(stale);
    assert_false(matches("password124", stored, NULL));
    memset(text, 'a', sizeof text);
    text[256] = '\0';
    stored = hash(text);
    assert_true(matches(text, stored, NULL));
    text[255] = 'b';
    assert_false(matches(text, stored, NULL));
    text[255] = 'a';
    text[256] = 'a';
    text[257] = '\0';
    assert_false(matches(text, stored, NULL));
}

/* Known answers by others: libxcrypt's, and the one of Argon2's reference tests. */
static void test_hashes_made_elsewhere(void **state)
{
    (void)state;
    assert_true(matches("correct horse battery staple",
                        "$2b$10$nOUIs5kJ7naTuTFkBy1veuHsIDWI1cgW7b5tenBqHNF3yihyy6KQ6", NULL));
    assert_true(matches("password",
                        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
                        "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                        NULL));
}

/* PW-8: the setting changed, both directions; old hashes still open the door. */
static void test_stale_when_the_setting_changed(void **state)
{
    const char *bcrypt = hash("password123");
    const char *argon2;
    bool stale = false;

    (void)state;
    bare.config.password.cost = 11;
    assert_true(matches("password123", bcrypt, &stale));
    assert_true(stale);
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    assert_true(matches("password123", bcrypt, &stale));
    assert_true(stale);
    argon2 = hash("password123");
    bare.config.password.scheme = PASSWORD_BCRYPT;
    bare.config.password.cost = 10;
    assert_true(matches("password123", argon2, &stale));
    assert_true(stale);
    assert_false(matches("password", argon2, &stale));
    assert_false(stale);
    assert_true(matches("password123", bcrypt, &stale));
    assert_false(stale);
}

/* A long password under Argon2id works on when the setting goes back to bcrypt; it is not renewed.
 */
static void test_long_password_outlives_the_setting(void **state)
{
    static const char phrase[] =
        "a phrase that is quite a bit longer than the seventy-two bytes that "
        "bcrypt reads of a password";
    const char *stored;
    bool stale = true;

    (void)state;
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    stored = hash(phrase);
    bare.config.password.scheme = PASSWORD_BCRYPT;
    assert_true(matches(phrase, stored, &stale));
    assert_false(stale);
}

/* ---- what may be set ---- */

static enum err prepare(const char *password)
{
    const char *form;

    fail_clear(&bare.ctx);
    return password_prepare(&bare.ctx, "new_password", password, 8, &form);
}

/* PW-1: 72 bytes and no more, in bytes and not characters; the sentence says 72. */
static void test_length_in_bytes(void **state)
{
    char text[101];

    (void)state;
    for (size_t length = 60; length <= 100; length++) {
        memset(text, 'a', length);
        text[length] = '\0';
        assert_int_equal(prepare(text), length <= 72 ? ERR_OK : ERR_VALIDATION);
    }
    assert_string_equal(bare.ctx.failure.field, "new_password");
    assert_non_null(strstr(bare.ctx.failure.detail, "72 bytes"));
    for (size_t i = 0; i < 25; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 4);
    assert_int_equal(prepare(text), ERR_VALIDATION);
    text[72] = '\0';
    assert_int_equal(prepare(text), ERR_OK);
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    memset(text, 'a', 100);
    text[100] = '\0';
    assert_int_equal(prepare(text), ERR_OK);
}

/* PW-3: the minimum counts characters, after normalisation. */
static void test_length_in_characters(void **state)
{
    (void)state;
    assert_int_equal(prepare("1234567"), ERR_VALIDATION);
    assert_non_null(strstr(bare.ctx.failure.detail, "at least 8"));
    assert_int_equal(prepare("12345678"), ERR_OK);
    assert_int_equal(prepare("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"), ERR_VALIDATION);
    assert_int_equal(prepare("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                             "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"),
                     ERR_OK);
    /* Seven letters, one of them typed as two code points. */
    assert_int_equal(prepare("123456e\xcc\x81"), ERR_VALIDATION);
    assert_int_equal(prepare(""), ERR_VALIDATION);
    assert_int_equal(prepare("secure123"), ERR_OK);
}

/* PW-2 */
static void test_foreign_bytes(void **state)
{
    static const char *const bad[] = {
        "password\x01", "pass\nword",       "password\x7f",         "password\xc2\x80",
        "password\xff", "password\xc0\x80", "password\xed\xa0\x80", "\tpassword",
        "pass\x1bword", "password\xe2\x82",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(prepare(bad[i]), ERR_VALIDATION);
        assert_non_null(bare.ctx.failure.detail);
    }
    assert_int_equal(prepare("pass word \xc2\xa0\xf0\x9f\x94\x91"), ERR_OK);
}

/* PW-3: é typed as one code point or as two is the same password, at set and at login. */
static void test_one_form_of_a_letter(void **state)
{
    const char *stored = hash("caf\xc3\xa9 noir");
    const char *decomposed = hash("cafe\xcc\x81 noir");

    (void)state;
    assert_true(matches("cafe\xcc\x81 noir", stored, NULL));
    assert_true(matches("caf\xc3\xa9 noir", decomposed, NULL));
    assert_false(matches("cafe noir", stored, NULL));
}

/* ---- exactly one hash, whatever comes (PW-1, PW-9) ---- */

static void test_every_outcome_costs_one_hash(void **state)
{
    char longer[5001];
    const char *stored = hash("password123");
    const char *const passwords[] = {"", "password123", "\xff\xff", "pass\nword", longer, NULL};
    const char *const forms[] = {NULL, "", "plaintext", "*0", stored};

    (void)state;
    memset(longer, 'a', sizeof longer - 1);
    longer[5000] = '\0';
    for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
        for (size_t j = 0; j < sizeof forms / sizeof *forms; j++) {
            const bool right = forms[j] == stored && i == 1;

            assert_int_equal(matches(passwords[i], forms[j], NULL), right);
        }
    }
}

/* PW-1, F17: bcrypt would read 72 bytes and ignore the rest. */
static void test_what_bcrypt_would_ignore(void **state)
{
    char text[101];
    const char *stored;

    (void)state;
    memset(text, 'a', sizeof text);
    text[72] = '\0';
    stored = hash(text);
    assert_true(matches(text, stored, NULL));
    text[72] = 'a';
    for (size_t length = 73; length <= 100; length += 9) {
        text[length] = '\0';
        assert_false(matches(text, stored, NULL));
        text[length] = 'a';
    }
}

/* An account whose stored hash is that of the empty password opens to nobody. */
static void test_empty_password_never_matches(void **state)
{
    (void)state;
    /* bcrypt of "", cost 10 */
    assert_false(matches("", "$2b$10$nOUIs5kJ7naTuTFkBy1veuCcQC2ooYOFB3/EpLDBRV/hBvXR0oKwK", NULL));
}

/* What an unknown name is compared with is of the configured kind and cost, so that it takes as
 * long as a true comparison. */
static void test_dummy_costs_as_much(void **state)
{
    static const char *const settings[] = {"$2b$10$", "$2b$11$"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        bare.config.password.cost = 10 + i;
        seen_setting[0] = '\0';
        assert_false(matches("password124", NULL, NULL));
        assert_memory_equal(seen_setting, settings[i], 7);
    }
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    seen_setting[0] = '\0';
    assert_false(matches("password124", NULL, NULL));
    assert_memory_equal(seen_setting, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_memory_equal(seen_setting, hash("password123"), 31);
}

/* Hashes of other systems: a failure is not quicker than a dummy, whatever the form costs. */
static void test_a_quick_hash_of_others_is_not_quicker(void **state)
{
    /* 1000 rounds of PBKDF2: a millisecond. */
    struct hash_job job = {.compare = true,
                           .other = true,
                           .usual_us = 200000,
                           .password = "password124",
                           .stored = "pbkdf2_sha256$1000$saltsalt$"
                                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    static struct crypt_data scratch;
    const int64_t start = clock_thread_cpu_us();

    (void)state;
    hash_job_run(&job, &scratch);
    assert_false(job.matches || job.failed);
    assert_true(clock_thread_cpu_us() - start >= 200000);
    /* The pool fills in what the configured hash takes here: bcrypt with 2^10 rounds, milliseconds.
     */
    job.usual_us = 0;
    (void)hash("password123");
    assert_int_equal(hash_pool_run(&bare.ctx, bare.app.hashes, &job), ERR_OK);
    assert_false(job.matches || job.failed);
    assert_true(job.usual_us > 2000);
}

static void test_every_allocation_may_fail(void **state)
{
    bool done = false;

    (void)state;
    bare.config.password.scheme = PASSWORD_ARGON2ID;
    for (int64_t n = 1; !done; n++) {
        const char *text;
        bool match, stale;
        enum err hashed, compared;

        arena_fail_after(n);
        hashed = password_hash(&bare.ctx, "password123", &text);
        compared = password_matches(&bare.ctx, "password123",
                                    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$"
                                    "RdescudvJCsgt3ub+b27dWRJJTmaaJObG",
                                    &match, &stale);
        done = arena_fail_after(0) > 0;
        assert_true(hashed == ERR_OK || hashed == ERR_MEMORY);
        assert_true(compared == ERR_OK || compared == ERR_MEMORY);
        assert_true(!done || (hashed == ERR_OK && compared == ERR_OK));
        assert_true(n < 30);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bcrypt),
        CASE(test_argon2id),
        CASE(test_hashes_made_elsewhere),
        CASE(test_stale_when_the_setting_changed),
        CASE(test_long_password_outlives_the_setting),
        CASE(test_length_in_bytes),
        CASE(test_length_in_characters),
        CASE(test_foreign_bytes),
        CASE(test_one_form_of_a_letter),
        CASE(test_every_outcome_costs_one_hash),
        CASE(test_what_bcrypt_would_ignore),
        CASE(test_empty_password_never_matches),
        CASE(test_dummy_costs_as_much),
        CASE(test_a_quick_hash_of_others_is_not_quicker),
        CASE(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
