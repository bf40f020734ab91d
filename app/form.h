/*
 * application/x-www-form-urlencoded (WHATWG URL §5.1) for bodies and query strings, into a flat
 * object of strings. A raw blank is accepted. Refused: bad percent escapes, NUL, invalid UTF-8,
 * more than FORM_MAX_FIELDS fields, a name given twice (ERR_BAD_REQUEST naming it; RFC 6749 §3.1),
 * but for FORM_MAY_REPEAT.
 */
#pragma once

#include <stddef.h>

#include "app/buf.h"
#include "app/ctx.h"
#include "app/value.h"

#define FORM_MAX_FIELDS 500        /* a schema of custom fields has 200, and some need two inputs */
#define FORM_MAY_REPEAT "resource" /* RFC 8707 §2 */

/* One name or value, decoded into the arena. ERR_BAD_REQUEST. */
CHECKED enum err form_decode(struct ctx *ctx, const char *text, size_t length,
                             const char **ret_text);

/* The same, but names may repeat: the caller decides what that means. value_get finds the first. */
CHECKED enum err form_parse_repeats(struct ctx *ctx, const char *text, size_t length,
                                    struct value *ret_value);
CHECKED enum err form_parse(struct ctx *ctx, const char *text, size_t length,
                            struct value *ret_value);

/* Appends "name=value", both percent-encoded, after an "&" unless it is the first. */
void form_put(struct buf *out, const char *name, const char *value);
