/* Moments that a schema names itself: enum and const are compared with what is shown. */
#include <string.h>

#include "models/custom_form.h"

static enum err refuse(struct ctx *ctx, const char *pointer, const char *keyword)
{
    const char *place = arena_printf(ctx->arena, "%s/%s", pointer, keyword);

    return fail(ctx, ERR_SCHEMA, place,
                "%s must have its moments as they are shown: in UTC, like 2026-01-31T09:30:00Z or "
                "2026-01-31T09:30:00.120Z.",
                place);
}

/* values: {"v": …}, of which the schema is said by of. */
static enum err check(struct ctx *ctx, const struct shape *of, const struct bytes *values,
                      bool *ret_is_shown)
{
    struct shape_property property = {.name = "v", .shape = of};
    const struct shape wrapper = {
        .types = SHAPE_ANY, .has_moments = true, .properties = &property, .property_count = 1};
    const struct custom_form form = {.shape = &wrapper};
    struct bytes shown = {0};

    TRY(custom_fields_canonical(ctx, &form, values, &shown));
    *ret_is_shown = shown.size == values->size && memcmp(shown.data, values->data, shown.size) == 0;
    return ERR_OK;
}

static enum err check_own(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    const struct shape list = {.types = SHAPE_ANY, .items = shape, .has_moments = true};
    bool is_shown = true;

    if (shape->values.size > 0)
        TRY(check(ctx, &list, &shape->values, &is_shown));
    if (!is_shown)
        return refuse(ctx, pointer, "enum");
    if (shape->constant.size > 0)
        TRY(check(ctx, shape, &shape->constant, &is_shown));
    return is_shown ? ERR_OK : refuse(ctx, pointer, "const");
}

static enum err check_below(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    if (pointer == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
    return custom_fields_check_values(ctx, shape, pointer);
}

enum err custom_fields_check_values(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    if (shape == NULL || !shape->has_moments)
        return ERR_OK;
    TRY(check_own(ctx, shape, pointer));
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape_property *property = &shape->properties[i];
        TRY(check_below(ctx, property->shape, shape_pointer(ctx, pointer, property->name)));
    }
    TRY(check_below(ctx, shape->items, arena_printf(ctx->arena, "%s/items", pointer)));
    return check_below(ctx, shape->others,
                       arena_printf(ctx->arena, "%s/additionalProperties", pointer));
}
