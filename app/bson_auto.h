/*
 * Scoped cleanup and small builders for BSON: AUTO(bson_destroy) bson_t *filter = bson_new().
 * libbson aborts when out of memory and refuses only documents past 2 GiB, so appends are not
 * checked.
 */
#pragma once

#include <bson/bson.h>

#include "app/auto.h"
#include "app/uuid.h"

DEFINE_AUTO(bson_t, bson_destroy)

static inline void bson_put_uuid(bson_t *doc, const char *name, const struct uuid *id)
{
    (void)bson_append_binary(doc, name, -1, BSON_SUBTYPE_UUID, id->bytes, sizeof id->bytes);
}

static inline void bson_put_text(bson_t *doc, const char *name, const char *text)
{
    (void)bson_append_utf8(doc, name, -1, text, -1);
}

static inline void bson_put_bytes(bson_t *doc, const char *name, const void *bytes, size_t size)
{
    (void)bson_append_binary(doc, name, -1, BSON_SUBTYPE_BINARY, bytes, (uint32_t)size);
}

static inline void bson_put_int(bson_t *doc, const char *name, int64_t number)
{
    (void)bson_append_int64(doc, name, -1, number);
}

static inline void bson_put_time(bson_t *doc, const char *name, int64_t ms)
{
    (void)bson_append_date_time(doc, name, -1, ms);
}

static inline void bson_put_bool(bson_t *doc, const char *name, bool value)
{
    (void)bson_append_bool(doc, name, -1, value);
}
