/*
 * The validator: the input is JSON of {"s": schema, "d": document}. What defaults fill in keeps the
 * members that were there, nobody is refused the document that is there already, and every failure
 * has its texts.
 */
#include <stdint.h>
#include <string.h>

#include "app/document.h"
#include "app/json.h"
#include "app/shape.h"
#include "support/fuzz.h"

static void check(struct ctx *ctx, const struct shape *shape, const struct bytes *document)
{
    const struct shape_change same = {.before = document, .after = document, .party = SHAPE_USER};
    struct shape_failures failures = {0};
    const char *foreign = NULL;
    struct bytes filled = {0};

    if (shape_check(ctx, shape, "/custom_fields", document, &failures) == ERR_OK) {
        for (size_t i = 0; i < failures.count && i < SHAPE_MAX_FAILURES; i++)
            require(strncmp(failures.items[i].pointer, "/custom_fields", 14) == 0 &&
                    failures.items[i].keyword != NULL && failures.items[i].message != NULL);
    }
    require(shape_check_writer(ctx, shape, &same, &foreign) == ERR_OK && foreign == NULL);
    if (shape_fill(ctx, shape, document, NULL, &filled) == ERR_OK)
        require(filled.size >= document->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct shape *shape = NULL;
    struct bytes document = {0};
    struct arena arena;
    struct value value;
    struct ctx ctx;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (json_parse(&ctx, (const char *)data, size, &value) == ERR_OK) {
        const struct value *schema = value_get(&value, "s"), *given = value_get(&value, "d");

        if (schema != NULL && given != NULL && shape_compile(&ctx, schema, &shape) == ERR_OK &&
            document_from_value(&ctx, "d", given, &document) == ERR_OK)
            check(&ctx, shape, &document);
    }
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
