/* Verified tokens: found by their digest until they expire, bounded, safe under threads. */
#include "app/token_cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "app/clock.h"
#include "app/secret.h"

#include <cmocka.h> /* last: it has a macro named fail */

static void digest_of(uint64_t number, uint8_t ret_digest[SHA256_SIZE])
{
    secret_sha256(&number, sizeof number, ret_digest);
}

static struct token_claims claims_of(int64_t number, int64_t lives)
{
    return (struct token_claims){
        .expires_at = clock_now_ms() / 1000 + lives,
        .user_epoch = number,
        .scope = "read",
    };
}

static void test_found_again(void **state)
{
    struct token_cache *cache = token_cache_new(64);
    struct token_claims claims = claims_of(7, 3600), found;
    uint8_t digest[SHA256_SIZE], other[SHA256_SIZE];

    (void)state;
    digest_of(1, digest);
    assert_false(token_cache_find(cache, digest, &found));
    token_cache_add(cache, digest, &claims, token_cache_age(cache));
    assert_true(token_cache_find(cache, digest, &found));
    assert_int_equal(found.user_epoch, 7);
    assert_string_equal(found.scope, "read");
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        memcpy(other, digest, sizeof other);
        other[i] ^= 1;
        assert_false(token_cache_find(cache, other, &found));
    }
    claims.user_epoch = 8;
    token_cache_add(cache, digest, &claims, token_cache_age(cache));
    assert_true(token_cache_find(cache, digest, &found));
    assert_int_equal(found.user_epoch, 8);
    token_cache_flush(cache);
    assert_false(token_cache_find(cache, digest, &found));
    token_cache_free(cache);
}

/* TS-2: an entry ends with the second in which its token does. */
static void test_ends_with_the_token(void **state)
{
    struct token_cache *cache = token_cache_new(64);
    struct token_claims claims = claims_of(1, 0), found;
    uint8_t digest[SHA256_SIZE];

    (void)state;
    digest_of(1, digest);
    token_cache_add(cache, digest, &claims, token_cache_age(cache));
    assert_false(token_cache_find(cache, digest, &found));
    token_cache_free(cache);
}

static void test_bounded(void **state)
{
    struct token_cache *cache = token_cache_new(256);
    struct token_claims found;
    uint8_t digest[SHA256_SIZE];
    unsigned kept = 0;

    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        const struct token_claims claims = claims_of((int64_t)i, 3600);

        digest_of(i, digest);
        token_cache_add(cache, digest, &claims, token_cache_age(cache));
        assert_true(token_cache_find(cache, digest, &found));
    }
    for (uint64_t i = 0; i < 10000; i++) {
        digest_of(i, digest);
        if (!token_cache_find(cache, digest, &found))
            continue;
        assert_int_equal(found.user_epoch, i);
        kept++;
    }
    assert_true(kept > 200 && kept <= 256);
    token_cache_free(cache);
}

/* What ends first gives way first. */
static void test_full_set_gives_up_the_oldest(void **state)
{
    struct token_cache *cache = token_cache_new(64);
    struct token_claims lasting = claims_of(1, 100000), brief = claims_of(2, 10), found;
    uint8_t mine[SHA256_SIZE], other[SHA256_SIZE];

    (void)state;
    digest_of(1, mine);
    token_cache_add(cache, mine, &lasting, token_cache_age(cache));
    for (uint64_t i = 2; i < 5000; i++) {
        digest_of(i, other);
        token_cache_add(cache, other, &brief, token_cache_age(cache));
    }
    assert_true(token_cache_find(cache, mine, &found));
    token_cache_free(cache);
}

struct race {
    struct token_cache *cache;
    bool mixed;
};

/* An entry is seen whole or not at all. */
static void *add_and_find(void *arg)
{
    struct race *race = arg;

    for (int i = 0; i < 20000; i++) {
        const uint64_t number = (uint64_t)i % 97;
        struct token_claims claims = claims_of((int64_t)number, 3600), found;
        uint8_t digest[SHA256_SIZE];

        digest_of(number, digest);
        claims.client_epoch = claims.tenant_epoch = claims.user_epoch;
        token_cache_add(race->cache, digest, &claims, token_cache_age(race->cache));
        if (token_cache_find(race->cache, digest, &found) &&
            (found.user_epoch != (int64_t)number || found.client_epoch != (int64_t)number ||
             found.tenant_epoch != (int64_t)number))
            race->mixed = true;
        if (i % 1000 == 0)
            token_cache_flush(race->cache);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct race races[4];
    pthread_t threads[4];
    struct token_cache *cache = token_cache_new(64);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        races[i] = (struct race){.cache = cache};
        assert_int_equal(pthread_create(&threads[i], NULL, add_and_find, &races[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(races[i].mixed);
    }
    token_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_again),  cmocka_unit_test(test_ends_with_the_token),
        cmocka_unit_test(test_bounded),      cmocka_unit_test(test_full_set_gives_up_the_oldest),
        cmocka_unit_test(test_many_threads),
    };

    if (!secret_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
