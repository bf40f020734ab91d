/*
 * Any JSON as a tenant's settings (R004-12, IN-5): what is accepted is within its bounds, writes
 * only names of the table, and says the same after another round; origins are settled for good.
 */
#include <stdint.h>
#include <string.h>

#include "app/json.h"
#include "models/tenant_origin.h"
#include "models/tenant_rules.h"
#include "support/fuzz.h"

static const char *text_of(struct ctx *ctx, const struct tenant_settings *settings)
{
    struct buf out;

    buf_init(&out, ctx->arena, (size_t)1024 * 1024);
    schema_to_json(&tenant_settings_schema, settings, &out);
    require(buf_ok(&out));
    return buf_text(&out);
}

static void check_numbers(const struct tenant_settings *settings)
{
    for (size_t i = 0; i < tenant_settings_schema.field_count; i++) {
        const struct field *field = &tenant_settings_schema.fields[i];
        int64_t number;
        bool has;

        if (field->type != FT_INT)
            continue;
        memcpy(&number, (const char *)settings + field->offset, sizeof number);
        memcpy(&has, (const char *)settings + field->has_offset, sizeof has);
        require(!has || (number >= field->min && number <= field->max));
    }
}

/* What goes into $set: "settings." and a name of the table. */
static void check_stored(const struct tenant_settings *settings, uint64_t mask)
{
    bson_t *stored = bson_new();
    bson_iter_t iter;

    (void)schema_to_bson_masked(&tenant_settings_schema, settings, mask, "settings.", stored);
    require(bson_iter_init(&iter, stored));
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);

        require(strncmp(key, "settings.", 9) == 0);
        require(schema_field_index(&tenant_settings_schema, key + 9) >= 0);
    }
    bson_destroy(stored);
}

static void check_origins(struct ctx *ctx, struct tenant_settings *settings)
{
    if (tenant_origins_settle(ctx, &settings->allowed_origins) != ERR_OK) {
        require(ctx->failure.detail != NULL);
        return;
    }

    const char *once = text_of(ctx, settings);

    for (size_t i = 0; i < settings->allowed_origins.count; i++)
        require(tenant_origin_check(settings->allowed_origins.items[i]) == NULL);
    require(tenant_origins_settle(ctx, &settings->allowed_origins) == ERR_OK);
    require(strcmp(text_of(ctx, settings), once) == 0);
}

static void check(struct ctx *ctx, const struct value *given)
{
    struct tenant_settings settings = {0}, again = {0};
    struct value text;

    if (schema_decode(ctx, &tenant_settings_schema, given, DECODE_PATCH, &settings) != ERR_OK) {
        require(ctx->failure.detail != NULL);
        return;
    }
    check_numbers(&settings);
    check_stored(&settings, schema_present(&tenant_settings_schema, given));

    const char *shown = text_of(ctx, &settings);

    require(json_parse(ctx, shown, strlen(shown), &text) == ERR_OK);
    require(schema_decode(ctx, &tenant_settings_schema, &text, DECODE_INPUT, &again) == ERR_OK);
    require(strcmp(text_of(ctx, &again), shown) == 0);
    check_origins(ctx, &settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;
    struct value given;

    bare_init(&bare);
    bare.config.environment = size % 2 != 0 ? ENV_DEVELOPMENT : ENV_PRODUCTION;
    if (json_parse(&bare.ctx, (const char *)data, size, &given) == ERR_OK)
        check(&bare.ctx, &given);
    bare_clear(&bare);
    return 0;
}
