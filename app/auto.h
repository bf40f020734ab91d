/*
 * Scoped cleanup of handles. A variable declared AUTO(fn) is released by fn when it leaves scope;
 * NULL is left alone. Bytes never need this: they live in the request's arena (app/arena.h).
 */
#pragma once

#include <stddef.h>

#define AUTO(fn) __attribute__((cleanup(fn##_p)))
#define DEFINE_AUTO(type, fn)           \
    static inline void fn##_p(type **p) \
    {                                   \
        if (*p != NULL)                 \
            fn(*p);                     \
    }
