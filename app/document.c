/*
 * Free-form objects into BSON: names and depth are checked while building, members and size on the
 * finished document, so that a merge is held to the same limits as a new object.
 */
#include "app/document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/bson_auto.h"

#define POINTER_MAX ((size_t)512)

/* Where in the object the walk is; on the stack, innermost last. The root's key is the field's
 * name. */
struct place {
    const struct place *up;
    const char *key;
    unsigned depth; /* of the value here: 1 is the object itself */
};

struct walk {
    struct ctx *ctx;
    const struct place *root;
};

/* --- errors --- */

static void put_pointer(struct buf *out, const struct place *place)
{
    if (place == NULL)
        return;
    put_pointer(out, place->up);
    buf_pointer(out, place->key, strlen(place->key));
}

/* RFC 6901; of a place too long to show, the nearest one above it that is not. */
static const char *pointer_to(struct ctx *ctx, const struct place *place)
{
    for (; place != NULL; place = place->up) {
        struct buf out;

        buf_init(&out, ctx->arena, POINTER_MAX);
        put_pointer(&out, place);
        if (buf_ok(&out))
            return buf_text(&out);
    }
    return NULL;
}

static enum err refuse(struct walk *walk, const struct place *place, const char *sentence)
{
    const char *pointer = pointer_to(walk->ctx, place);

    return fail(walk->ctx, ERR_CUSTOM_FIELDS, pointer, "%s %s",
                pointer != NULL ? pointer : walk->root->key, sentence);
}

static enum err no_room(struct walk *walk)
{
    return fail_internal(walk->ctx, ERR_MEMORY, "no memory for a document");
}

/* --- building --- */

static enum err check_name(struct walk *walk, const struct place *place)
{
    const char *name = place->key;

    if (name[0] == '\0')
        return refuse(walk, place, "has an empty name; names have at least one character");
    if (name[0] == '$')
        return refuse(walk, place, "must not begin with \"$\"");
    if (strchr(name, '.') != NULL)
        return refuse(walk, place, "must not have a dot in its name; nest an object instead");
    if (strcmp(name, "__proto__") == 0 || strcmp(name, "constructor") == 0 ||
        strcmp(name, "prototype") == 0)
        return refuse(walk, place, "has a name that is not allowed");
    return ERR_OK;
}

static enum err check_depth(struct walk *walk, const struct place *place)
{
    if (place->depth > DOCUMENT_MAX_DEPTH)
        return refuse(walk, place,
                      "is nested too deep; 5 levels of objects and arrays are allowed");
    return ERR_OK;
}

static enum err append_value(struct walk *walk, bson_t *out, const struct value *value,
                             const struct place *place);

static enum err append_members(struct walk *walk, bson_t *out, const struct value *object,
                               const struct place *place)
{
    TRY(check_depth(walk, place));
    for (size_t i = 0; i < object->object.count; i++) {
        const struct member *member = &object->object.members[i];
        struct place here = {.up = place, .key = member->name, .depth = place->depth + 1};

        TRY(check_name(walk, &here));
        TRY(append_value(walk, out, &member->value, &here));
    }
    return ERR_OK;
}

static enum err append_items(struct walk *walk, bson_t *out, const struct value *array,
                             const struct place *place)
{
    TRY(check_depth(walk, place));
    for (size_t i = 0; i < array->array.count; i++) {
        char digits[16];
        struct place here = {.up = place, .key = digits, .depth = place->depth + 1};

        snprintf(digits, sizeof digits, "%u", (unsigned)i);
        TRY(append_value(walk, out, &array->array.items[i], &here));
    }
    return ERR_OK;
}

