/*
 * When access keys were last used: one small document a key, apart from the key itself, whose
 * cached copy must not change. Written at most once a minute for each key, whatever its traffic and
 * however many instances serve it. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "models/access_key.h"

#define ACCESS_KEY_USE_DAYS 400

struct access_key_use {
    struct uuid key_id;
    struct uuid tenant_id;
    int64_t used_at;
};

extern const struct schema access_key_use_schema;

/* A key of the ctx's tenant has just proven itself. Never fails: the request matters more. */
void access_key_use_note(struct ctx *ctx, const struct uuid *key_id);
/* Fills last_used_at of keys of the ctx's tenant. */
CHECKED enum err access_key_use_fill(struct ctx *ctx, const struct list *keys);
