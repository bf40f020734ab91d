/*
 * A growing text or byte buffer inside an arena, with a maximum. Appending past the maximum or out
 * of memory marks the buffer failed; further appends do nothing, so writers check once at the end
 * with buf_text or buf_ok. The content is always NUL-terminated. One thread at a time.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct uuid;

struct buf {
    struct arena *arena;
    char *data;
    size_t size;
    size_t capacity;
    size_t maximum;
    bool failed;
};

void buf_init(struct buf *buf, struct arena *arena, size_t maximum);
bool buf_ok(const struct buf *buf);
/* The content, or NULL when something did not fit. */
const char *buf_text(const struct buf *buf);
void buf_add(struct buf *buf, const void *bytes, size_t size);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_int(struct buf *buf, int64_t number);
/* A JSON string with its quotes; control characters, <, >, &, U+2028/9 and
 * what turns the direction of writing escaped. */
void buf_json_string(struct buf *buf, const char *text, size_t length);
/* ,"name":value: one more member of an object that has one. NULL is null. */
void buf_member_text(struct buf *buf, const char *name, const char *text);
void buf_member_int(struct buf *buf, const char *name, int64_t number);
void buf_member_uuid(struct buf *buf, const char *name, const struct uuid *id);
/* "/" and one name of a JSON pointer (RFC 6901). */
void buf_pointer(struct buf *buf, const char *name, size_t length);
/* Text for HTML content and quoted attributes. */
void buf_html(struct buf *buf, const char *text);
