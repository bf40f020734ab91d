/*
 * The least that a ctx needs: an app of zeroes with a configuration, and an arena. For tests of
 * what needs no database. One at a time in each test.
 */
#pragma once

#include "app/app.h"
#include "app/ctx.h"

struct bare {
    struct app app;
    struct config config;
    struct arena arena;
    struct ctx ctx;
};

void bare_init(struct bare *bare);
void bare_clear(struct bare *bare);
