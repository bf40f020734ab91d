/* From shapes to the database's JSON Schema (draft 4 with bsonType). */
#include "models/custom_validator.h"

#include "app/bson_auto.h"
#include "app/schema.h"
#include "models/custom_validator_node.h"
#include "models/user.h"

#define FIELDS "custom_fields"

static const struct shape anything = {
    .types = SHAPE_ANY,
    .counts = {-1, -1, -1, -1, -1, -1},
};

/* ---- stored forms ---- */

enum form { FORM_PLAIN = 1, FORM_MOMENT, FORM_SECRET };

static bool is_moment(const struct shape *shape)
{
    return shape->format == SHAPE_DATE || shape->format == SHAPE_DATE_TIME;
}

static enum form form_of(const struct shape *shape)
{
    if (shape->is_encrypted)
        return FORM_SECRET;
    return is_moment(shape) ? FORM_MOMENT : FORM_PLAIN;
}

static const struct shape *or_anything(const struct shape *shape)
{
    return shape != NULL ? shape : &anything;
}

static const struct shape *member_of(const struct shape *shape, const char *name)
{
    const struct shape_property *property = shape_find(shape, name);

    return or_anything(property != NULL ? property->shape : shape->others);
}

/* Whether something in it is not stored as it is shown. */
static bool has_other_form(const struct shape *shape)
{
    if (shape == NULL)
        return false;
    if (form_of(shape) != FORM_PLAIN || has_other_form(shape->items) ||
        has_other_form(shape->others))
        return true;
    for (size_t i = 0; i < shape->property_count; i++) {
        if (has_other_form(shape->properties[i].shape))
            return true;
    }
    return false;
}

/* ---- nested ---- */

static bson_t *make_node(struct ctx *ctx, const struct shape *shape, const struct shape *from);

/* {key: the schema of shape} */
static void put_schema(struct ctx *ctx, bson_t *out, const char *key, const struct shape *shape,
                       const struct shape *from)
{
    AUTO(bson_destroy) bson_t *schema = make_node(ctx, shape, from);

    (void)bson_append_document(out, key, -1, schema);
}

static void put_arrays(struct ctx *ctx, struct node *node, const struct shape *shape,
                       const struct shape *from)
{
    if ((shape->types & SHAPE_ARRAY) == 0)
        return;
    if (shape->counts[SHAPE_MIN_ITEMS] >= 0)
        bson_put_int(node->out, "minItems", shape->counts[SHAPE_MIN_ITEMS]);
    if (shape->counts[SHAPE_MAX_ITEMS] >= 0)
        bson_put_int(node->out, "maxItems", shape->counts[SHAPE_MAX_ITEMS]);
    if (shape->unique_items)
        bson_put_bool(node->out, "uniqueItems", true);
    if (shape->items != NULL)
        put_schema(ctx, node->out, "items", shape->items, or_anything(from->items));
}

static void put_required(bson_t *out, const struct strs *names)
{
    char text[16];
    const char *key = NULL;
    bson_t list;

    if (names->count == 0)
        return;
    BSON_APPEND_ARRAY_BEGIN(out, "required", &list);
    for (size_t i = 0; i < names->count; i++) {
        (void)bson_uint32_to_string((uint32_t)i, &key, text, sizeof text);
        bson_put_text(&list, key, names->items[i]);
    }
    bson_append_array_end(out, &list);
}

/* Those that the old version names and this one leaves to additionalProperties. */
static void put_former(struct ctx *ctx, bson_t *properties, const struct shape *shape,
                       const struct shape *from)
{
    for (size_t i = 0; shape->others != NULL && i < from->property_count; i++) {
        const struct shape_property *former = &from->properties[i];

        if (shape_find(shape, former->name) == NULL)
            put_schema(ctx, properties, former->name, shape->others, former->shape);
    }
}

