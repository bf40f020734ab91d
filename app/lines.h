/*
 * Lines of a text that comes in pieces (NDJSON): each is at most LINES_MAX bytes of UTF-8 and ends
 * with LF, CR LF, or the text. Memory is that of one line, however long a line is: what is longer
 * is told and passed over. Blank lines count and are not given; a byte order mark at the very
 * beginning is dropped. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/arena.h"

#define LINES_MAX ((size_t)64 * 1024)

struct lines {
    char *held; /* the beginning of a line that is not whole yet */
    size_t held_size;
    bool too_long;     /* … and whose rest is passed over */
    const char *bytes; /* the piece */
    size_t size, at;
    bool last;
    int64_t number; /* lines that ended so far */
    int64_t offset; /* in the text, of what follows them */
    int64_t taken;  /* bytes of the line that has begun */
};

struct line {
    const char *text; /* not ended by NUL; valid until the next call */
    size_t length;
    int64_t number;      /* from 1 */
    const char *problem; /* why it has no text, to follow "The line "; or NULL */
};

/* A reader that begins behind so many lines and bytes of the text. False without memory. */
bool lines_init(struct lines *lines, struct arena *arena, int64_t number, int64_t offset);
/* The next piece, borrowed until lines_next has returned false. last: nothing follows. */
void lines_feed(struct lines *lines, const char *bytes, size_t size, bool last);
/* False when the piece holds no further line. */
bool lines_next(struct lines *lines, struct line *ret_line);
