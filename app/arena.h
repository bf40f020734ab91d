/*
 * Memory with the lifetime of one request. Allocations are never freed one by one; arena_reset
 * wipes and releases all of them, because bodies carry passwords. Every arena has a hard limit:
 * past it, and when memory is out, allocations return NULL (callers answer ERR_MEMORY). Under ASan
 * unused space is poisoned. One thread at a time.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out since the last reset */
    size_t limit;
    bool ran_out; /* something was refused since the last reset: what looks absent may be there */
};

void arena_init(struct arena *arena, size_t limit);
/* Wipes everything; keeps one block (16 KiB, less for small limits) for the next request. */
void arena_reset(struct arena *arena);
/* Wipes and returns all memory to the system. */
void arena_clear(struct arena *arena);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size);
void *arena_memdup(struct arena *arena, const void *bytes, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);

/* For tests: the n-th allocation from now on, in any thread, returns NULL, once; 0 switches it off.
 * Returns how many allocations the last setting was still waiting for, 0 when it has struck. */
int64_t arena_fail_after(int64_t n);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
