/* What the makers and openers of keys share (keys_make.c, keys.c). Any thread. */
#pragma once

#include "app/keys.h"

#define DATA_KID         "data"
#define MAC_KID_PREFIX   "mac:"
#define FIELD_KID_PREFIX "field:"

#define PLACE_DATA_KEY    "data_keys:sealed"
#define PLACE_SIGNING_KEY "signing_keys:private_sealed"

/* Where sealed bytes belong: authenticated with them. */
CHECKED enum err keys_sealed_place(struct ctx *ctx, const struct uuid *tenant_id, const char *field,
                                   const struct uuid *id, const char **ret_place);
/* Of the tenant's stored keys (struct data_key) the one that seals the others, opened. */
CHECKED enum err keys_open_tenant_key(struct ctx *ctx, const struct list *stored,
                                      const uint8_t **ret_key);
