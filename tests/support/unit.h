/*
 * What most unit tests need: cmocka with its headers, a ctx on an arena of its own, and random
 * numbers that are the same in every run.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
/* cmocka's macro fail() hides our function (app/ctx.h), and its fail_msg() uses it. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include "app/ctx.h"

struct work {
    struct arena arena;
    struct ctx ctx;
};

static inline void work_begin(struct work *work)
{
    arena_init(&work->arena, (size_t)16 * 1024 * 1024);
    ctx_init(&work->ctx, NULL, &work->arena);
}

static inline void work_end(struct work *work)
{
    ctx_clear(&work->ctx);
    arena_clear(&work->arena);
}

/* For cmocka_unit_test_setup_teardown: *state is a struct work. */
static inline int work_setup(void **state)
{
    static struct work work;

    work_begin(&work);
    *state = &work;
    return 0;
}

static inline int work_teardown(void **state)
{
    work_end(*state);
    return 0;
}

/* A test with a struct work in *state. */
#define WORK_TEST(function) cmocka_unit_test_setup_teardown((function), work_setup, work_teardown)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* splitmix64 */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t random_below(uint64_t *seed, size_t bound)
{
    return (size_t)(random_next(seed) % bound);
}

/* So many code points of one to four bytes, never U+0000, as NUL-terminated UTF-8. out has room for
 * 4 * length + 1 bytes. */
static inline void random_text(uint64_t *seed, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++) {
        uint32_t c = (uint32_t)(random_next(seed) % 0x10ffff) + 1;
        unsigned kind = (unsigned)random_below(seed, 4);

        if (kind < 2)
            c = c % 0x7f + 1;
        else if (kind == 2)
            c = c % 0x7ff + 1;
        if (c >= 0xd800 && c <= 0xdfff)
            c = 0x2028 + (c & 1);
        if (c < 0x80) {
            *out++ = (char)c;
            continue;
        }
        if (c < 0x800) {
            *out++ = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            *out++ = (char)(0xe0 | c >> 12);
            *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        } else {
            *out++ = (char)(0xf0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 0x3f));
            *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        }
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    *out = '\0';
}
