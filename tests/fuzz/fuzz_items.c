/*
 * The records of a large file that comes in pieces: items of a list in JSON (of the text, of a
 * member "users", one after the other) and rows of a table. The same records come out however the
 * text is cut; none is longer than it may be; what is an object to the parser is one record.
 */
#include <stdlib.h>
#include <string.h>

#include "app/json.h"
#include "app/json_items.h"
#include "commands/import.h"
#include "support/fuzz.h"

struct tally {
    size_t count;
    uint64_t sum;
    bool whole;
};

static void add(struct tally *tally, const char *text, size_t length, bool refused)
{
    tally->count++;
    tally->sum = (tally->sum ^ length ^ (uint64_t)refused << 40) * UINT64_C(1099511628211);
    for (size_t i = 0; i < length; i++)
        tally->sum = (tally->sum ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
}

typedef void (*read_fn)(const uint8_t *data, size_t size, size_t step, struct tally *tally);

static void read_items(const char *name, const uint8_t *data, size_t size, size_t step,
                       struct tally *tally)
{
    struct json_items items;
    struct json_item item;
    struct arena arena;
    size_t at = 0;

    arena_init(&arena, (size_t)1024 * 1024);
    require(json_items_init(&items, &arena, name));
    do {
        const size_t part = size - at < step ? size - at : step;
        char *piece = fuzz_text(data + at, part);

        at += part;
        json_items_feed(&items, piece, part, at == size);
        while (json_items_next(&items, &item)) {
            require(item.length <= JSON_ITEM_MAX && item.number == (int64_t)tally->count + 1);
            add(tally, item.text, item.length, item.problem != NULL);
        }
        free(piece);
    } while (at < size);
    tally->whole = json_items_whole(&items);
    arena_clear(&arena);
}

static void read_list(const uint8_t *data, size_t size, size_t step, struct tally *tally)
{
    read_items(NULL, data, size, step, tally);
}

static void read_member(const uint8_t *data, size_t size, size_t step, struct tally *tally)
{
    read_items("users", data, size, step, tally);
}

static void read_table(const uint8_t *data, size_t size, size_t step, struct tally *tally)
{
    const char *problem = NULL;
    struct arena arena, rows;
    struct ctx ctx, own;
    struct value row;
    struct csv *csv = NULL;
    size_t at = 0;

    arena_init(&arena, (size_t)8 * 1024 * 1024);
    arena_init(&rows, (size_t)8 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    ctx_init(&own, NULL, &rows);
    require(csv_open(&ctx, &csv) == ERR_OK);
    do {
        const size_t part = size - at < step ? size - at : step;
        char *piece = fuzz_text(data + at, part);

        at += part;
        csv_feed(csv, piece, part, at == size);
        while (csv_next(csv, &own, &row, &problem)) {
            add(tally, problem != NULL ? problem : "", problem != NULL ? strlen(problem) : 0,
                false);
            for (size_t i = 0; problem == NULL && i < row.object.count; i++)
                if (row.object.members[i].value.type == VALUE_STRING)
                    add(tally, row.object.members[i].value.string.text,
                        row.object.members[i].value.string.length, false);
            arena_reset(&rows);
        }
        free(piece);
    } while (at < size);
    ctx_clear(&ctx);
    arena_clear(&arena);
    arena_clear(&rows);
}

/* What the parser takes as one object is one record. */
static void check_object(const uint8_t *data, size_t size, const struct tally *tally)
{
    struct arena arena;
    struct ctx ctx;
    struct value value;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (json_parse(&ctx, (const char *)data, size, &value) == ERR_OK && size <= JSON_ITEM_MAX)
        require(tally->count == 1 && tally->whole);
    ctx_clear(&ctx);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const read_fn readers[] = {read_list, read_member, read_table};
    const size_t step = size > 0 ? (size_t)data[0] % 17 + 1 : 1;

    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        struct tally whole = {0}, pieces = {0};

        readers[i](data, size, size > 0 ? size : 1, &whole);
        readers[i](data, size, step, &pieces);
        require(whole.count == pieces.count && whole.sum == pieces.sum &&
                whole.whole == pieces.whole);
        if (i == 0)
            check_object(data, size, &whole);
    }
    return 0;
}
