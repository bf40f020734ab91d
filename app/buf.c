/* Growing text: appending, and the escapes of JSON and HTML. */
#include "app/buf.h"

#include <stdio.h>
#include <string.h>

#include "app/arena.h"
#include "app/uuid.h"

#define FIRST_CAPACITY 256

void buf_init(struct buf *buf, struct arena *arena, size_t maximum)
{
    *buf = (struct buf){.arena = arena, .maximum = maximum < SIZE_MAX / 4 ? maximum : SIZE_MAX / 4};
}

bool buf_ok(const struct buf *buf)
{
    return !buf->failed;
}

const char *buf_text(const struct buf *buf)
{
    if (buf->failed)
        return NULL;
    return buf->data != NULL ? buf->data : "";
}

/* Makes room for more bytes and the NUL. False marks the buffer failed. */
static bool reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (more > buf->maximum - buf->size) {
        buf->failed = true;
        return false;
    }

    size_t need = buf->size + more + 1;
    if (need <= buf->capacity)
        return true;

    size_t capacity = buf->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buf->capacity * 2;
    if (capacity < need)
        capacity = need;
    if (capacity > buf->maximum + 1)
        capacity = buf->maximum + 1;
    char *data = arena_alloc(buf->arena, capacity);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    if (buf->size > 0)
        memcpy(data, buf->data, buf->size);
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void buf_add(struct buf *buf, const void *bytes, size_t size)
{
    if (size == 0 || !reserve(buf, size))
        return;
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
    if (!reserve(buf, 1))
        return;
    buf->data[buf->size++] = c;
    buf->data[buf->size] = '\0';
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        buf->failed = true;
    if (length >= 0 && reserve(buf, (size_t)length)) {
        vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
}

void buf_int(struct buf *buf, int64_t number)
{
    char digits[20]; /* of 2^64 at most */
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        buf_putc(buf, '-');
    buf_add(buf, digits + at, sizeof digits - at);
}

/* Bytes of the UTF-8 sequence that begins at text (RFC 3629), 0 when it is not valid. */
static size_t utf8_sequence(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t size;

    if (first >= 0xc2 && first <= 0xdf)
        size = 2;
    else if ((first & 0xf0) == 0xe0)
        size = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        size = 4;
    else
        return 0;
    /* The second byte excludes overlong forms, surrogates and what is past U+10FFFF. */
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (size > left || text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

static void json_escape(struct buf *buf, unsigned char c)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (size_t i = 0; short_forms[i] != '\0'; i += 2) {
        if ((unsigned char)short_forms[i] == c) {
            buf_putc(buf, '\\');
            buf_putc(buf, short_forms[i + 1]);
            return;
        }
    }
    buf_printf(buf, "\\u%04x", (unsigned)c);
}

/* Characters that a terminal obeys or a reader is fooled by: C1 controls, line and paragraph
 * separators, and those that turn the direction of writing. The sequence is valid. */
static bool is_treacherous(const unsigned char *text, size_t size)
{
    if (size == 2)
        return text[0] == 0xc2 && text[1] < 0xa0;
    if (size != 3 || text[0] != 0xe2)
        return false;
    if (text[1] == 0x80)
        return text[2] >= 0xa8 && text[2] <= 0xae;
    return text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9;
}

static unsigned code_point(const unsigned char *text, size_t size)
{
    if (size == 2)
        return (unsigned)(text[0] & 0x1f) << 6 | (text[1] & 0x3f);
    return (unsigned)(text[0] & 0x0f) << 12 | (unsigned)(text[1] & 0x3f) << 6 | (text[2] & 0x3f);
}

/* What cannot stand in the text as it is: returns how many bytes were consumed. */
static size_t json_special(struct buf *buf, const unsigned char *text, size_t left)
{
    if (text[0] < 0x80) {
        json_escape(buf, text[0]);
        return 1;
    }

    size_t size = utf8_sequence(text, left);
    if (size == 0) {
        /* Bytes from a foreign writer of the database: the answer stays valid JSON. */
        buf_puts(buf, "\xef\xbf\xbd");
        return 1;
    }
    if (is_treacherous(text, size))
        buf_printf(buf, "\\u%04x", code_point(text, size));
    else
        buf_add(buf, text, size);
    return size;
}

static bool json_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' &&
           c != 0x7f;
}

void buf_json_string(struct buf *buf, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + length;

    buf_putc(buf, '"');
    while (at < end) {
        const unsigned char *plain = at;

        while (at < end && json_is_plain(*at))
            at++;
        buf_add(buf, plain, (size_t)(at - plain));
        if (at < end)
            at += json_special(buf, at, (size_t)(end - at));
    }
    buf_putc(buf, '"');
}

static void member(struct buf *buf, const char *name)
{
    buf_puts(buf, ",\"");
    buf_puts(buf, name);
    buf_puts(buf, "\":");
}

void buf_member_text(struct buf *buf, const char *name, const char *text)
{
    member(buf, name);
    if (text != NULL)
        buf_json_string(buf, text, strlen(text));
    else
        buf_puts(buf, "null");
}

void buf_member_int(struct buf *buf, const char *name, int64_t number)
{
    member(buf, name);
    buf_int(buf, number);
}

void buf_member_uuid(struct buf *buf, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_text(id, text);
    buf_member_text(buf, name, text);
}

void buf_pointer(struct buf *buf, const char *name, size_t length)
{
    buf_putc(buf, '/');
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '~' || name[i] == '/')
            buf_puts(buf, name[i] == '~' ? "~0" : "~1");
        else
            buf_putc(buf, name[i]);
    }
}

void buf_html(struct buf *buf, const char *text)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "&<>\"'");

        buf_add(buf, text, plain);
        text += plain;
        switch (*text) {
        case '&':
            buf_puts(buf, "&amp;");
            break;
        case '<':
            buf_puts(buf, "&lt;");
            break;
        case '>':
            buf_puts(buf, "&gt;");
            break;
        case '"':
            buf_puts(buf, "&quot;");
            break;
        case '\'':
            buf_puts(buf, "&#39;");
            break;
        default:
            return;
        }
        text++;
    }
}
