/*
 * Caches: nothing that was dropped comes back, nothing that is held goes away, nothing grows. The
 * loader here counts and can be held up, so that each race is played step by step.
 */
#include "app/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "app/clock.h"
#include "support/bare.h"
#include "support/patience.h"

/* ---- a loader that is watched ---- */

struct object {
    int64_t version;
    char key[16];
};

static _Atomic int64_t version, loads, frees;
static _Atomic bool hold_loads; /* a load waits while set, after it has read the version */
static _Atomic int64_t held;
static _Atomic enum err answer;

static void count_free(void *arg)
{
    (void)arg;
    atomic_fetch_add(&frees, 1);
}

static enum err load_object(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct object *object = ARENA_NEW(ctx->arena, struct object);

    if (object == NULL)
        return ERR_MEMORY;
    atomic_fetch_add(&loads, 1);
    TRY(snapshot_on_free(ctx, count_free, object));
    object->version = atomic_load(&version);
    memcpy(object->key, key, size < sizeof object->key ? size : sizeof object->key);
    atomic_fetch_add(&held, 1);
    while (atomic_load(&hold_loads))
        usleep(100);
    atomic_fetch_sub(&held, 1);
    *ret_data = object;
    if (atomic_load(&answer) != ERR_OK)
        return fail_internal(ctx, atomic_load(&answer), "asked to fail for %zu bytes", size);
    return ERR_OK;
}

static struct bare bare;
static struct cache *cache;

static int setup(void **state)
{
    (void)state;
    bare_init(&bare);
    atomic_store(&version, 1);
    atomic_store(&loads, 0);
    atomic_store(&frees, 0);
    atomic_store(&hold_loads, false);
    atomic_store(&answer, ERR_OK);
    cache = cache_new("test", 8, 3600000, load_object);
    return cache != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cache_free(cache);
    bare_clear(&bare);
    return 0;
}

static int64_t get(struct ctx *ctx, const char *key)
{
    const void *data = NULL;

    assert_int_equal(cache_get(cache, ctx, key, strlen(key), &data), ERR_OK);
    return ((const struct object *)data)->version;
}

/* ---- one thread ---- */

static void test_loads_once(void **state)
{
    struct cache_stats stats;

    (void)state;
    assert_int_equal(get(&bare.ctx, "a"), 1);
    atomic_store(&version, 2);
    assert_int_equal(get(&bare.ctx, "a"), 1);
    assert_int_equal(get(&bare.ctx, "b"), 2);
    assert_int_equal(atomic_load(&loads), 2);
    cache_stats(cache, &stats);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.misses, 2);
    assert_int_equal(stats.entries, 2);
    assert_string_equal(stats.name, "test");
}

/* TI-8: keys are bytes with a length; none is the beginning of another. */
static void test_keys_are_exact(void **state)
{
    const void *data;
    char longest[CACHE_KEY_MAX + 1];

    (void)state;
    assert_int_equal(get(&bare.ctx, "ab"), 1);
    atomic_store(&version, 2);
    assert_int_equal(get(&bare.ctx, "a"), 2);
    assert_int_equal(get(&bare.ctx, "abc"), 2);
    assert_int_equal(cache_get(cache, &bare.ctx, "ab\0", 3, &data), ERR_OK);
    assert_int_equal(((const struct object *)data)->version, 2);
    assert_int_equal(cache_get(cache, &bare.ctx, "", 0, &data), ERR_OK);
    memset(longest, 'x', sizeof longest);
    assert_int_equal(cache_get(cache, &bare.ctx, longest, CACHE_KEY_MAX, &data), ERR_OK);
    assert_int_equal(cache_get(cache, &bare.ctx, longest, sizeof longest, &data), ERR_NOT_FOUND);
}

static void test_drop_and_flush(void **state)
{
    (void)state;
    assert_int_equal(get(&bare.ctx, "a"), 1);
    assert_int_equal(get(&bare.ctx, "b"), 1);
    atomic_store(&version, 2);
    cache_drop(cache, "a", 1);
    assert_int_equal(get(&bare.ctx, "a"), 2);
    assert_int_equal(get(&bare.ctx, "b"), 1);
    atomic_store(&version, 3);
    cache_flush(cache);
    assert_int_equal(get(&bare.ctx, "a"), 3);
    assert_int_equal(get(&bare.ctx, "b"), 3);
}

/* What a ctx was given stays readable although the cache has let go of it (ASan watches). */
static void test_held_until_the_ctx_ends(void **state)
{
    const void *data = NULL;

    (void)state;
    assert_int_equal(cache_get(cache, &bare.ctx, "a", 1, &data), ERR_OK);
    cache_drop(cache, "a", 1);
    assert_int_equal(atomic_load(&frees), 0);
    assert_int_equal(((const struct object *)data)->version, 1);
    ctx_clear(&bare.ctx);
    assert_int_equal(atomic_load(&frees), 1);
}

