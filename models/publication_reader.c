/*
 * While stored forms change, a document may have the old or the new one in each of its fields. What
 * the old version has as it is shown, and the new one as a date or sealed, is told apart by its
 * type: so documents are read by the old version with the new one's forms in those places.
 */
#include "models/publication_internal.h"

#include <stdlib.h>
#include <string.h>

static bool has_own_form(const struct shape *shape)
{
    return shape->is_encrypted || shape->format == SHAPE_DATE || shape->format == SHAPE_DATE_TIME;
}

static const struct shape *member_of(const struct shape *shape, const char *name)
{
    const struct shape_property *property;

    if (shape == NULL)
        return NULL;
    property = shape_find(shape, name);
    return property != NULL ? property->shape : shape->others;
}

static int by_name(const void *a, const void *b)
{
    const struct shape_property *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void note_below(struct shape *reader, const struct shape *below)
{
    if (below == NULL)
        return;
    reader->has_moments = reader->has_moments || below->has_moments;
    reader->has_secrets = reader->has_secrets || below->has_secrets;
}

/* The members that either names. */
static enum err read_members(struct ctx *ctx, const struct shape *from, const struct shape *to,
                             struct shape *reader)
{
    const struct shape *const sides[] = {from, to};
    size_t most = (from != NULL ? from->property_count : 0) + (to != NULL ? to->property_count : 0);

    reader->properties = arena_array(ctx->arena, most + 1, sizeof *reader->properties);
    reader->property_count = 0;
    if (reader->properties == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a shape");
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; sides[side] != NULL && i < sides[side]->property_count; i++) {
            const char *name = sides[side]->properties[i].name;
            struct shape_property *property = &reader->properties[reader->property_count];

            if (side == 1 && from != NULL && shape_find(from, name) != NULL)
                continue;
            property->name = name;
            TRY(publication_reader(ctx, member_of(from, name), member_of(to, name),
                                   &property->shape));
            if (property->shape != NULL)
                reader->property_count++;
        }
    }
    qsort(reader->properties, reader->property_count, sizeof *reader->properties, by_name);
    for (size_t i = 0; i < reader->property_count; i++)
        note_below(reader, reader->properties[i].shape);
    return ERR_OK;
}

enum err publication_reader(struct ctx *ctx, const struct shape *from, const struct shape *to,
                            const struct shape **ret_reader)
{
    static const struct shape anything = {.types = SHAPE_ANY, .counts = {-1, -1, -1, -1, -1, -1}};
    struct shape *reader;

    *ret_reader = from;
    if (to == NULL || (from != NULL && has_own_form(from)))
        return ERR_OK;
    reader = ARENA_NEW(ctx->arena, struct shape);
    if (reader == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a shape");
    *reader = from != NULL ? *from : anything;
    if (has_own_form(to)) {
        reader->format = to->format;
        reader->is_encrypted = reader->has_secrets = to->is_encrypted;
        reader->has_moments = !to->is_encrypted;
    }
    TRY(read_members(ctx, from, to, reader));
    TRY(publication_reader(ctx, from != NULL ? from->items : NULL, to->items, &reader->items));
    TRY(publication_reader(ctx, from != NULL ? from->others : NULL, to->others, &reader->others));
    note_below(reader, reader->items);
    note_below(reader, reader->others);
    *ret_reader = reader;
    return ERR_OK;
}
