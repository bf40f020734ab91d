/*
 * Access keys of tenants: ak_<id hex>_<tenant, random, checksum in base64url>; stored is only the
 * SHA-256. Here they are made and proven; access_key_admin.h lists, rotates and ends them.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

struct access_key {
    struct uuid id;
    struct uuid tenant_id;
    struct bytes hash;
    const char *label;
    struct strs scopes;
    int64_t created_at;
    int64_t expires_at;       /* 0 = none */
    int64_t ends_at;          /* of one that was replaced, after its overlap; 0 = it was not */
    int64_t revoked_at;       /* 0 = not; whatever it is, the key has ended */
    struct uuid successor_id; /* of one that was replaced */
    int64_t purge_at;         /* TTL, once it has ended */
    int64_t last_used_at;     /* 0 = unknown; not stored here (access_key_use.h) */
};

extern const struct schema access_key_schema;

/* A new key with the text that is shown once. */
struct made_key {
    struct access_key key;
    const char *text;
};

/* All that a key may have, and what the key of /api/v1/clients/register has. */
#define ACCESS_KEY_SCOPES     "auth users:read users:write users:hashes schema audit:read"
#define ACCESS_KEY_ALL_SCOPES "auth users:read users:write schema audit:read"
#define ACCESS_KEY_MAX_SCOPES 6

struct new_access_key {
    const char *label;
    const char *scopes; /* with blanks between */
    int64_t expires_at; /* 0 = never */
    struct uuid id;     /* zero: a new one */
};

/* Makes id, secret text and hash; insert with access_key_insert (in the creating transaction). */
CHECKED enum err access_key_make(struct ctx *ctx, const struct uuid *tenant_id,
                                 const struct new_access_key *wanted, struct made_key *ret_made);
CHECKED enum err access_key_insert(struct ctx *ctx, const struct access_key *key);
/* ERR_BAD_KEY. Through app->access_keys; the caller compares tenants. */
CHECKED enum err access_key_verify(struct ctx *ctx, const char *text,
                                   const struct access_key **ret_key);
/* For work that goes on behind the request: whether the key of the ctx's tenant still stands.
 * ERR_BAD_KEY when it has ended. */
CHECKED enum err access_key_check(struct ctx *ctx, const struct uuid *id);
/* Drops this instance's snapshot of a key of the ctx's tenant; others learn by the stream. */
void access_key_forget(struct ctx *ctx, const struct uuid *id);
/* By the clock of this instance. */
bool access_key_is_live(const struct access_key *key);
enum err access_key_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
