/*
 * Strict JSON in (RFC 8259): one object, exact end, no duplicate member, no NUL, valid UTF-8,
 * 64-bit integers exact, no number out of range. The only user of jansson. Any thread.
 */
#pragma once

#include <stddef.h>

#include "app/ctx.h"
#include "app/value.h"

#define JSON_MAX_DEPTH   16
#define JSON_MAX_MEMBERS 1000

/* Errors: ERR_JSON with line, column and reason; ERR_MEMORY. The tree lives in ctx->arena. */
CHECKED enum err json_parse(struct ctx *ctx, const char *text, size_t length,
                            struct value *ret_value);
