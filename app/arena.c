/*
 * Blocks with a bump pointer, newest first. The head is the one in use and always of standard size:
 * what is larger than a quarter of that gets a block of its own behind the head. arena_reset keeps
 * the head.
 */
#include "app/arena.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(start, size)   ASAN_POISON_MEMORY_REGION((start), (size))
#define UNPOISON(start, size) ASAN_UNPOISON_MEMORY_REGION((start), (size))
#define GAP                   16 /* stays poisoned between two allocations */
#else
#define POISON(start, size)   ((void)(start), (void)(size))
#define UNPOISON(start, size) ((void)(start), (void)(size))
#define GAP                   0
#endif

#define ALIGNMENT        16
#define BLOCK_SIZE       ((size_t)16 * 1024)
#define SMALL_BLOCK_SIZE ((size_t)1024)

struct arena_block {
    struct arena_block *next; /* older */
    size_t size;
    size_t used;
    alignas(ALIGNMENT) unsigned char bytes[];
};

static _Atomic int64_t fail_countdown;

int64_t arena_fail_after(int64_t n)
{
    return atomic_exchange(&fail_countdown, n > 0 ? n : 0);
}

static bool fails_now(void)
{
    int64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    }
    return false;
}

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit < SIZE_MAX / 4 ? limit : SIZE_MAX / 4};
}

/* Cached snapshots are small arenas by the thousand: they must not hold 16 KiB each. */
static size_t standard_size(const struct arena *arena)
{
    size_t size = arena->limit / 64;

    if (size < SMALL_BLOCK_SIZE)
        return SMALL_BLOCK_SIZE;
    return size < BLOCK_SIZE ? size : BLOCK_SIZE;
}

static void block_wipe(struct arena_block *block)
{
    UNPOISON(block->bytes, block->size);
    explicit_bzero(block->bytes, block->used);
    block->used = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *head = arena->blocks;

    arena->used = 0;
    arena->ran_out = false;
    if (head == NULL)
        return;
    while (head->next != NULL) {
        struct arena_block *block = head->next;

        head->next = block->next;
        block_wipe(block);
        free(block);
    }
    block_wipe(head);
    POISON(head->bytes, head->size);
}

void arena_clear(struct arena *arena)
{
    arena_reset(arena);
    if (arena->blocks != NULL)
        UNPOISON(arena->blocks->bytes, arena->blocks->size);
    free(arena->blocks);
    arena->blocks = NULL;
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = malloc(sizeof *block + size);

    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->used = 0;
    POISON(block->bytes, size);
    return block;
}

/* A block with room for size bytes, or NULL. */
static struct arena_block *block_for(struct arena *arena, size_t size)
{
    size_t standard = standard_size(arena);
    struct arena_block *block = arena->blocks;

    if (block == NULL) {
        block = arena->blocks = block_new(standard);
        if (block == NULL)
            return NULL;
    }
    if (block->size - block->used >= size)
        return block;
    if (size > standard / 4) {
        struct arena_block *own = block_new(size);

        if (own != NULL) {
            own->next = block->next;
            block->next = own;
        }
        return own;
    }
    block = block_new(standard);
    if (block != NULL) {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

static void *run_out(struct arena *arena)
{
    arena->ran_out = true;
    return NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit || fails_now())
        return run_out(arena);

    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    if (rounded > arena->limit - arena->used)
        return run_out(arena);

    struct arena_block *block = block_for(arena, rounded + GAP);
    if (block == NULL)
        return run_out(arena);

    unsigned char *bytes = block->bytes + block->used;
    block->used += rounded + GAP;
    arena->used += rounded;
    UNPOISON(bytes, size);
    memset(bytes, 0, size);
    return bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(arena, total);
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_memdup(arena, text, strlen(text) + 1);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;

    char *copy = arena_alloc(arena, length + 1);
    if (copy != NULL && length > 0)
        memcpy(copy, text, length);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return NULL;

    char *text = arena_alloc(arena, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}