static enum err append_nested(struct walk *walk, bson_t *out, const struct value *value,
                              const struct place *place)
{
    bool is_object = value->type == VALUE_OBJECT;
    enum err result;
    bson_t child;

    if (is_object ? !bson_append_document_begin(out, place->key, -1, &child)
                  : !bson_append_array_begin(out, place->key, -1, &child))
        return no_room(walk);
    result = is_object ? append_members(walk, &child, value, place)
                       : append_items(walk, &child, value, place);

    /* Ended after an error too: libbson's child borrows the parent's memory. */
    bool ended =
        is_object ? bson_append_document_end(out, &child) : bson_append_array_end(out, &child);
    if (result == ERR_OK && !ended)
        return no_room(walk);
    return result;
}

static enum err append_string(struct walk *walk, bson_t *out, const struct value *value,
                              const struct place *place)
{
    if (value->string.length > DOCUMENT_MAX_BYTES)
        return refuse(walk, place, "is too long; custom fields may have 16 KiB in all");
    if (!bson_append_utf8(out, place->key, -1, value->string.text, (int)value->string.length))
        return no_room(walk);
    return ERR_OK;
}

static enum err append_value(struct walk *walk, bson_t *out, const struct value *value,
                             const struct place *place)
{
    bool appended = false;

    switch (value->type) {
    case VALUE_NULL:
        appended = bson_append_null(out, place->key, -1);
        break;
    case VALUE_BOOL:
        appended = bson_append_bool(out, place->key, -1, value->boolean);
        break;
    case VALUE_INT:
        appended = bson_append_int64(out, place->key, -1, value->integer);
        break;
    case VALUE_REAL:
        if (!isfinite(value->real))
            return refuse(walk, place, "must be a finite number");
        appended = bson_append_double(out, place->key, -1, value->real);
        break;
    case VALUE_STRING:
        return append_string(walk, out, value, place);
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        return append_nested(walk, out, value, place);
    case VALUE_UNSET:
        return refuse(walk, place, "has no value");
    }
    return appended ? ERR_OK : no_room(walk);
}

/* --- limits of the whole --- */

static enum err refuse_total(struct walk *walk, const char *what, size_t allowed, size_t seen)
{
    return fail(walk->ctx, ERR_CUSTOM_FIELDS, pointer_to(walk->ctx, walk->root),
                "%s may have %zu %s in all; it has %zu", walk->root->key, allowed, what, seen);
}

static enum err check_limits(struct walk *walk, const bson_t *document)
{
    struct document_cost cost;

    document_measure(document, &cost);
    if (cost.members > DOCUMENT_MAX_MEMBERS)
        return refuse_total(walk, "members, nested ones counted,", DOCUMENT_MAX_MEMBERS,
                            cost.members);
    if (cost.bytes > DOCUMENT_MAX_BYTES)
        return refuse_total(walk, "bytes of JSON text", DOCUMENT_MAX_BYTES, cost.bytes);
    return ERR_OK;
}

static enum err finish(struct walk *walk, const bson_t *document, struct bytes *ret_document)
{
    TRY(check_limits(walk, document));

    const uint8_t *copy = arena_memdup(walk->ctx->arena, bson_get_data(document), document->len);
    if (copy == NULL)
        return no_room(walk);
    *ret_document = (struct bytes){.data = copy, .size = document->len};
    return ERR_OK;
}

enum err document_from_value(struct ctx *ctx, const char *field, const struct value *value,
                             struct bytes *ret_document)
{
    struct place root = {.key = field, .depth = 1};
    struct walk walk = {.ctx = ctx, .root = &root};
    AUTO(bson_destroy) bson_t *document = NULL;

    if (value->type != VALUE_OBJECT)
        return fail(ctx, ERR_CUSTOM_FIELDS, pointer_to(ctx, &root), "%s must be an object, not %s",
                    field, value_type_name(value->type));
    document = bson_new();
    TRY(append_members(&walk, document, value, &root));
    return finish(&walk, document, ret_document);
}

/* --- merging (RFC 7396) --- */

static enum err merge(struct walk *walk, bson_t *out, const bson_t *target,
                      const struct value *patch, const struct place *place);

