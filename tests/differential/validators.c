/*
 * Reads lines {"schema": …, "document": …} and writes for each a line of extended JSON:
 * {"fits": whether the service takes the document, "validator": what the database is told,
 * "user": {"custom_fields": the stored form}}, or {} when schema or document are none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/bson_auto.h"
#include "app/document.h"
#include "app/json.h"
#include "app/shape.h"
#include "models/custom_form.h"
#include "models/custom_validator.h"
#include "tests/support/each_line.h"

static enum err run(struct ctx *ctx, const char *line, size_t length, bson_t *out)
{
    struct shape_failures failures = {0};
    struct custom_form form = {0};
    struct bytes document = {0}, fields = {0}, stored = {0};
    bson_t *validator;
    struct value value;
    bson_t user, view;

    TRY(json_parse(ctx, line, length, &value));
    TRY(shape_compile(ctx, value_get(&value, "schema"), &form.shape));
    TRY(document_from_value(ctx, "document", value_get(&value, "document"), &document));
    TRY(custom_fields_canonical(ctx, &form, &document, &fields));
    TRY(shape_check(ctx, form.shape, "", &fields, &failures));
    TRY(custom_fields_store(ctx, &form, &(struct bytes){0}, &fields, &stored));
    if (!document_view(&stored, &view))
        return ERR_INTERNAL;
    validator = custom_validator_make(ctx, &(struct custom_validator){.shape = form.shape});
    bson_put_bool(out, "fits", failures.count == 0);
    BSON_APPEND_DOCUMENT(out, "validator", validator);
    bson_destroy(validator);
    BSON_APPEND_DOCUMENT_BEGIN(out, "user", &user);
    BSON_APPEND_DOCUMENT(&user, "custom_fields", &view);
    bson_append_document_end(out, &user);
    return ERR_OK;
}

static void answer(const char *line, size_t length)
{
    AUTO(bson_destroy) bson_t *out = bson_new();
    struct arena arena;
    struct ctx ctx;
    char *text;

    arena_init(&arena, (size_t)16 * 1024 * 1024);
    ctx_init(&ctx, NULL, &arena);
    if (run(&ctx, line, length, out) != ERR_OK)
        bson_reinit(out);
    text = bson_as_canonical_extended_json(out, NULL);
    puts(text);
    bson_free(text);
    ctx_clear(&ctx);
    arena_clear(&arena);
}

int main(void)
{
    return each_line(answer);
}
