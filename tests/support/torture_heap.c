/* Allocations that fail on demand: the linker sends those of our code here (--wrap). */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/torture.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

#define FRAMES 64

static _Atomic int64_t countdown;

int64_t torture_heap_fail_after(int64_t n)
{
    const int64_t before = atomic_exchange(&countdown, n);

    return before > 0 ? before : 0;
}

static bool is_within_libjwt(void)
{
    void *frames[FRAMES];
    const int count = backtrace(frames, FRAMES);

    for (int i = 0; i < count; i++) {
        Dl_info info;

        if (dladdr(frames[i], &info) != 0 && strstr(info.dli_fname, "libjwt") != NULL)
            return true;
    }
    return false;
}

static bool fails_now(void)
{
    if (atomic_load_explicit(&countdown, memory_order_relaxed) <= 0 ||
        atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    if (!is_within_libjwt())
        return true;
    atomic_store(&countdown, 1); /* the next one, then */
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}
