/*
 * Access keys of tenants: ak_<id hex>_<tenant, random, checksum in base64url>; stored is only the
 * SHA-256. Scopes: auth users:read users:write users:hashes schema audit:read.
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
    int64_t expires_at; /* 0 = none */
    int64_t revoked_at; /* 0 = live */
};

extern const struct schema access_key_schema;

/* A new key with the text that is shown once. */
struct made_key {
    struct access_key key;
    const char *text;
};

#define ACCESS_KEY_ALL_SCOPES "auth users:read users:write schema audit:read"

/* Makes id, secret text and hash; insert with access_key_insert (in the creating transaction). */
CHECKED enum err access_key_make(struct ctx *ctx, const struct uuid *tenant_id, const char *label,
                                 const char *scopes, struct made_key *ret_made);
CHECKED enum err access_key_insert(struct ctx *ctx, const struct access_key *key);
/* ERR_BAD_KEY. Through app->access_keys; the caller compares tenants. */
CHECKED enum err access_key_verify(struct ctx *ctx, const char *text,
                                   const struct access_key **ret_key);
/* A live key of the ctx's tenant by its id. ERR_BAD_KEY. */
CHECKED enum err access_key_find(struct ctx *ctx, const struct uuid *id,
                                 const struct access_key **ret_key);
/* Replaces key by a new one with the same label and scopes; the old one ends at once. */
CHECKED enum err access_key_rotate(struct ctx *ctx, const struct access_key *old_key,
                                   struct made_key *ret_made);
enum err access_key_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
