/* BSON as JSON text, and what that text would measure. */
#include "app/document.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"

/* Ours are 5 deep; what other writers nested deeper ends in null instead of at the end of the
 * stack. */
#define JSON_OUT_MAX_DEPTH 32
#define DOUBLE_TEXT_SIZE   32

/* The shortest text that reads back as the same double and as nothing but a double. */
static void double_text(double number, char ret_text[DOUBLE_TEXT_SIZE])
{
    /* 15 digits are exact for all but the numbers near zero that have fewer bits. */
    for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(ret_text, DOUBLE_TEXT_SIZE - 2, "%.*g", digits, number);
        if (strtod(ret_text, NULL) == number)
            break;
    }
    if (strpbrk(ret_text, ".e") == NULL) {
        size_t length = strlen(ret_text);

        memcpy(ret_text + length, ".0", 3);
    }
}

static void put_double(double number, struct buf *out)
{
    char text[DOUBLE_TEXT_SIZE];

    if (!isfinite(number)) {
        buf_puts(out, "null");
        return;
    }
    double_text(number, text);
    buf_puts(out, text);
}

static void put_quoted(const char *text, struct buf *out)
{
    buf_json_string(out, text, strlen(text));
}

static void put_binary(const bson_iter_t *element, struct buf *out)
{
    bson_subtype_t subtype;
    const uint8_t *bytes;
    uint32_t size;
    char text[UUID_TEXT_SIZE];
    struct uuid id;

    bson_iter_binary(element, &subtype, &size, &bytes);
    if (subtype != BSON_SUBTYPE_UUID || size != sizeof id.bytes) {
        buf_puts(out, "null");
        return;
    }
    memcpy(id.bytes, bytes, sizeof id.bytes);
    uuid_text(&id, text);
    put_quoted(text, out);
}

/* Types of the database that no custom field can have; lists answered from BSON may. */
static void put_special(const bson_iter_t *element, struct buf *out)
{
    char text[BSON_DECIMAL128_STRING];
    bson_decimal128_t decimal;

    if (BSON_ITER_HOLDS_DATE_TIME(element)) {
        time_text(bson_iter_date_time(element), text);
        put_quoted(text, out);
    } else if (BSON_ITER_HOLDS_BINARY(element)) {
        put_binary(element, out);
    } else if (BSON_ITER_HOLDS_OID(element)) {
        bson_oid_to_string(bson_iter_oid(element), text);
        put_quoted(text, out);
    } else if (BSON_ITER_HOLDS_DECIMAL128(element) && bson_iter_decimal128(element, &decimal)) {
        bson_decimal128_to_string(&decimal, text);
        put_quoted(text, out);
    } else {
        buf_puts(out, "null");
    }
}

static void put_element(const bson_iter_t *element, unsigned depth, struct buf *out);

static void put_members(bson_iter_t *iter, bool named, unsigned depth, struct buf *out)
{
    bool first = true;

    buf_putc(out, named ? '{' : '[');
    while (bson_iter_next(iter)) {
        if (!first)
            buf_putc(out, ',');
        first = false;
        if (named) {
            put_quoted(bson_iter_key(iter), out);
            buf_putc(out, ':');
        }
        put_element(iter, depth + 1, out);
    }
    buf_putc(out, named ? '}' : ']');
}

static void put_nested(const bson_iter_t *element, unsigned depth, struct buf *out)
{
    bson_iter_t child;

    if (depth >= JSON_OUT_MAX_DEPTH || !bson_iter_recurse(element, &child)) {
        buf_puts(out, "null");
        return;
    }
    put_members(&child, BSON_ITER_HOLDS_DOCUMENT(element), depth, out);
}

static void put_element(const bson_iter_t *element, unsigned depth, struct buf *out)
{
    uint32_t length;
    const char *text;

    if (BSON_ITER_HOLDS_UTF8(element)) {
        text = bson_iter_utf8(element, &length);
        buf_json_string(out, text, length);
    } else if (BSON_ITER_HOLDS_INT(element)) {
        buf_int(out, bson_iter_as_int64(element));
    } else if (BSON_ITER_HOLDS_DOUBLE(element)) {
        put_double(bson_iter_double(element), out);
    } else if (BSON_ITER_HOLDS_BOOL(element)) {
        buf_puts(out, bson_iter_bool(element) ? "true" : "false");
    } else if (BSON_ITER_HOLDS_DOCUMENT(element) || BSON_ITER_HOLDS_ARRAY(element)) {
        put_nested(element, depth, out);
    } else {
        put_special(element, out);
    }
}

void document_element_to_json(const bson_iter_t *element, struct buf *out)
{
    put_element(element, 1, out);
}

void document_to_json(const struct bytes *document, struct buf *out)
{
    bson_t view;
    bson_iter_t iter;

    if (document->data == NULL || !bson_init_static(&view, document->data, document->size) ||
        !bson_iter_init(&iter, &view)) {
        buf_puts(out, "{}");
        return;
    }
    put_members(&iter, true, 1, out);
}

/* --- measuring --- */

/* Of a string in compact JSON with only the escapes that JSON demands. */
static size_t string_cost(const char *text, size_t length)
{
    size_t cost = length + 2;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v'))
            cost += 1;
        else if (c < 0x20)
            cost += 5;
    }
    return cost;
}

static size_t scalar_cost(const bson_iter_t *element)
{
    char text[DOUBLE_TEXT_SIZE];
    uint32_t length;
    const char *string;

    if (BSON_ITER_HOLDS_UTF8(element)) {
        string = bson_iter_utf8(element, &length);
        return string_cost(string, length);
    }
    if (BSON_ITER_HOLDS_INT(element))
        return (size_t)snprintf(NULL, 0, "%" PRId64, bson_iter_as_int64(element));
    if (BSON_ITER_HOLDS_DOUBLE(element)) {
        double_text(bson_iter_double(element), text);
        return strlen(text);
    }
    return BSON_ITER_HOLDS_BOOL(element) && !bson_iter_bool(element) ? 5 : 4;
}

static void measure(bson_iter_t *iter, bool named, unsigned depth, struct document_cost *cost)
{
    size_t count = 0;

    while (bson_iter_next(iter)) {
        bson_iter_t child;
        bool is_document = BSON_ITER_HOLDS_DOCUMENT(iter);

        count++;
        if (named)
            cost->bytes += string_cost(bson_iter_key(iter), bson_iter_key_len(iter)) + 1;
        if (!is_document && !BSON_ITER_HOLDS_ARRAY(iter))
            cost->bytes += scalar_cost(iter);
        else if (depth < JSON_OUT_MAX_DEPTH && bson_iter_recurse(iter, &child))
            measure(&child, is_document, depth + 1, cost);
    }
    cost->bytes += 2 + (count > 0 ? count - 1 : 0);
    cost->members += named ? count : 0;
}

void document_measure(const bson_t *document, struct document_cost *ret_cost)
{
    bson_iter_t iter;

    *ret_cost = (struct document_cost){0};
    if (bson_iter_init(&iter, document))
        measure(&iter, true, 1, ret_cost);
}
