/*
 * Keys of the platform's administrators: pk_<id hex>_<secret in base64url>; stored is only the
 * SHA-256. They are read from the database at every use, so a revoked one has ended everywhere at
 * once. They belong to no tenant and open no tenant's routes. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

struct tenant;

struct platform_key {
    struct uuid id;
    struct bytes hash;
    const char *label;
    bool first, has_first; /* the one that the installation began with; there is one at most */
    int64_t created_at;
    int64_t expires_at;   /* 0 = none */
    int64_t revoked_at;   /* 0 = live */
    int64_t last_used_at; /* to the minute; 0 = never */
};

extern const struct schema platform_key_schema;

/* Whose audit rows tell of what concerns no tenant. No tenant has this id, and nobody signs in. */
extern const struct tenant platform_tenant;

#define PLATFORM_KEY_PREFIX "pk_"
/* With its NUL. */
#define PLATFORM_KEY_SIZE   80

struct made_platform_key {
    struct platform_key key;
    const char *text; /* shown once */
};

/* The form alone. */
bool platform_key_is_text(const char *text);

CHECKED enum err platform_key_create(struct ctx *ctx, const char *label, int64_t expires_at,
                                     struct made_platform_key *ret_made);
/* ERR_BAD_PLATFORM_KEY. Notes the use. */
CHECKED enum err platform_key_verify(struct ctx *ctx, const char *text,
                                     struct platform_key *ret_key);
/* Newest first, ended ones too. list of struct platform_key. */
CHECKED enum err platform_key_list(struct ctx *ctx, int64_t limit, struct list *ret_keys);
/* A new key with the same label and length of life; the old one ends after overlap_seconds.
 * ERR_NOT_FOUND unless the old one is live. */
CHECKED enum err platform_key_rotate(struct ctx *ctx, const struct uuid *id,
                                     int64_t overlap_seconds, struct made_platform_key *ret_made);
/* ERR_NOT_FOUND unless live; ERR_LAST_KEY for the last live one. */
CHECKED enum err platform_key_revoke(struct ctx *ctx, const struct uuid *id);

/* At the start of a server: the key that the configuration names, or, when there is none and there
 * never was, a new one whose text goes to platform_key_file. Of several instances that start at
 * once one makes it. */
CHECKED enum err platform_key_begin(struct ctx *ctx);

/* Between platform_key*.c only. */
CHECKED enum err platform_key_make(struct ctx *ctx, const char *label, int64_t expires_at,
                                   struct made_platform_key *ret_made);
CHECKED enum err platform_key_parse(struct ctx *ctx, const char *text,
                                    struct platform_key *ret_key); /* id and hash */
CHECKED enum err platform_key_insert(struct ctx *ctx, const struct platform_key *key);
