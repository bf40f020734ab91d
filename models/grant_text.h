/*
 * The text of refresh tokens and authorization codes: "<token_id>.<secret>". The secret is
 * base64url of version, purpose, MAC key id, tenant, user epoch, generation and an HMAC-SHA-256
 * over all of them and the token_id under a key that the tenant's MAC key gives for the purpose.
 * Nothing of it is stored; a forged one is refused without a database round trip.
 */
#pragma once

#include "app/ctx.h"
#include "app/keys.h"

#define GRANT_TEXT_VERSION 1

enum grant_purpose {
    GRANT_PURPOSE_UNSET = 0, /* made as a refresh token */
    GRANT_PURPOSE_REFRESH = 'r',
    GRANT_PURPOSE_CODE = 'c',
};

struct grant_claims {
    struct uuid grant_id;
    struct uuid tenant_id;
    enum grant_purpose purpose; /* proven with the rest: a code is no refresh token */
    uint32_t key_id;
    uint32_t user_epoch;
    uint32_t generation;
    uint8_t mac[SECRET_MAC_SIZE];
};

/* In ctx->arena. */
CHECKED enum err grant_text_make(struct ctx *ctx, const struct key_set *keys,
                                 const struct grant_claims *claims, const char **ret_text);
/* Form only; nothing is proven yet. ERR_BAD_REFRESH. */
CHECKED enum err grant_text_parse(const char *text, struct grant_claims *ret_claims);
/* The MAC, in constant time. ERR_BAD_REFRESH. */
CHECKED enum err grant_text_verify(const struct key_set *keys, const struct grant_claims *claims);
