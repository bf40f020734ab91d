/*
 * Any text as a page cursor: refused as one, never read past, never good by chance; and any values
 * that a list may put into one come back as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "app/cursor.h"
#include "support/fuzz.h"

static const char *const parameters[] = {"login", NULL, "failed"};
static const struct cursor_list list = {
    .name = "audit", .parameters = parameters, .parameter_count = 3};

static void read_text(struct ctx *ctx, const char *text)
{
    for (size_t count = 1; count <= CURSOR_VALUES_MAX; count++) {
        const char *values[CURSOR_VALUES_MAX];
        const enum err err = cursor_read(ctx, &list, text, values, count);

        if (err != ERR_BAD_CURSOR && err != ERR_MEMORY)
            abort();
    }
}

static void there_and_back(struct ctx *ctx, const char *value)
{
    const char *const values[] = {value, "17"};
    const char *back[2];
    const char *text = NULL;

    if (strlen(value) > 2900)
        return;
    if (cursor_make(ctx, &list, values, 2, &text) != ERR_OK || strlen(text) > CURSOR_TEXT_MAX ||
        cursor_read(ctx, &list, text, back, 2) != ERR_OK || strcmp(back[0], value) != 0 ||
        strcmp(back[1], "17") != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;
    char *text = fuzz_text(data, size);

    bare_init(&bare);
    read_text(&bare.ctx, text);
    there_and_back(&bare.ctx, text);
    bare_clear(&bare);
    free(text);
    return 0;
}