static void put_objects(struct ctx *ctx, struct node *node, const struct shape *shape,
                        const struct shape *from)
{
    bson_t properties;

    if ((shape->types & SHAPE_OBJECT) == 0)
        return;
    put_required(node->out, &shape->required);
    if (shape->counts[SHAPE_LEAST_PROPERTIES] >= 0)
        bson_put_int(node->out, "minProperties", shape->counts[SHAPE_LEAST_PROPERTIES]);
    if (shape->counts[SHAPE_MOST_PROPERTIES] >= 0)
        bson_put_int(node->out, "maxProperties", shape->counts[SHAPE_MOST_PROPERTIES]);
    if (shape->property_count > 0 || shape->others != NULL) {
        BSON_APPEND_DOCUMENT_BEGIN(node->out, "properties", &properties);
        for (size_t i = 0; i < shape->property_count; i++)
            put_schema(ctx, &properties, shape->properties[i].name, shape->properties[i].shape,
                       member_of(from, shape->properties[i].name));
        put_former(ctx, &properties, shape, from);
        bson_append_document_end(node->out, &properties);
    }
    if (shape->closed)
        bson_put_bool(node->out, "additionalProperties", false);
    else if (shape->others != NULL)
        put_schema(ctx, node->out, "additionalProperties", shape->others,
                   or_anything(from->others));
}

/* ---- one node ---- */

/* Everything but the form that the value itself is stored in. */
static bson_t *make_plain(struct ctx *ctx, const struct shape *shape, const struct shape *from)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    struct node node = {.out = bson_new(), .all = all};

    if (shape->types != SHAPE_ANY)
        validator_put_types(node.out, shape->types, false);
    if (!has_other_form(shape))
        validator_put_values(&node, shape);
    validator_put_numbers(ctx, &node, shape);
    validator_put_texts(&node, shape);
    put_arrays(ctx, &node, shape, from);
    put_objects(ctx, &node, shape, from);
    if (node.all_count > 0)
        (void)bson_append_array(node.out, "allOf", -1, all);
    return node.out;
}

/* A moment: texts are dates, so nothing that is about texts applies. */
static bson_t *make_moment(struct ctx *ctx, const struct shape *shape, const struct shape *from)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    struct node node = {.out = bson_new(), .all = all};

    validator_put_types(node.out, shape->types & ~(unsigned)SHAPE_STRING,
                        (shape->types & SHAPE_STRING) != 0);
    validator_put_numbers(ctx, &node, shape);
    put_arrays(ctx, &node, shape, from);
    put_objects(ctx, &node, shape, from);
    if (node.all_count > 0)
        (void)bson_append_array(node.out, "allOf", -1, all);
    return node.out;
}

static bson_t *make_stored(struct ctx *ctx, const struct shape *shape, const struct shape *from)
{
    switch (form_of(shape)) {
    case FORM_SECRET:
        return BCON_NEW("bsonType", BCON_UTF8("binData"));
    case FORM_MOMENT:
        return make_moment(ctx, shape, from);
    case FORM_PLAIN:
        break;
    }
    return make_plain(ctx, shape, from);
}

/* What the old form may be meanwhile: held to the new rules where the database can see them. */
static bson_t *make_old(struct ctx *ctx, const struct shape *shape, const struct shape *from)
{
    switch (form_of(from)) {
    case FORM_SECRET:
        return BCON_NEW("bsonType", BCON_UTF8("binData"));
    case FORM_MOMENT:
        return BCON_NEW("bsonType", BCON_UTF8("date"));
    case FORM_PLAIN:
        break;
    }
    return make_plain(ctx, shape, from);
}

static bson_t *make_node(struct ctx *ctx, const struct shape *shape, const struct shape *from)
{
    bson_t *stored = make_stored(ctx, shape, from);
    bson_t *either;
    uint32_t count = 0;
    bson_t any;

    /* The index of a unique field sees one form alone (publication_steps.c). */
    if (form_of(shape) == form_of(from) || shape->is_unique)
        return stored;

    bson_t *old = make_old(ctx, shape, from);

    either = bson_new();
    BSON_APPEND_ARRAY_BEGIN(either, "anyOf", &any);
    validator_put_item(&any, &count, stored);
    validator_put_item(&any, &count, old);
    bson_append_array_end(either, &any);
    bson_destroy(stored);
    bson_destroy(old);
    return either;
}

/* ---- the whole ---- */

/* Whether a user without custom fields fits. */
static bool takes_nothing(struct ctx *ctx, const struct shape *shape)
{
    struct shape_failures failures = {0};
    const struct bytes none = {0};

    return shape_check(ctx, shape, "", &none, &failures) == ERR_OK && failures.count == 0;
}

