/* The compiler of tenants' schemas: a schema or a refusal with its place (R003-05). */
#include <stdint.h>
#include <string.h>

#include "app/json.h"
#include "app/shape.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct shape *shape = NULL;
    struct arena arena;
    struct value value;
    struct ctx ctx;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (json_parse(&ctx, (const char *)data, size, &value) == ERR_OK) {
        const enum err compiled = shape_compile(&ctx, &value, &shape);

        require(compiled == ERR_OK || compiled == ERR_SCHEMA || compiled == ERR_MEMORY);
        require((compiled == ERR_OK) == (shape != NULL));
        if (compiled == ERR_SCHEMA)
            require(ctx.failure.field != NULL && ctx.failure.detail != NULL);
    }
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
