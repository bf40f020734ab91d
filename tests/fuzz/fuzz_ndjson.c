/*
 * Lines of a text that comes in pieces (IN-1): the same lines come out however it is cut, from the
 * beginning or from behind any of its lines; each is UTF-8, has a number that grows, and nothing is
 * lost or told twice. What they hold is decoded as a user is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/json.h"
#include "app/lines.h"
#include "app/text.h"
#include "models/user_line.h"
#include "support/fuzz.h"

#define MOST 4096 /* lines that are remembered */

struct seen {
    int64_t number, offset;
    size_t length;
    uint64_t sum;
    bool refused;
};

static struct seen whole[MOST], again[MOST];

static uint64_t sum_of(const struct line *line)
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < line->length; i++)
        sum = (sum ^ (uint8_t)line->text[i]) * UINT64_C(1099511628211);
    return sum;
}

static void decode(const struct line *line)
{
    struct user_line user = {0};
    struct arena arena;
    struct ctx ctx;
    struct value value;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (json_parse(&ctx, line->text, line->length, &value) != ERR_OK ||
        schema_decode(&ctx, &user_line_schema, &value, DECODE_INPUT, &user) != ERR_OK)
        require(ctx.failure.detail != NULL);
    ctx_clear(&ctx);
    arena_clear(&arena);
}

static size_t take(struct lines *lines, struct seen *seen, size_t count, bool decoded)
{
    struct line line;

    while (lines_next(lines, &line)) {
        require(line.length <= LINES_MAX && text_is_utf8(line.text, line.length));
        require(memchr(line.text, '\n', line.length) == NULL);
        require((line.problem != NULL) == (line.length == 0));
        require(lines->number == line.number);
        if (decoded && line.problem == NULL)
            decode(&line);
        if (count < MOST)
            seen[count++] = (struct seen){line.number, lines->offset, line.length, sum_of(&line),
                                          line.problem != NULL};
    }
    return count;
}

/* From one of its lines on, in pieces of step bytes (0: at once). */
static size_t read_all(const char *text, size_t size, const struct seen *from, size_t step,
                       struct seen *seen)
{
    const size_t start = from != NULL ? (size_t)from->offset : 0;
    struct arena arena;
    struct lines lines;
    size_t count = 0, at = start;

    arena_init(&arena, (size_t)1024 * 1024);
    require(lines_init(&lines, &arena, from != NULL ? from->number : 0, (int64_t)start));
    do {
        const size_t part = step > 0 && step < size - at ? step : size - at;
        char *piece = fuzz_text((const uint8_t *)text + at, part);

        at += part;
        lines_feed(&lines, piece, part, at == size);
        count = take(&lines, seen, count, step == 0);
        free(piece);
    } while (at < size);
    require(lines.offset == (int64_t)size);
    arena_clear(&arena);
    return count;
}

static void compare(const struct seen *a, size_t a_count, const struct seen *b, size_t b_count)
{
    require(a_count == b_count);
    for (size_t i = 0; i < a_count; i++)
        require(a[i].number == b[i].number && a[i].offset == b[i].offset &&
                a[i].length == b[i].length && a[i].sum == b[i].sum && a[i].refused == b[i].refused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 7, 64, 4096};
    const size_t chosen = size > 0 ? steps[data[0] % (sizeof steps / sizeof steps[0])] : 1;
    const size_t step = chosen > size / 256 ? chosen : size / 256; /* long texts in few pieces */
    char *text = fuzz_text(data, size);
    const size_t count = read_all(text, size, NULL, 0, whole);

    compare(whole, count, again, read_all(text, size, NULL, step, again));
    if (count > 1 && count < MOST) {
        const size_t half = count / 2;

        compare(whole + half, count - half, again,
                read_all(text, size, &whole[half - 1], step, again));
    }
    free(text);
    return 0;
}
