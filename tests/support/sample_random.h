/* Random values of struct sample. */
#pragma once

#include "app/bson_auto.h"
#include "support/sample.h"
#include "support/unit.h"

static inline char *random_word(struct work *work, uint64_t *seed)
{
    char *text = arena_alloc(&work->arena, 4 * 12 + 1);

    random_text(seed, random_below(seed, 12), text);
    return text;
}

static inline struct bytes random_bytes(struct work *work, uint64_t *seed)
{
    struct bytes bytes = {.size = random_below(seed, 40)};
    uint8_t *data = arena_alloc(&work->arena, bytes.size);

    for (size_t i = 0; i < bytes.size; i++)
        data[i] = (uint8_t)random_next(seed);
    bytes.data = data;
    return bytes;
}

static inline struct bytes random_document(struct work *work, uint64_t *seed)
{
    AUTO(bson_destroy) bson_t *document = bson_new();

    bson_append_int64(document, "n", -1, (int64_t)random_next(seed));
    bson_append_utf8(document, "t", -1, random_word(work, seed), -1);
    return (struct bytes){
        .data = arena_memdup(&work->arena, bson_get_data(document), document->len),
        .size = document->len,
    };
}

static inline struct strs random_strs(struct work *work, uint64_t *seed)
{
    struct strs strs = {.count = random_below(seed, 4)};

    strs.items = arena_array(&work->arena, strs.count, sizeof *strs.items);
    for (size_t i = 0; i < strs.count; i++)
        strs.items[i] = random_word(work, seed);
    return strs;
}

static inline struct list random_parts(struct work *work, uint64_t *seed)
{
    struct list list = {.count = random_below(seed, 4)};
    struct part *parts = arena_array(&work->arena, list.count, sizeof *parts);

    for (size_t i = 0; i < list.count; i++) {
        parts[i].label = random_word(work, seed);
        parts[i].count = (int64_t)random_next(seed);
    }
    list.items = parts;
    return list;
}

#define MAYBE(seed) (random_below((seed), 3) > 0)

static inline struct sample random_sample(struct work *work, uint64_t *seed)
{
    struct sample s = {.id = uuid_new(), .tenant_id = uuid_new(), .name = random_word(work, seed)};

    s.port = (int64_t)random_next(seed);
    s.active = MAYBE(seed);
    s.email = MAYBE(seed) ? random_word(work, seed) : NULL;
    s.nick = MAYBE(seed) ? random_word(work, seed) : NULL;
    s.hash = MAYBE(seed) ? random_word(work, seed) : NULL;
    s.canonical = MAYBE(seed) ? random_word(work, seed) : NULL;
    s.has_quota = MAYBE(seed);
    s.quota = s.has_quota ? (int64_t)random_next(seed) : 0;
    s.has_verified = MAYBE(seed);
    s.verified = s.has_verified && MAYBE(seed);
    s.color = (int)random_below(seed, 3);
    s.created_at = MAYBE(seed) ? (int64_t)random_next(seed) : 0;
    if (MAYBE(seed))
        s.mac = random_bytes(work, seed);
    if (MAYBE(seed))
        s.custom = random_document(work, seed);
    if (MAYBE(seed))
        s.tags = random_strs(work, seed);
    if (MAYBE(seed))
        s.parts = random_parts(work, seed);
    s.inner.has_ttl = MAYBE(seed);
    s.inner.ttl = s.inner.has_ttl ? (int64_t)random_below(seed, 1000) : 0;
    s.inner.note = MAYBE(seed) ? random_word(work, seed) : NULL;
    return s;
}
