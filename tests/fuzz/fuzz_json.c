/*
 * JSON in, and decoding by a table of every type (IN-1, IN-2). What is accepted must read back as
 * the same tree from the text we write of it, and every refusal has a sentence.
 */
#include <stdint.h>
#include <string.h>

#include "app/buf.h"
#include "app/json.h"
#include "app/schema.h"
#include "support/fuzz.h"
#include "support/sample.h"

static void check_tree(const struct value *value, unsigned depth, size_t *members)
{
    require(depth <= JSON_MAX_DEPTH + 1 && value->type != VALUE_UNSET);
    if (value->type == VALUE_STRING)
        require(text_is_utf8(value->string.text, value->string.length) &&
                value->string.text[value->string.length] == '\0');
    for (size_t i = 0; value->type == VALUE_ARRAY && i < value->array.count; i++)
        check_tree(&value->array.items[i], depth + 1, members);
    for (size_t i = 0; value->type == VALUE_OBJECT && i < value->object.count; i++) {
        const struct member *member = &value->object.members[i];

        require(value_get(value, member->name) == &member->value);
        require(++*members <= JSON_MAX_MEMBERS);
        check_tree(&member->value, depth + 1, members);
    }
}

static void decode(struct ctx *ctx, const struct value *value, enum decode_mode mode)
{
    struct sample sample = {0};
    struct buf out;

    fail_clear(ctx);
    if (schema_decode(ctx, &sample_schema, value, mode, &sample) != ERR_OK) {
        require(ctx->failure.detail != NULL &&
                text_is_utf8(ctx->failure.detail, strlen(ctx->failure.detail)));
        return;
    }
    buf_init(&out, ctx->arena, (size_t)1024 * 1024);
    schema_to_json(&sample_schema, &sample, &out);
    require(buf_ok(&out));

    struct value again;
    require(json_parse(ctx, out.data, out.size, &again) == ERR_OK);
    require(value_get(&again, "password") == NULL && value_get(&again, "hash") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct ctx ctx;
    struct value value;
    size_t members = 0;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (json_parse(&ctx, (const char *)data, size, &value) == ERR_OK) {
        require(value.type == VALUE_OBJECT);
        check_tree(&value, 1, &members);
        decode(&ctx, &value, DECODE_INPUT);
        decode(&ctx, &value, DECODE_PATCH);
        decode(&ctx, &value, DECODE_CONFIG);
    } else {
        require(ctx.failure.detail != NULL);
    }
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
