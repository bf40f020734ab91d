/*
 * Custom fields (IN-3): the input is JSON of {"d": document, "p": patch}, or after a first byte of
 * 0 raw BSON as another writer of the database might leave it.
 */
#include <stdint.h>
#include <string.h>

#include "app/document.h"
#include "app/json.h"
#include "support/fuzz.h"
#include "support/sample.h"

static const char *text_of(struct ctx *ctx, const struct bytes *document)
{
    struct buf out;

    buf_init(&out, ctx->arena, (size_t)4 * 1024 * 1024);
    document_to_json(document, &out);
    require(buf_ok(&out));
    return buf_text(&out);
}

/* What was taken keeps to the limits and comes back as the same text after another round. */
static void check_document(struct ctx *ctx, const struct bytes *document)
{
    struct document_cost cost;
    struct value value;
    struct bytes again;
    bson_t view;

    require(document_view(document, &view));
    document_measure(&view, &cost);
    require(cost.bytes <= DOCUMENT_MAX_BYTES && cost.members <= DOCUMENT_MAX_MEMBERS);

    const char *text = text_of(ctx, document);
    require(json_parse(ctx, text, strlen(text), &value) == ERR_OK);
    require(document_from_value(ctx, "d", &value, &again) == ERR_OK);
    require(again.size == document->size && memcmp(again.data, document->data, again.size) == 0);
}

static void try_json(struct ctx *ctx, const char *text, size_t size)
{
    struct bytes document = {0};
    struct bytes merged;
    struct value value;

    if (json_parse(ctx, text, size, &value) != ERR_OK)
        return;

    const struct value *start = value_get(&value, "d");
    const struct value *patch = value_get(&value, "p");
    if (start != NULL && document_from_value(ctx, "d", start, &document) == ERR_OK)
        check_document(ctx, &document);
    if (patch != NULL && document_merge(ctx, "d", &document, patch, &merged) == ERR_OK)
        check_document(ctx, &merged);
}

static void try_bson(struct ctx *ctx, const uint8_t *data, size_t size)
{
    static const struct value nothing = {.type = VALUE_OBJECT};
    struct bytes document = {.data = data, .size = size};
    struct sample sample = {0};
    struct bytes merged;
    bson_t view;

    (void)text_of(ctx, &document);
    if (document_merge(ctx, "d", &document, &nothing, &merged) == ERR_OK)
        (void)text_of(ctx, &merged);
    if (bson_init_static(&view, data, size)) {
        enum err err = schema_from_bson(ctx, &sample_schema, &view, &sample);
        require(err == ERR_OK || err == ERR_INTERNAL || err == ERR_MEMORY);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (size > 0 && data[0] == 0)
        try_bson(&ctx, data + 1, size - 1);
    else
        try_json(&ctx, (const char *)data, size);
    ctx_clear(&ctx);
    arena_clear(&arena);
    return 0;
}