bson_t *custom_validator_make(struct ctx *ctx, const struct custom_validator *validator)
{
    const struct shape *shape = or_anything(validator->shape);
    const struct shape *from = validator->is_bridge ? or_anything(validator->from) : shape;
    AUTO(bson_destroy) bson_t *fields = make_node(ctx, shape, from);
    bson_t *out = bson_new();
    bson_t schema, properties, required;

    BSON_APPEND_DOCUMENT_BEGIN(out, "$jsonSchema", &schema);
    if (!takes_nothing(ctx, shape)) {
        BSON_APPEND_ARRAY_BEGIN(&schema, "required", &required);
        bson_put_text(&required, "0", FIELDS);
        bson_append_array_end(&schema, &required);
    }
    BSON_APPEND_DOCUMENT_BEGIN(&schema, "properties", &properties);
    BSON_APPEND_DOCUMENT(&properties, FIELDS, fields);
    bson_append_document_end(&schema, &properties);
    bson_append_document_end(out, &schema);
    return out;
}

bson_t *custom_validator_join(struct ctx *ctx, const struct custom_validator *const *validators,
                              size_t count)
{
    bson_t *base = schema_validator(&user_schema);
    uint32_t items = 0;
    bson_t *out, all;

    if (count == 0 || base == NULL)
        return base;
    out = bson_new();
    BSON_APPEND_ARRAY_BEGIN(out, "$and", &all);
    validator_put_item(&all, &items, base);
    bson_destroy(base);
    for (size_t i = 0; i < count; i++) {
        bson_t *one = custom_validator_make(ctx, validators[i]);

        validator_put_item(&all, &items, one);
        bson_destroy(one);
    }
    bson_append_array_end(out, &all);
    return out;
}

/* ---- gaps ---- */

static bool says_nothing_more(const struct shape *from, const struct shape *to)
{
    for (int i = 0; i < SHAPE_LIMITS; i++) {
        if (to->limits[i].given)
            return false;
    }
    for (int i = 0; i < SHAPE_COUNTS; i++) {
        if (to->counts[i] >= 0)
            return false;
    }
    return (from->types & ~to->types) == 0 && to->pattern_text == NULL &&
           to->format == SHAPE_NO_FORMAT && to->values.size == 0 && to->constant.size == 0 &&
           to->items == NULL && to->others == NULL && !to->closed && !to->unique_items &&
           to->required.count == 0 && to->property_count == 0;
}

/* Between the two kinds of moments nothing is lost: both are dates in the database. */
static bool is_gap(const struct shape *from, const struct shape *to)
{
    return form_of(from) != FORM_PLAIN && form_of(from) != form_of(to) &&
           !says_nothing_more(from, to);
}

static enum err find_gap(struct ctx *ctx, const struct shape *from, const struct shape *to,
                         const char *pointer, const char **ret_pointer)
{
    if (is_gap(from, to)) {
        *ret_pointer = pointer;
        return ERR_OK;
    }
    for (size_t i = 0; i < to->property_count && *ret_pointer == NULL; i++) {
        const char *name = to->properties[i].name;
        const char *here = shape_pointer(ctx, pointer, name);

        if (here == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
        TRY(find_gap(ctx, member_of(from, name), to->properties[i].shape, here, ret_pointer));
    }
    for (size_t i = 0; i < from->property_count && *ret_pointer == NULL; i++) {
        const struct shape_property *former = &from->properties[i];

        if (to->others != NULL && shape_find(to, former->name) == NULL)
            TRY(find_gap(ctx, former->shape, to->others,
                         arena_printf(ctx->arena, "%s/additionalProperties", pointer),
                         ret_pointer));
    }
    if (to->items != NULL && *ret_pointer == NULL)
        TRY(find_gap(ctx, or_anything(from->items), to->items,
                     arena_printf(ctx->arena, "%s/items", pointer), ret_pointer));
    if (to->others != NULL && *ret_pointer == NULL)
        TRY(find_gap(ctx, or_anything(from->others), to->others,
                     arena_printf(ctx->arena, "%s/additionalProperties", pointer), ret_pointer));
    return ERR_OK;
}

enum err custom_validator_gap(struct ctx *ctx, const struct shape *from, const struct shape *to,
                              const char **ret_pointer)
{
    *ret_pointer = NULL;
    return find_gap(ctx, or_anything(from), or_anything(to), "", ret_pointer);
}
