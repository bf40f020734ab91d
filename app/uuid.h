/*
 * 128-bit identifiers. New ones are UUIDv7 (RFC 9562 §5.7): they sort by creation time. In BSON
 * they are binary subtype 4, in JSON the lower-case hyphenated text. All zero means "absent".
 * Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */
#define UUID_HEX_SIZE  33 /* 32 hex digits and the NUL */

struct uuid {
    uint8_t bytes[16];
};

/* A new UUIDv7. Monotonic within the process: a later call never sorts before an earlier one. */
struct uuid uuid_new(void);
bool uuid_is_zero(const struct uuid *id);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
/* Accepts the hyphenated form in either case and nothing else. */
bool uuid_parse(const char *text, struct uuid *ret_id);
/* Accepts exactly 32 lower-case hex digits; reads no further than those. */
bool uuid_parse_hex(const char *text, struct uuid *ret_id);
void uuid_text(const struct uuid *id, char ret_text[UUID_TEXT_SIZE]);
void uuid_hex(const struct uuid *id, char ret_hex[UUID_HEX_SIZE]);
