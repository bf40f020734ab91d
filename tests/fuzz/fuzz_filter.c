/* The language of filters: a tree within its bounds, or a refusal that names its place (R003-05).
 */
#include <stdlib.h>
#include <string.h>

#include "app/filter.h"
#include "support/fuzz.h"

struct seen {
    size_t comparisons, depth;
};

static void check_comparison(const struct filter *filter)
{
    require(filter->path != NULL && filter->path[0] != '\0' && filter->parts == NULL);
    require(filter->op >= FILTER_EQ && filter->op <= FILTER_PR);
    require((filter->op == FILTER_PR) == (filter->value.type == VALUE_UNSET));
    require(filter->value.type != VALUE_ARRAY && filter->value.type != VALUE_OBJECT);
    require(filter->place < filter->op_place);
}

static void check(const struct filter *filter, size_t depth, struct seen *seen)
{
    size_t parts = 0;

    seen->depth = depth > seen->depth ? depth : seen->depth;
    if (filter->kind == FILTER_COMPARISON) {
        seen->comparisons++;
        check_comparison(filter);
        return;
    }
    for (const struct filter *part = filter->parts; part != NULL; part = part->next) {
        check(part, depth + 1, seen);
        parts++;
    }
    require(filter->kind == FILTER_NOT ? parts == 1 : parts >= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct filter *filter = NULL;
    char *text = fuzz_text(data, size);
    struct seen seen = {0};
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);

    const enum err parsed = filter_parse(&ctx, text, &filter);

    require(parsed == ERR_OK || parsed == ERR_FILTER);
    if (parsed == ERR_OK) {
        check(filter, 1, &seen);
        require(seen.comparisons <= FILTER_MAX_COMPARISONS);
        require(seen.depth <= 3 * FILTER_MAX_DEPTH + 3);
    } else {
        require(ctx.failure.field != NULL && ctx.failure.detail != NULL);
    }
    ctx_clear(&ctx);
    arena_clear(&arena);
    free(text);
    return 0;
}
