/*
 * Text of people: UTF-8, NFC, canonical names, e-mail addresses, domains, slugs. The only user of
 * libunistring and libidn2. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/ctx.h"

bool text_is_utf8(const char *text, size_t length); /* valid, no NUL */
size_t text_code_points(const char *text);
/* Without the surrounding white space (Unicode): where it begins, and *ret_length bytes of it. */
const char *text_trim(const char *text, size_t length, size_t *ret_length);
/* For what comes from outside and is only kept: at most limit bytes, whole characters; bytes that
 * are no UTF-8 become question marks; NULL for NULL and "". In the arena. */
CHECKED enum err text_clip(struct ctx *ctx, const char *text, size_t limit, const char **ret_text);
/* NFC in the arena. */
CHECKED enum err text_nfc(struct ctx *ctx, const char *text, const char **ret_text);
/* The form under a unique index: trimmed, NFC, lower case. */
CHECKED enum err text_canonical(struct ctx *ctx, const char *text, const char **ret_text);
/* One form for what an index without case takes for the same text (models/custom_index.h), but for
 * invisible characters: compatible characters in one form, lower case. */
CHECKED enum err text_without_case(struct ctx *ctx, const char *text, const char **ret_text);
/* field_check_fn: NULL when fine, else what is wrong and what is allowed. */
const char *text_check_email(const char *text); /* one address, ≤ 254, no blanks, controls, comma */
const char *
text_check_username(const char *text);         /* 1–64 code points, no "@", blanks or controls */
const char *text_check_name(const char *text); /* display name: no control characters */
const char *text_check_slug(const char *text); /* [a-z0-9](-?[a-z0-9])*, ≤ 63 */
const char *text_check_domain(const char *text); /* host name with a dot */
/* A slug made from a display name ("AI Platform" -> "ai-platform"); never empty. */
CHECKED enum err text_slugify(struct ctx *ctx, const char *name, const char **ret_slug);
/* Host header to lower case, without port and trailing dot, IPv6 addresses in their brackets;
 * *ret_host is NULL when it is no valid host. */
CHECKED enum err text_host(struct ctx *ctx, const char *host, const char **ret_host);
