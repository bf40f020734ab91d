/*
 * Free-form objects (custom_fields): a bounded, lossless way between JSON and BSON. Limits of
 * api.md §10: 16 KiB of compact JSON text, depth 5 (the object itself is 1), 200 members in all;
 * names are not empty, do not begin with "$", hold no "." or NUL and are not "__proto__",
 * "constructor" or "prototype". Integers are int64 (a number like 1.0 stays a double), no BSON type
 * beyond object, array, string, int64, double, bool, null can be stored, so extended JSON is
 * refused by its "$". Any thread.
 */
#pragma once

#include "app/buf.h"
#include "app/schema.h"

#define DOCUMENT_MAX_BYTES   ((size_t)16 * 1024)
#define DOCUMENT_MAX_DEPTH   5
#define DOCUMENT_MAX_MEMBERS 200

/* Errors: ERR_CUSTOM_FIELDS with the JSON pointer below field ("/custom_fields/a/b"). */
CHECKED enum err document_from_value(struct ctx *ctx, const char *field, const struct value *value,
                                     struct bytes *ret_document);
/* RFC 7396 merge of an object patch into a stored document (empty bytes = {}), limits re-checked.
 */
CHECKED enum err document_merge(struct ctx *ctx, const char *field, const struct bytes *document,
                                const struct value *patch, struct bytes *ret_document);
/* The limits of the whole, of a document that was put together otherwise. */
CHECKED enum err document_check(struct ctx *ctx, const char *field, const struct bytes *document);
/* The JSON object, members in stored order, integers and Unicode unchanged. Empty bytes give {}. */
void document_to_json(const struct bytes *document, struct buf *out);
/* What the limits count: bytes of compact JSON text, members of all objects. */
struct document_cost {
    size_t bytes, members;
};
void document_measure(const bson_t *document, struct document_cost *ret_cost);
/* Any BSON element as JSON (dates RFC 3339, UUIDs text); for lists answered straight from BSON. */
void document_element_to_json(const bson_iter_t *element, struct buf *out);
/* A borrowed view; false when the bytes are no valid BSON. Empty bytes give an empty document. */
bool document_view(const struct bytes *document, bson_t *ret_view);
