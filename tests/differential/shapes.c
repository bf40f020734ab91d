/*
 * Reads lines {"schema": …, "document": …} and writes for each a line: {"refused": pointer,
 * "sentence": …} when the schema is none, else {"failures": [[pointer, keyword], …]}. The tests
 * compare that with what another implementation says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/document.h"
#include "app/json.h"
#include "app/shape.h"
#include "tests/support/each_line.h"

static void put_pair(struct buf *out, const char *left, const char *right)
{
    buf_json_string(out, left, strlen(left));
    buf_putc(out, ',');
    buf_json_string(out, right, strlen(right));
}

static enum err run(struct ctx *ctx, const char *line, size_t length, struct buf *out)
{
    struct shape_failures failures = {0};
    const struct shape *shape = NULL;
    struct bytes document = {0};
    struct value value;

    TRY(json_parse(ctx, line, length, &value));
    TRY(shape_compile(ctx, value_get(&value, "schema"), &shape));
    TRY(document_from_value(ctx, "document", value_get(&value, "document"), &document));
    TRY(shape_check(ctx, shape, "", &document, &failures));
    buf_puts(out, "{\"failures\":[");
    for (size_t i = 0; i < failures.count && i < SHAPE_MAX_FAILURES; i++) {
        buf_puts(out, i > 0 ? ",[" : "[");
        put_pair(out, failures.items[i].pointer, failures.items[i].keyword);
        buf_putc(out, ']');
    }
    buf_puts(out, "]}");
    return ERR_OK;
}

static void answer(const char *line, size_t length)
{
    struct arena arena;
    struct ctx ctx;
    struct buf out;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    buf_init(&out, &arena, (size_t)1024 * 1024);
    if (run(&ctx, line, length, &out) != ERR_OK) {
        const struct failure *failure = &ctx.failure;

        buf_puts(&out, "{\"refused\":");
        buf_json_string(&out, failure->field != NULL ? failure->field : "",
                        failure->field != NULL ? strlen(failure->field) : 0);
        buf_member_text(&out, "sentence", failure->detail);
        buf_putc(&out, '}');
    }
    puts(buf_ok(&out) ? buf_text(&out) : "{\"refused\":\"memory\"}");
    ctx_clear(&ctx);
    arena_clear(&arena);
}

int main(void)
{
    return each_line(answer);
}
