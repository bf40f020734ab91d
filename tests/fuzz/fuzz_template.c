/*
 * Templates (HT-15): the input is a value, a NUL and a template. Whatever the template says, it
 * ends, and the value never reaches the page with a character that HTML would read.
 */
#include <stdint.h>
#include <string.h>

#include "app/template.h"
#include "support/fuzz.h"

#define MARK "@@"

/* Between two marks stands the value, escaped. */
static void check_value(const char *page)
{
    const char *begin = strstr(page, MARK);

    while (begin != NULL) {
        const char *end = strstr(begin + 2, MARK);

        if (end == NULL)
            return;
        for (const char *c = begin + 2; c < end; c++)
            require(*c != '<' && *c != '>' && *c != '"' && *c != '\'');
        begin = strstr(end + 2, MARK);
    }
}

static const char *value_of(struct arena *arena, const uint8_t *data, size_t size)
{
    char *value = arena_alloc(arena, size + 5);

    require(value != NULL);
    memcpy(value, MARK, 2);
    memcpy(value + 2, data, size);
    for (size_t i = 2; i < size + 2; i++) {
        if (value[i] == '@')
            value[i] = 'a';
    }
    memcpy(value + 2 + size, MARK, 3);
    return value;
}

static void render(struct ctx *ctx, const char *value, const struct bytes *text)
{
    const struct template_var inner[] = {{.name = "v", .text = value}};
    const struct template_vars items[] = {{.vars = inner, .count = 1}, {.vars = inner, .count = 1}};
    const struct template_var vars[] = {
        {.name = "v", .text = value},
        {.name = "n", .text = NULL},
        {.name = "l", .items = items, .item_count = 2},
        {.name = "r", .text = "<hr>", .raw = true},
    };
    const struct template_vars all = {.vars = vars, .count = 4};
    const bool has_marks = memmem(text->data, text->size, "@", 1) != NULL;
    struct buf out;

    buf_init(&out, ctx->arena, (size_t)64 * 1024);
    if (template_render_text(ctx, "fuzz", text, &all, &out) != ERR_OK) {
        require(ctx->failure.internal != NULL);
        return;
    }
    if (!has_marks)
        check_value(buf_text(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    const size_t value_size = nul != NULL ? (size_t)(nul - data) : 0;
    const size_t start = nul != NULL ? value_size + 1 : 0;
    const struct bytes text = {.data = data + start, .size = size - start};
    struct arena arena;
    struct ctx ctx;

    if (size > 4096)
        return 0;
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    render(&ctx, value_of(&arena, data, value_size), &text);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
