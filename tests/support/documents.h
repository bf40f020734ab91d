/* Custom fields for tests: from JSON and back, at their limits, and random ones. */
#pragma once

#include <stdio.h>

#include "app/document.h"
#include "app/json.h"
#include "support/unit.h"

/* The member "d" of a JSON object. */
static inline const struct value *document_parse(struct work *work, const char *text)
{
    struct value *value = arena_alloc(&work->arena, sizeof *value);
    char *whole = arena_printf(&work->arena, "{\"d\":%s}", text);

    assert_int_equal(json_parse(&work->ctx, whole, strlen(whole), value), ERR_OK);
    return value_get(value, "d");
}

static inline const char *document_text(struct work *work, const struct bytes *document)
{
    struct buf out;

    buf_init(&out, &work->arena, 1000000);
    document_to_json(document, &out);
    assert_non_null(buf_text(&out));
    return buf_text(&out);
}

static inline struct bytes document_make(struct work *work, const char *text)
{
    struct bytes document = {0};

    fail_clear(&work->ctx);
    enum err err =
        document_from_value(&work->ctx, "custom_fields", document_parse(work, text), &document);
    if (err != ERR_OK)
        fail_msg("%s: %s", text, work->ctx.failure.detail);
    return document;
}

static inline const char *document_of_members(struct work *work, size_t count)
{
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    buf_puts(&out, "{\"o\":{");
    for (size_t i = 1; i < count; i++)
        buf_printf(&out, "%s\"m%zu\":1", i > 1 ? "," : "", i);
    buf_puts(&out, "}}");
    return buf_text(&out);
}

static inline const char *document_of_size(struct work *work, size_t size)
{
    char *text = arena_alloc(&work->arena, size + 1);

    memset(text, 'x', size);
    memcpy(text, "{\"t\":\"", 6);
    memcpy(text + size - 2, "\"}", 3);
    return text;
}

/* --- random documents --- */

static inline void put_random(uint64_t *seed, unsigned depth, struct buf *out);

static inline void put_random_text(uint64_t *seed, struct buf *out)
{
    char text[4 * 12 + 1];

    random_text(seed, random_below(seed, 12), text);
    buf_json_string(out, text, strlen(text));
}

static inline void put_random_members(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t count = random_below(seed, 5);

    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s\"%c%zu\":", i > 0 ? "," : "", (char)('a' + random_below(seed, 26)), i);
        put_random(seed, depth + 1, out);
    }
    buf_putc(out, '}');
}

static inline void put_random_items(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t count = random_below(seed, 4);

    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_random(seed, depth + 1, out);
    }
    buf_putc(out, ']');
}

static inline void put_random_double(uint64_t *seed, struct buf *out)
{
    uint64_t bits = random_next(seed);
    double number;
    char text[40];

    memcpy(&number, &bits, sizeof number);
    if (!(number > -1e300 && number < 1e300))
        number = 0.1;
    snprintf(text, sizeof text, "%.17g", number);
    buf_puts(out, text);
    if (strpbrk(text, ".e") == NULL)
        buf_puts(out, ".0");
}

static inline void put_random(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t kind = random_below(seed, depth < 5 ? 8 : 5);

    if (kind == 0)
        buf_puts(out, "null");
    else if (kind == 1)
        buf_puts(out, random_below(seed, 2) == 0 ? "true" : "false");
    else if (kind == 2)
        buf_int(out, (int64_t)random_next(seed) >> random_below(seed, 64));
    else if (kind == 3)
        put_random_double(seed, out);
    else if (kind == 4)
        put_random_text(seed, out);
    else if (kind == 5)
        put_random_items(seed, depth, out);
    else
        put_random_members(seed, depth, out);
}

static inline bool document_same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == VALUE_BOOL)
        return a->boolean == b->boolean;
    if (a->type == VALUE_INT)
        return a->integer == b->integer;
    if (a->type == VALUE_REAL)
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    if (a->type == VALUE_STRING)
        return a->string.length == b->string.length &&
               memcmp(a->string.text, b->string.text, a->string.length) == 0;
    if (a->type == VALUE_ARRAY) {
        if (a->array.count != b->array.count)
            return false;
        for (size_t i = 0; i < a->array.count; i++) {
            if (!document_same(&a->array.items[i], &b->array.items[i]))
                return false;
        }
    }
    if (a->type == VALUE_OBJECT) {
        if (a->object.count != b->object.count)
            return false;
        for (size_t i = 0; i < a->object.count; i++) {
            if (strcmp(a->object.members[i].name, b->object.members[i].name) != 0 ||
                !document_same(&a->object.members[i].value, &b->object.members[i].value))
                return false;
        }
    }
    return true;
}

static inline const char *document_random(struct work *work, uint64_t *seed)
{
    struct buf out;

    buf_init(&out, &work->arena, 1000000);
    put_random_members(seed, 1, &out);
    return buf_text(&out);
}
