/* Arenas: what a request's memory promises (design §4: capped, poisoned under ASan, wiped at the
 * end). */
#include "app/arena.h"

#include <stdbool.h>

#include "support/unit.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(at)    (__asan_address_is_poisoned(at) != 0)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define IS_POISONED(at)    ((void)(at), true)
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define MIB ((size_t)1024 * 1024)

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void test_memory_is_zeroed_and_aligned(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, MIB);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 200; size += 7) {
            unsigned char *bytes = arena_alloc(&arena, size);

            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % 16, 0);
            assert_true(is_zero(bytes, size));
            memset(bytes, 0xaa, size);
        }
        arena_reset(&arena);
    }
    arena_clear(&arena);
}

static void test_blocks_do_not_overlap(void **state)
{
    struct arena arena;
    unsigned char *blocks[600];
    (void)state;

    arena_init(&arena, 16 * MIB);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = arena_alloc(&arena, 1 + i * 37 % 9000);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i & 0xff), 1 + i * 37 % 9000);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        for (size_t at = 0; at < 1 + i * 37 % 9000; at++)
            assert_int_equal(blocks[i][at], i & 0xff);
    }
    arena_clear(&arena);
}

static void test_limit_is_hard(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, 4096);
    assert_null(arena_alloc(&arena, 4097));
    assert_non_null(arena_alloc(&arena, 4096));
    assert_int_equal(arena.used, 4096);
    assert_null(arena_alloc(&arena, 1));
    assert_null(arena_alloc(&arena, 0));
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    for (int i = 0; i < 256; i++)
        assert_non_null(arena_alloc(&arena, 16));
    assert_null(arena_alloc(&arena, 1));
    arena_clear(&arena);
    arena_clear(&arena);
}

static void test_sizes_cannot_overflow(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(arena_array(&arena, SIZE_MAX / 4, 8));
    assert_null(arena_strndup(&arena, "x", SIZE_MAX));
    assert_non_null(arena_array(&arena, 0, 8));
    arena_clear(&arena);
}

/* MS-3 and design §4: bodies carry passwords. */
static void test_reset_wipes_and_keeps_a_block(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, 4 * MIB);
    unsigned char *first = arena_alloc(&arena, 64);
    memset(first, 'p', 64);
    for (int i = 0; i < 50; i++)
        memset(arena_alloc(&arena, 30000), 'q', 30000);
    arena_reset(&arena);
    assert_true(IS_POISONED(first));
    UNPOISON(first, 64);
    assert_true(is_zero(first, 64));
    assert_ptr_equal(arena_alloc(&arena, 64), first);
    arena_clear(&arena);
}

/* A large one does not take the block in use out of use. */
static void test_large_first_allocation(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, 4 * MIB);
    memset(arena_alloc(&arena, MIB), 1, MIB);
    void *small = arena_alloc(&arena, 32);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 32), small);
    arena_clear(&arena);
}

static void test_unused_space_is_poisoned(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, MIB);
    char *text = arena_alloc(&arena, 5);
    char *next = arena_alloc(&arena, 5);
    assert_true(IS_POISONED(text + 5));
    assert_true(IS_POISONED(next + 5));
    assert_true(IS_POISONED(next - 1));
    arena_clear(&arena);
}

static void test_copies(void **state)
{
    struct arena arena;
    const char bytes[] = {1, 0, 2};
    (void)state;

    arena_init(&arena, MIB);
    assert_memory_equal(arena_memdup(&arena, bytes, 3), bytes, 3);
    assert_non_null(arena_memdup(&arena, NULL, 0));
    assert_string_equal(arena_strdup(&arena, ""), "");
    assert_string_equal(arena_strdup(&arena, "tenant"), "tenant");
    assert_string_equal(arena_strndup(&arena, "tenant", 3), "ten");
    assert_string_equal(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
    assert_string_equal(arena_printf(&arena, "%5000d", 1) + 4999, "1");
    arena_clear(&arena);
}

static void test_nth_allocation_fails(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, MIB);
    arena_fail_after(3);
    assert_non_null(arena_alloc(&arena, 8));
    assert_non_null(arena_strdup(&arena, "x"));
    assert_null(arena_printf(&arena, "%d", 1));
    assert_non_null(arena_alloc(&arena, 8));
    assert_int_equal(arena_fail_after(5), 0);
    assert_non_null(arena_alloc(&arena, 8));
    assert_int_equal(arena_fail_after(0), 4);
    assert_non_null(arena_alloc(&arena, 8));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_and_aligned),
        cmocka_unit_test(test_blocks_do_not_overlap),
        cmocka_unit_test(test_limit_is_hard),
        cmocka_unit_test(test_sizes_cannot_overflow),
        cmocka_unit_test(test_reset_wipes_and_keeps_a_block),
        cmocka_unit_test(test_large_first_allocation),
        cmocka_unit_test(test_unused_space_is_poisoned),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_nth_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