static void test_one_hold_for_each_snapshot(void **state)
{
    (void)state;
    assert_int_equal(get(&bare.ctx, "a"), 1);

    const size_t used = bare.arena.used;

    for (int i = 0; i < 100; i++)
        assert_int_equal(get(&bare.ctx, "a"), 1);
    assert_int_equal(bare.arena.used, used);
    cache_flush(cache);
    ctx_clear(&bare.ctx);
    assert_int_equal(atomic_load(&frees), 1);
}

static void test_too_old_is_loaded_again(void **state)
{
    (void)state;
    cache_free(cache);
    cache = cache_new("test", 8, 30, load_object);

    const int64_t start = clock_monotonic_ms();

    assert_int_equal(get(&bare.ctx, "a"), 1);
    atomic_store(&version, 2);
    WAIT(get(&bare.ctx, "a") == 2, 100);
    assert_true(clock_monotonic_ms() - start >= 30);
}

/* What does not exist is asked for once a second, and appears when the watcher drops it. */
static void test_absence_is_remembered(void **state)
{
    const void *data;
    int64_t start = 0;

    (void)state;
    atomic_store(&answer, ERR_NOT_FOUND);
    /* Again when the machine stalled for that second. */
    do {
        cache_drop(cache, "a", 1);
        atomic_store(&loads, 0);
        atomic_store(&frees, 0);
        start = clock_monotonic_ms();
        for (int i = 0; i < 5; i++)
            assert_int_equal(cache_get(cache, &bare.ctx, "a", 1, &data), ERR_NOT_FOUND);
    } while (clock_monotonic_ms() - start >= 1000);
    assert_int_equal(atomic_load(&loads), 1);
    assert_int_equal(atomic_load(&frees), 1);
    atomic_store(&answer, ERR_OK);
    cache_drop(cache, "a", 1);
    assert_int_equal(get(&bare.ctx, "a"), 1);
}

static void test_failures_are_not_remembered(void **state)
{
    const void *data;

    (void)state;
    atomic_store(&answer, ERR_DB_UNAVAILABLE);
    assert_int_equal(cache_get(cache, &bare.ctx, "ab", 2, &data), ERR_DB_UNAVAILABLE);
    /* The sentence outlives the memory in which it was made. */
    assert_string_equal(bare.ctx.failure.internal, "asked to fail for 2 bytes");
    assert_int_equal(atomic_load(&frees), 1);
    atomic_store(&answer, ERR_OK);
    assert_int_equal(get(&bare.ctx, "ab"), 1);
    assert_int_equal(atomic_load(&loads), 2);
}

static void test_bounded_by_last_use(void **state)
{
    struct cache_stats stats;
    char key[24];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        get(&bare.ctx, key);
        get(&bare.ctx, "used");
        ctx_clear(&bare.ctx);
    }
    cache_stats(cache, &stats);
    assert_int_equal(stats.entries, 8);
    assert_int_equal(atomic_load(&loads), 1001);
    assert_int_equal(atomic_load(&frees), 1001 - 8);
}

/* Names made up by strangers must not push out what is there. */
static void test_absent_keys_do_not_push_out_others(void **state)
{
    struct cache_stats stats;
    const void *data;
    char key[24];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "real %d", i);
        get(&bare.ctx, key);
    }
    atomic_store(&answer, ERR_NOT_FOUND);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_int_equal(cache_get(cache, &bare.ctx, key, strlen(key), &data), ERR_NOT_FOUND);
    }
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "real %d", i);
        assert_int_equal(get(&bare.ctx, key), 1);
    }
    assert_int_equal(atomic_load(&loads), 1008);
    cache_stats(cache, &stats);
    assert_int_equal(stats.entries, 8 + 2);
}

/* A load must not see what the caller's transaction has not committed. */
static enum err load_checked(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    if (ctx->transaction != NULL || ctx->holds != NULL)
        return ERR_INTERNAL;
    return load_object(ctx, key, size, ret_data);
}

static void test_load_is_outside_of_transactions(void **state)
{
    const void *data;

    (void)state;
    cache_free(cache);
    cache = cache_new("test", 8, 3600000, load_checked);
    get(&bare.ctx, "held");
    bare.ctx.transaction = &bare;
    assert_int_equal(cache_get(cache, &bare.ctx, "a", 1, &data), ERR_OK);
    assert_ptr_equal(bare.ctx.transaction, &bare);
    bare.ctx.transaction = NULL;
}

static void test_every_allocation_may_fail(void **state)
{
    bool done = false;

    (void)state;
    for (int64_t n = 1; !done; n++) {
        const void *data;

        cache_flush(cache);
        arena_fail_after(n);

        const enum err code = cache_get(cache, &bare.ctx, "a", 1, &data);

        done = arena_fail_after(0) > 0;
        assert_true(code == (done ? ERR_OK : ERR_MEMORY));
        ctx_clear(&bare.ctx);
        assert_true(n < 50);
    }
    cache_flush(cache);
    assert_true(atomic_load(&frees) <= atomic_load(&loads));
}

/* ---- races ---- */

struct reader {
    struct arena arena;
    struct ctx ctx;
    int64_t seen;
    pthread_t thread;
};

