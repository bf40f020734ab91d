/*
 * Encrypted values of custom fields (x-encrypt): XChaCha20-Poly1305 under a key of the tenant, with
 * tenant, user, path and number of the key authenticated, so that no ciphertext can be moved to
 * another user, field or tenant. In the database a binary of subtype 0x80: one byte 1, the number
 * of the key in four bytes, high one first, then the sealed bytes. ADR 21. Any thread.
 */
#pragma once

#include <bson/bson.h>

#include "app/ctx.h"
#include "app/schema.h"

struct custom_place {
    const struct uuid *user_id;
    const char *path; /* address.city */
};

/* Whether an element of a stored document is such a value. */
bool custom_is_sealed(const bson_iter_t *element);
/* plain: a BSON document with the value as its one member. */
CHECKED enum err custom_seal(struct ctx *ctx, const struct custom_place *place,
                             const struct bytes *plain, struct bytes *ret_sealed);
/* ERR_INTERNAL when it does not open. *ret_is_current: by the key that seals now. */
CHECKED enum err custom_open(struct ctx *ctx, const struct custom_place *place,
                             const bson_iter_t *sealed, struct bytes *ret_plain,
                             bool *ret_is_current);
/* One more key for the ctx's tenant, which seals from now on; the others go on opening. With its
 * audit row. ERR_CONFLICT when there are too many. *ret_number: its number. */
CHECKED enum err custom_key_rotate(struct ctx *ctx, uint32_t *ret_number);
