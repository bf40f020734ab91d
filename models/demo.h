/*
 * The tenants of the development start, one owner each with a password that everybody knows: made
 * by `tenantd seed demo`, shown on the front page in development. Constant data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/ctx.h"

#define DEMO_USERNAME "demo"

struct demo_tenant {
    const char *slug;
    const char *name;
};

extern const struct demo_tenant demo_tenants[];
extern const size_t demo_tenant_count;

bool demo_has(const char *slug);
/* The owner's password, NULL when the slug is none of them. In the ctx's arena. */
CHECKED enum err demo_password(struct ctx *ctx, const char *slug, const char **ret_password);
