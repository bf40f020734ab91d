/* What users of this tenant can be searched by. */
#include "handlers/console_search.h"

#include <string.h>

#include "app/filter.h"
#include "handlers/pages_schema.h"
#include "models/custom_schema.h"

#define FIELDS_MAX (SHAPE_MAX_PROPERTIES + 16)
#define DEPTH_MAX  5

struct finder {
    struct ctx *ctx;
    struct search_field *fields;
    size_t count;
};

static enum err add(struct finder *finder, const char *name, const struct shape *shape,
                    const char *label)
{
    struct search_field *field = &finder->fields[finder->count];
    enum err found;

    if (name == NULL || label == NULL)
        return ERR_MEMORY;
    found = user_field_find(finder->ctx, name, &field->field);
    fail_clear(finder->ctx);
    if (found == ERR_NOT_FOUND || found == ERR_FORBIDDEN)
        return ERR_OK;
    TRY(found);
    field->shape = shape;
    field->label = label;
    finder->count++;
    return ERR_OK;
}

/* Names that the language has no words for can be read elsewhere, but not asked for. */
static bool can_be_said(struct ctx *ctx, const char *name)
{
    const struct filter *filter = NULL;
    const char *text = arena_printf(ctx->arena, "%s pr", name);
    const bool said = text != NULL && strchr(name, ',') == NULL &&
                      filter_parse(ctx, text, &filter) == ERR_OK &&
                      filter->kind == FILTER_COMPARISON && strcmp(filter->path, name) == 0;

    fail_clear(ctx);
    return said;
}

static enum err add_members(struct finder *finder, const struct shape *shape, const char *prefix,
                            unsigned depth);

static enum err add_member(struct finder *finder, const struct shape_property *property,
                           const char *prefix, unsigned depth)
{
    struct ctx *ctx = finder->ctx;
    const char *name = arena_printf(ctx->arena, "%s%s", prefix, property->name);
    const bool is_object = (property->shape->types & (unsigned)~SHAPE_NULL) == SHAPE_OBJECT;

    if (name == NULL)
        return ERR_MEMORY;
    if (is_object)
        return add_members(finder, property->shape, arena_printf(ctx->arena, "%s.", name),
                           depth + 1);
    return can_be_said(ctx, name) ? add(finder, name, property->shape,
                                        schema_form_label(ctx, property->shape, property->name))
                                  : ERR_OK;
}

static enum err add_members(struct finder *finder, const struct shape *shape, const char *prefix,
                            unsigned depth)
{
    const struct shape_property **ordered = NULL;

    if (prefix == NULL)
        return ERR_MEMORY;
    if (depth > DEPTH_MAX)
        return ERR_OK;
    TRY(shape_ordered(finder->ctx, shape, &ordered));
    for (size_t i = 0; i < shape->property_count; i++)
        TRY(add_member(finder, ordered[i], prefix, depth));
    return ERR_OK;
}

static bool is_told_twice(const struct finder *finder, size_t which)
{
    for (size_t i = 0; i < finder->count; i++) {
        if (i != which && strcmp(finder->fields[i].label, finder->fields[which].label) == 0)
            return true;
    }
    return false;
}

/* Two cities, or a "Name" of the tenant's own, are told apart by what a filter calls them. */
static enum err tell_apart(struct finder *finder, size_t first_custom)
{
    const char **labels = arena_array(finder->ctx->arena, finder->count + 1, sizeof *labels);

    if (labels == NULL)
        return ERR_MEMORY;
    for (size_t i = first_custom; i < finder->count; i++) {
        const struct search_field *field = &finder->fields[i];

        labels[i] = is_told_twice(finder, i) ? arena_printf(finder->ctx->arena, "%s (%s)",
                                                            field->label, field->field.name)
                                             : field->label;
        if (labels[i] == NULL)
            return ERR_MEMORY;
    }
    for (size_t i = first_custom; i < finder->count; i++)
        finder->fields[i].label = labels[i];
    return ERR_OK;
}

enum err console_search_fields(struct request *req, struct list *ret_fields)
{
    static const char *const members[][2] = {
        {"username", "User name"},
        {"email", "E-mail"},
        {"name", "Name"},
        {"role", "Role"},
        {"is_active", "Active"},
        {"is_email_verified", "E-mail verified"},
        {"created_at", "Member since"},
        {"updated_at", "Changed"},
        {"last_login_at", "Last sign-in"},
        {"id", "Id"},
    };
    struct finder finder = {.ctx = &req->ctx};
    const struct shape *shape = NULL;
    const enum err found = custom_schema_shape(&req->ctx, &shape);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    finder.fields = arena_array(req->ctx.arena, FIELDS_MAX, sizeof *finder.fields);
    if (finder.fields == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        TRY(add(&finder, members[i][0], NULL, members[i][1]));

    const size_t first_custom = finder.count;

    if (shape != NULL)
        TRY(add_members(&finder, shape, "custom_fields.", 1));
    TRY(tell_apart(&finder, first_custom));
    *ret_fields = (struct list){.items = finder.fields, .count = finder.count};
    return ERR_OK;
}

const struct search_field *console_search_find(const struct list *fields, const char *name)
{
    const struct search_field *items = fields->items;

    for (size_t i = 0; i < fields->count; i++) {
        if (strcmp(items[i].field.name, name) == 0)
            return &items[i];
    }
    return NULL;
}
