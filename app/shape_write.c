/* What a schema says about writing beside validity: who may, and what is there when nobody did. */
#include <string.h>

#include "app/bson_auto.h"
#include "app/document.h"
#include "app/shape.h"

#define POINTER_BYTES 4096 /* that of a property always fits */

static bool same(const bson_iter_t *a, const bson_iter_t *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && element_equal(a, b));
}

/* The member of that name of the object at element (NULL: none). */
static const bson_iter_t *member_of(const bson_iter_t *element, const char *name,
                                    bson_iter_t *space)
{
    return element != NULL && BSON_ITER_HOLDS_DOCUMENT(element) &&
                   bson_iter_recurse(element, space) && bson_iter_find(space, name)
               ? space
               : NULL;
}

static const char *first_foreign(const struct shape *shape, const bson_iter_t *before,
                                 const bson_iter_t *after, enum shape_party party,
                                 struct buf *pointer)
{
    const size_t start = pointer->size;

    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape_property *property = &shape->properties[i];
        bson_iter_t old_space, new_space;
        const bson_iter_t *was = member_of(before, property->name, &old_space);
        const bson_iter_t *is = member_of(after, property->name, &new_space);

        if (!property->shape->has_writers || same(was, is))
            continue;
        pointer->size = start;
        buf_pointer(pointer, property->name, strlen(property->name));
        if (property->shape->write > party || property->shape->read > party)
            return buf_text(pointer);
        if (first_foreign(property->shape, was, is, party, pointer) != NULL)
            return buf_text(pointer);
    }
    return NULL;
}

enum err shape_check_writer(struct ctx *ctx, const struct shape *shape,
                            const struct shape_change *change, const char **ret_pointer)
{
    AUTO(bson_destroy) bson_t *both = bson_new();
    bson_iter_t was, is;
    struct buf pointer;
    bson_t left, right;

    *ret_pointer = NULL;
    if (!shape->has_writers)
        return ERR_OK;
    if (!document_view(change->before, &left) || !document_view(change->after, &right))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    (void)bson_append_document(both, "before", -1, &left);
    (void)bson_append_document(both, "after", -1, &right);
    buf_init(&pointer, ctx->arena, POINTER_BYTES);
    if (bson_iter_init_find(&was, both, "before") && bson_iter_init_find(&is, both, "after"))
        *ret_pointer = first_foreign(shape, &was, &is, change->party, &pointer);
    return pointer.failed ? fail_internal(ctx, ERR_MEMORY, "no memory for a pointer") : ERR_OK;
}

enum err shape_fill(struct ctx *ctx, const struct shape *shape, const struct bytes *document,
                    const struct strs *except, struct bytes *ret_document)
{
    AUTO(bson_destroy) bson_t *filled = NULL;
    bson_t view, standard;
    bson_iter_t value;
    const uint8_t *copy;

    if (!document_view(document, &view))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    filled = bson_copy(&view);
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape_property *property = &shape->properties[i];

        if (except != NULL && strs_has(except, property->name))
            continue;
        if (property->shape->standard.size > 0 && !bson_has_field(filled, property->name) &&
            document_view(&property->shape->standard, &standard) &&
            bson_iter_init_find(&value, &standard, "v"))
            (void)bson_append_iter(filled, property->name, -1, &value);
    }
    copy = arena_memdup(ctx->arena, bson_get_data(filled), filled->len);
    if (copy == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a document");
    *ret_document = (struct bytes){.data = copy, .size = filled->len};
    return ERR_OK;
}