static void *read_slowly(void *arg)
{
    struct reader *reader = arg;
    const void *data = NULL;

    if (cache_get(cache, &reader->ctx, "a", 1, &data) == ERR_OK)
        reader->seen = ((const struct object *)data)->version;
    return NULL;
}

static void reader_start(struct reader *reader)
{
    *reader = (struct reader){.seen = -1};
    arena_init(&reader->arena, (size_t)1024 * 1024);
    ctx_init(&reader->ctx, &bare.app, &reader->arena);
    atomic_store(&hold_loads, true);
    assert_int_equal(pthread_create(&reader->thread, NULL, read_slowly, reader), 0);
    while (atomic_load(&held) == 0)
        usleep(100);
}

static void reader_finish(struct reader *reader)
{
    atomic_store(&hold_loads, false);
    pthread_join(reader->thread, NULL);
    ctx_clear(&reader->ctx);
    arena_clear(&reader->arena);
}

/* A reader has read the old version; it changes and is dropped; only then does the reader finish.
 */
static void resurrect(void (*drop)(void))
{
    struct reader reader;

    reader_start(&reader);
    atomic_store(&version, 2);
    drop();
    reader_finish(&reader);
    assert_int_equal(reader.seen, 1);
    assert_int_equal(get(&bare.ctx, "a"), 2);
}

static void drop_a(void)
{
    cache_drop(cache, "a", 1);
}

static void flush_all(void)
{
    cache_flush(cache);
}

static void test_a_slow_reader_does_not_resurrect(void **state)
{
    (void)state;
    resurrect(drop_a);
}

static void test_nor_after_a_flush(void **state)
{
    (void)state;
    resurrect(flush_all);
}

/* No lock is held while loading: another key is served meanwhile. */
static void test_a_slow_load_blocks_nobody(void **state)
{
    struct reader reader;

    (void)state;
    get(&bare.ctx, "b");
    reader_start(&reader);
    assert_int_equal(get(&bare.ctx, "b"), 1);
    cache_drop(cache, "c", 1);
    reader_finish(&reader);
}

static _Atomic bool done;
static _Atomic int64_t wrong;

/* After a drop that follows a change, no reader that starts later may see less. */
static void *race_reader(void *arg)
{
    struct arena arena;
    struct ctx ctx;

    (void)arg;
    arena_init(&arena, (size_t)1024 * 1024);
    for (unsigned i = 0; !atomic_load(&done); i++) {
        const char key[] = {(char)('a' + i % 12), '\0'};
        const int64_t least = atomic_load(&held); /* the version whose drop has ended */
        const void *data = NULL;

        ctx_init(&ctx, &bare.app, &arena);
        if (cache_get(cache, &ctx, key, 1, &data) != ERR_OK ||
            ((const struct object *)data)->version < least ||
            ((const struct object *)data)->key[0] != key[0])
            atomic_fetch_add(&wrong, 1);
        ctx_clear(&ctx);
        arena_reset(&arena);
    }
    arena_clear(&arena);
    return NULL;
}

static enum err load_version(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct object *object = ARENA_NEW(ctx->arena, struct object);

    if (object == NULL)
        return ERR_MEMORY;
    atomic_fetch_add(&loads, 1);
    TRY(snapshot_on_free(ctx, count_free, object));
    object->version = atomic_load(&version);
    memcpy(object->key, key, size);
    *ret_data = object;
    return ERR_OK;
}

static void test_many_readers_and_drops(void **state)
{
    pthread_t readers[4];

    (void)state;
    cache_free(cache);
    cache = cache_new("test", 8, 3600000, load_version);
    atomic_store(&done, false);
    atomic_store(&wrong, 0);
    atomic_store(&held, 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, race_reader, NULL), 0);
    for (int64_t i = 2; i < 3000; i++) {
        atomic_store(&version, i);
        if (i % 50 == 0)
            cache_flush(cache);
        else
            for (char key = 'a'; key < 'a' + 12; key++)
                cache_drop(cache, &key, 1);
        atomic_store(&held, i);
    }
    atomic_store(&done, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join(readers[i], NULL);
    atomic_store(&held, 0);
    assert_int_equal(atomic_load(&wrong), 0);
    cache_flush(cache);
    assert_int_equal(atomic_load(&frees), atomic_load(&loads));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_loads_once),
        CASE(test_keys_are_exact),
        CASE(test_drop_and_flush),
        CASE(test_held_until_the_ctx_ends),
        CASE(test_one_hold_for_each_snapshot),
        CASE(test_too_old_is_loaded_again),
        CASE(test_absence_is_remembered),
        CASE(test_failures_are_not_remembered),
        CASE(test_bounded_by_last_use),
        CASE(test_absent_keys_do_not_push_out_others),
        CASE(test_load_is_outside_of_transactions),
        CASE(test_every_allocation_may_fail),
        CASE(test_a_slow_reader_does_not_resurrect),
        CASE(test_nor_after_a_flush),
        CASE(test_a_slow_load_blocks_nobody),
        CASE(test_many_readers_and_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
