/* Cutting a text into lines, piece by piece. */
#include "app/lines.h"

#include <string.h>

#include "app/text.h"

#define MARK      "\xef\xbb\xbf"
#define MARK_SIZE 3

bool lines_init(struct lines *lines, struct arena *arena, int64_t number, int64_t offset)
{
    /* Room for an end of line, and for a mark before the first one. */
    *lines = (struct lines){
        .held = arena_alloc(arena, LINES_MAX + MARK_SIZE + 2), .number = number, .offset = offset};
    return lines->held != NULL;
}

void lines_feed(struct lines *lines, const char *bytes, size_t size, bool last)
{
    lines->bytes = bytes;
    lines->size = size;
    lines->at = 0;
    lines->last = last;
}

/* Keeps the beginning of a line, or forgets it when it is too long already. */
static void hold(struct lines *lines, const char *bytes, size_t size)
{
    if (lines->held_size + size > LINES_MAX + MARK_SIZE + 1)
        lines->too_long = true;
    if (lines->too_long)
        return;
    if (size > 0)
        memcpy(lines->held + lines->held_size, bytes, size);
    lines->held_size += size;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    }
    return true;
}

/* What the line is without its end; false for a blank one. */
static bool judge(const struct lines *lines, const char *text, size_t length, struct line *ret_line)
{
    if (lines->number == 1 && length >= MARK_SIZE && memcmp(text, MARK, MARK_SIZE) == 0) {
        text += MARK_SIZE;
        length -= MARK_SIZE;
    }
    if (length > 0 && text[length - 1] == '\r')
        length--;
    *ret_line = (struct line){.number = lines->number, .text = text, .length = length};
    if (lines->too_long || length > LINES_MAX)
        ret_line->problem = "is longer than 64 KiB.";
    else if (is_blank(text, length))
        return false;
    else if (!text_is_utf8(text, length))
        ret_line->problem = "is no valid UTF-8, or has a NUL character.";
    if (ret_line->problem != NULL) {
        ret_line->text = "";
        ret_line->length = 0;
    }
    return true;
}

/* The line whose last part are these bytes of the piece. */
static bool end_line(struct lines *lines, size_t size, size_t end, struct line *ret_line)
{
    const char *text = lines->bytes + lines->at;
    size_t length = size;
    bool given;

    if (lines->held_size > 0 || lines->too_long) {
        hold(lines, text, size);
        text = lines->held;
        length = lines->held_size;
    }
    lines->number++;
    given = judge(lines, text, length, ret_line);
    lines->at += size + end;
    lines->offset += lines->taken + (int64_t)(size + end);
    lines->taken = 0;
    lines->held_size = 0;
    lines->too_long = false;
    return given;
}

/* The rest of the piece waits for its end. */
static void keep_rest(struct lines *lines)
{
    const size_t rest = lines->size - lines->at;

    if (rest == 0)
        return;
    hold(lines, lines->bytes + lines->at, rest);
    lines->taken += (int64_t)rest;
    lines->at = lines->size;
}

bool lines_next(struct lines *lines, struct line *ret_line)
{
    while (lines->at < lines->size) {
        const char *start = lines->bytes + lines->at;
        const char *end = memchr(start, '\n', lines->size - lines->at);

        if (end == NULL)
            break;
        if (end_line(lines, (size_t)(end - start), 1, ret_line))
            return true;
    }
    if (!lines->last) {
        keep_rest(lines);
        return false;
    }
    if (lines->at == lines->size && lines->taken == 0)
        return false;
    return end_line(lines, lines->size - lines->at, 0, ret_line);
}
