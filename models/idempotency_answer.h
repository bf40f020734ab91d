/*
 * An answer as it is kept: status and ETag, type, location, a line each, then the body; sealed.
 * Between models only; any thread.
 */
#pragma once

#include "app/secret.h"
#include "models/idempotency.h"

/* id is the record's, which tenant, caller, route and key decide: sealed bytes cannot be moved. */
CHECKED enum err idempotency_answer_seal(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                                         const char *id, const struct idempotency_answer *answer,
                                         struct bytes *ret_sealed);
/* Strings live in ctx->arena. */
CHECKED enum err idempotency_answer_open(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                                         const char *id, const struct bytes *sealed,
                                         struct idempotency_answer *ret_answer);
