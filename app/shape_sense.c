/* Keywords that contradict each other, so that no document, or no second one, could ever meet them.
 * Asked of what is to be published alone: a version in force is obeyed as it is. */
#include "app/bson_auto.h"
#include "app/document.h"
#include "app/shape.h"

static enum err refuse(struct ctx *ctx, const char *pointer, const char *keyword,
                       const char *sentence)
{
    const char *place = arena_printf(ctx->arena, "%s/%s", pointer, keyword);

    if (place == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
    return fail(ctx, ERR_SCHEMA, place, "%s %s", place, sentence);
}

static enum err try_value(struct ctx *ctx, const struct shape *shape, const bson_iter_t *value,
                          bool *ret_fits)
{
    struct shape_property property = {.name = "v", .shape = shape};
    const struct shape wrapper = {.types = SHAPE_ANY,
                                  .counts = {-1, -1, -1, -1, -1, -1},
                                  .properties = &property,
                                  .property_count = 1};
    AUTO(bson_destroy) bson_t *document = bson_new();
    struct shape_failures failures = {0};

    if (!bson_append_iter(document, "v", 1, value))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a value");
    TRY(shape_check(ctx, &wrapper, "",
                    &(struct bytes){.data = bson_get_data(document), .size = document->len},
                    &failures));
    *ret_fits = failures.count == 0;
    return ERR_OK;
}

static enum err check_values(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    bson_iter_t list, item;
    bool fits = false;
    bson_t view;

    if (shape->values.size == 0 || !document_view(&shape->values, &view) ||
        !bson_iter_init_find(&list, &view, "v") || !bson_iter_recurse(&list, &item))
        return ERR_OK;
    while (!fits && bson_iter_next(&item))
        TRY(try_value(ctx, shape, &item, &fits));
    return fits ? ERR_OK
                : refuse(ctx, pointer, "enum", "has no value that the keywords beside it allow");
}

static enum err check_unique(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    if (shape->is_unique && (shape->standard.size > 0 || shape->constant.size > 0))
        return refuse(ctx, pointer, "x-unique",
                      "cannot be together with default or const: one user alone could have it");
    return ERR_OK;
}

/* What may be something else than an object can be met by that; the root is one. */
static enum err check_members(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    const int64_t least = shape->counts[SHAPE_LEAST_PROPERTIES];
    const int64_t most = shape->counts[SHAPE_MOST_PROPERTIES];

    if (shape->types != SHAPE_OBJECT && pointer[0] != '\0')
        return ERR_OK;
    if (most >= 0 && (int64_t)shape->required.count > most)
        return refuse(ctx, pointer, "required", "names more members than maxProperties allows");
    if (shape->closed && (int64_t)shape->property_count < least)
        return refuse(
            ctx, pointer, "minProperties",
            "asks for more members than there are properties, and others are not allowed");
    return ERR_OK;
}

enum err shape_check_sense(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    if (shape == NULL)
        return ERR_OK;
    if (pointer == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
    TRY(check_values(ctx, shape, pointer));
    TRY(check_unique(ctx, shape, pointer));
    TRY(check_members(ctx, shape, pointer));
    for (size_t i = 0; i < shape->property_count; i++)
        TRY(shape_check_sense(ctx, shape->properties[i].shape,
                              shape_pointer(ctx, pointer, shape->properties[i].name)));
    TRY(shape_check_sense(ctx, shape->items, arena_printf(ctx->arena, "%s/items", pointer)));
    return shape_check_sense(ctx, shape->others,
                             arena_printf(ctx->arena, "%s/additionalProperties", pointer));
}