/* One member of the patch onto what stands there now (NULL: nothing), which is no deletion. */
static enum err merge_member(struct walk *walk, bson_t *out, const bson_iter_t *current,
                             const struct value *patch, const struct place *place)
{
    bson_t target = BSON_INITIALIZER;
    const uint8_t *data;
    uint32_t size;
    bson_t child;

    if (patch->type != VALUE_OBJECT)
        return append_value(walk, out, patch, place);
    if (current != NULL && BSON_ITER_HOLDS_DOCUMENT(current)) {
        bson_iter_document(current, &size, &data);
        if (!bson_init_static(&target, data, size))
            return fail_internal(walk->ctx, ERR_INTERNAL, "a stored document is not valid BSON");
    }
    if (!bson_append_document_begin(out, place->key, -1, &child))
        return no_room(walk);

    enum err result = merge(walk, &child, &target, patch, place);
    bool ended = bson_append_document_end(out, &child);
    if (result == ERR_OK && !ended)
        return no_room(walk);
    return result;
}

/* What the target has, changed by the patch. */
static enum err merge_present(struct walk *walk, bson_t *out, const bson_t *target,
                              const struct value *patch, const struct place *place)
{
    bson_iter_t iter;

    if (!bson_iter_init(&iter, target))
        return fail_internal(walk->ctx, ERR_INTERNAL, "a stored document is not valid BSON");
    while (bson_iter_next(&iter)) {
        struct place here = {.up = place, .key = bson_iter_key(&iter), .depth = place->depth + 1};
        const struct value *change = value_get(patch, here.key);

        if (change == NULL && !bson_append_iter(out, here.key, -1, &iter))
            return no_room(walk);
        if (change != NULL && change->type != VALUE_NULL)
            TRY(merge_member(walk, out, &iter, change, &here));
    }
    return ERR_OK;
}

static enum err merge(struct walk *walk, bson_t *out, const bson_t *target,
                      const struct value *patch, const struct place *place)
{
    TRY(check_depth(walk, place));
    TRY(merge_present(walk, out, target, patch, place));
    for (size_t i = 0; i < patch->object.count; i++) {
        const struct member *member = &patch->object.members[i];
        struct place here = {.up = place, .key = member->name, .depth = place->depth + 1};
        bson_iter_t found;

        TRY(check_name(walk, &here));
        if (member->value.type == VALUE_NULL || bson_iter_init_find(&found, target, member->name))
            continue;
        TRY(merge_member(walk, out, NULL, &member->value, &here));
    }
    return ERR_OK;
}

enum err document_merge(struct ctx *ctx, const char *field, const struct bytes *document,
                        const struct value *patch, struct bytes *ret_document)
{
    struct place root = {.key = field, .depth = 1};
    struct walk walk = {.ctx = ctx, .root = &root};
    AUTO(bson_destroy) bson_t *merged = NULL;
    bson_t target;

    if (patch->type != VALUE_OBJECT)
        return fail(ctx, ERR_CUSTOM_FIELDS, pointer_to(ctx, &root), "%s must be an object, not %s",
                    field, value_type_name(patch->type));
    if (!document_view(document, &target))
        return fail_internal(ctx, ERR_INTERNAL, "a stored document is not valid BSON");
    merged = bson_new();
    TRY(merge(&walk, merged, &target, patch, &root));
    return finish(&walk, merged, ret_document);
}

enum err document_check(struct ctx *ctx, const char *field, const struct bytes *document)
{
    struct place root = {.key = field, .depth = 1};
    struct walk walk = {.ctx = ctx, .root = &root};
    bson_t view;

    if (!document_view(document, &view))
        return fail_internal(ctx, ERR_INTERNAL, "a stored document is not valid BSON");
    return check_limits(&walk, &view);
}

bool document_view(const struct bytes *document, bson_t *ret_view)
{
    static const uint8_t empty[] = {5, 0, 0, 0, 0};
    size_t offset;

    if (document->data == NULL || document->size == 0)
        return bson_init_static(ret_view, empty, sizeof empty);
    return bson_init_static(ret_view, document->data, document->size) &&
           bson_validate(ret_view, BSON_VALIDATE_NONE, &offset);
}
