/*
 * What is wrong with a configuration, collected so that one run tells everything at once. Each
 * problem is one sentence with its line. Texts live in the arena given. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/arena.h"

#define PROBLEMS_MAX 50

struct problems {
    struct arena *arena;
    size_t count; /* also of those that were no longer stored */
    struct problem {
        unsigned line; /* 0 = of no line */
        const char *text;
    } items[PROBLEMS_MAX];
};

void problem_add(struct problems *problems, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "path:12: text" per problem, in the order of the lines. malloc'd; NULL when out of memory. */
char *problems_text(const struct problems *problems, const char *path);
