/* One walk over a document against its shape, which collects what is wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/document.h"
#include "app/shape_internal.h"
#include "app/text.h"

#define MESSAGE_BYTES 600
#define SHOWN_VALUES  20

struct walk {
    struct ctx *ctx;
    const char *prefix;
    struct matcher *matcher; /* made for the first pattern */
    struct shape_failures *failures;
    enum err result;
};

const struct shape_property *shape_find(const struct shape *shape, const char *name)
{
    size_t low = 0, high = shape->property_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, shape->properties[middle].name);

        if (order == 0)
            return &shape->properties[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

enum err shape_ordered(struct ctx *ctx, const struct shape *shape,
                       const struct shape_property ***ret_properties)
{
    const struct shape_property **ordered =
        arena_array(ctx->arena, shape->property_count + 1, sizeof *ordered);

    if (ordered == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for properties");
    for (size_t i = 0; i < shape->property_count; i++)
        ordered[shape->properties[i].position] = &shape->properties[i];
    *ret_properties = ordered;
    return ERR_OK;
}

/* ---- telling ---- */

static void tell(struct walk *walk, const struct place *place, const char *keyword,
                 const char *message)
{
    struct shape_failures *failures = walk->failures;
    struct shape_failure *failure;

    if (++failures->count > SHAPE_MAX_FAILURES)
        return;
    if (failures->items == NULL)
        failures->items =
            arena_array(walk->ctx->arena, SHAPE_MAX_FAILURES, sizeof *failures->items);
    if (failures->items == NULL || message == NULL) {
        walk->result = fail_internal(walk->ctx, ERR_MEMORY, "no memory for failures");
        return;
    }
    failure = &failures->items[failures->count - 1];
    *failure = (struct shape_failure){.pointer = place_pointer(walk->ctx, walk->prefix, place),
                                      .keyword = keyword,
                                      .message = message};
    if (failure->pointer == NULL)
        walk->result = fail_internal(walk->ctx, ERR_MEMORY, "no memory for failures");
}

static void tell_count(struct walk *walk, const struct place *place, const char *keyword,
                       const char *format, int64_t count)
{
    struct buf out;

    buf_init(&out, walk->ctx->arena, MESSAGE_BYTES);
    buf_puts(&out, format);
    buf_int(&out, count);
    tell(walk, place, keyword, buf_text(&out));
}

/* ---- types ---- */

static unsigned type_of(const bson_iter_t *element)
{
    const struct number number = number_of(element);

    if (number.given)
        return number.real && number.fraction != floor(number.fraction) ? SHAPE_FRACTION
                                                                        : SHAPE_INTEGER;
    if (BSON_ITER_HOLDS_UTF8(element))
        return SHAPE_STRING;
    if (BSON_ITER_HOLDS_BOOL(element))
        return SHAPE_BOOLEAN;
    if (BSON_ITER_HOLDS_NULL(element))
        return SHAPE_NULL;
    if (BSON_ITER_HOLDS_DOCUMENT(element))
        return SHAPE_OBJECT;
    return BSON_ITER_HOLDS_ARRAY(element) ? SHAPE_ARRAY : 0;
}

static void tell_type(struct walk *walk, const struct place *place, unsigned allowed)
{
    static const struct {
        unsigned bits;
        const char *words;
    } names[] = {
        {SHAPE_STRING, "a string"},    {SHAPE_NUMBER, "a number"},
        {SHAPE_INTEGER, "an integer"}, {SHAPE_BOOLEAN, "true or false"},
        {SHAPE_OBJECT, "an object"},   {SHAPE_ARRAY, "an array"},
        {SHAPE_NULL, "null"},
    };
    struct buf out;

    buf_init(&out, walk->ctx->arena, MESSAGE_BYTES);
    buf_puts(&out, "must be ");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].bits == 0 || (allowed & names[i].bits) != names[i].bits)
            continue;
        allowed &= ~names[i].bits;
        buf_puts(&out, names[i].words);
        buf_puts(&out, allowed != 0 ? " or " : "");
    }
    tell(walk, place, "type", buf_text(&out));
}

/* ---- values ---- */

static bool wrapped(const struct bytes *value, bson_iter_t *ret_element)
{
    bson_t view;

    return value->size > 0 && document_view(value, &view) &&
           bson_iter_init_find(ret_element, &view, "v");
}

static bool is_among(const bson_iter_t *list, const bson_iter_t *element)
{
    bson_iter_t item;

    if (!bson_iter_recurse(list, &item))
        return false;
    while (bson_iter_next(&item)) {
        if (element_equal(&item, element))
            return true;
    }
    return false;
}

/* "must be one of …", as many of them as fit. */
static void tell_values(struct walk *walk, const struct place *place, const bson_iter_t *list)
{
    struct buf out, one;
    bson_iter_t item;
    size_t shown = 0;

    buf_init(&out, walk->ctx->arena, MESSAGE_BYTES);
    buf_puts(&out, "must be one of ");
    for (bool more = bson_iter_recurse(list, &item) && bson_iter_next(&item); more;
         more = bson_iter_next(&item)) {
        buf_init(&one, walk->ctx->arena, MESSAGE_BYTES / 4);
        document_element_to_json(&item, &one);
        if (shown == SHOWN_VALUES || !buf_ok(&one) || out.size + one.size + 8 > MESSAGE_BYTES) {
            buf_puts(&out, ", …");
            break;
        }
        buf_puts(&out, shown++ > 0 ? ", " : "");
        buf_add(&out, one.data, one.size);
    }
    tell(walk, place, "enum", buf_text(&out));
}

static void check_values(struct walk *walk, const struct shape *shape, const struct place *place,
                         const bson_iter_t *element)
{
    bson_iter_t value;
    struct buf out;

    if (wrapped(&shape->values, &value) && !is_among(&value, element))
        tell_values(walk, place, &value);
    if (!wrapped(&shape->constant, &value) || element_equal(&value, element))
        return;
    buf_init(&out, walk->ctx->arena, MESSAGE_BYTES);
    buf_puts(&out, "must be ");
    document_element_to_json(&value, &out);
    tell(walk, place, "const", buf_ok(&out) ? buf_text(&out) : "must be the one allowed value");
}

/* ---- numbers ---- */

static void tell_limit(struct walk *walk, const struct place *place, int which,
                       const struct number *limit)
{
    static const struct {
        const char *keyword, *words;
    } texts[SHAPE_LIMITS] = {
        [SHAPE_MINIMUM] = {"minimum", "must be at least "},
        [SHAPE_MAXIMUM] = {"maximum", "must be at most "},
        [SHAPE_ABOVE] = {"exclusiveMinimum", "must be greater than "},
        [SHAPE_BELOW] = {"exclusiveMaximum", "must be less than "},
        [SHAPE_MULTIPLE] = {"multipleOf", "must be a multiple of "},
    };
    struct buf out;

    buf_init(&out, walk->ctx->arena, MESSAGE_BYTES);
    buf_puts(&out, texts[which].words);
    number_put(limit, &out);
    tell(walk, place, texts[which].keyword, buf_text(&out));
}

static bool is_within(const struct number *number, int which, const struct number *limit)
{
    const int order = number_compare(number, limit);

    switch (which) {
    case SHAPE_MINIMUM:
        return order >= 0;
    case SHAPE_MAXIMUM:
        return order <= 0;
    case SHAPE_ABOVE:
        return order > 0;
    case SHAPE_BELOW:
        return order < 0;
    default:
        return number_is_multiple(number, limit);
    }
}

static void check_number(struct walk *walk, const struct shape *shape, const struct place *place,
                         const bson_iter_t *element)
{
    const struct number number = number_of(element);

    for (int i = 0; i < SHAPE_LIMITS; i++) {
        if (shape->limits[i].given && !is_within(&number, i, &shape->limits[i]))
            tell_limit(walk, place, i, &shape->limits[i]);
    }
}

/* ---- texts ---- */

static void check_pattern(struct walk *walk, const struct shape *shape, const struct place *place,
                          const bson_iter_t *element)
{
    uint32_t length = 0;
    const char *text = bson_iter_utf8(element, &length);
    enum match match = MATCH_UNSET;

    if (walk->matcher == NULL)
        walk->result = matcher_new(walk->ctx, &walk->matcher);
    if (walk->result == ERR_OK)
        walk->result = pattern_match(walk->matcher, shape->pattern, text, length, &match);
    if (walk->result != ERR_OK || match == MATCH_YES)
        return;
    if (match == MATCH_TOO_LONG)
        tell(walk, place, "pattern", "is too long for its pattern; 4096 bytes are allowed");
    else if (match == MATCH_TOO_COSTLY)
        tell(walk, place, "pattern", "takes too long to compare with its pattern");
    else
        tell(walk, place, "pattern",
             arena_printf(walk->ctx->arena, "must match the pattern %s", shape->pattern_text));
}

static void check_text(struct walk *walk, const struct shape *shape, const struct place *place,
                       const bson_iter_t *element)
{
    const char *text = bson_iter_utf8(element, NULL);
    const int64_t least = shape->counts[SHAPE_MIN_LENGTH], most = shape->counts[SHAPE_MAX_LENGTH];
    const char *problem = shape_format_check(shape->format, text);

    if (least >= 0 || most >= 0) {
        const int64_t length = (int64_t)text_code_points(text);

        if (least >= 0 && length < least)
            tell_count(walk, place, "minLength",
                       "is too short; least number of characters: ", least);
        if (most >= 0 && length > most)
            tell_count(walk, place, "maxLength",
                       "is too long; greatest number of characters: ", most);
    }
    if (shape->pattern != NULL)
        check_pattern(walk, shape, place, element);
    if (problem != NULL)
        tell(walk, place, "format", problem);
}

/* ---- arrays ---- */

static void check_element(struct walk *walk, const struct shape *shape, const struct place *place,
                          const bson_iter_t *element);

/* Iterators are large and aligned; an offset is enough to make one again. */
struct summed {
    uint64_t sum;
    uint32_t offset, key_length;
};

struct elements {
    const uint8_t *data;
    uint32_t size;
};

static int by_sum(const void *a, const void *b)
{
    const struct summed *left = a, *right = b;

    return (left->sum > right->sum) - (left->sum < right->sum);
}

static bool are_equal(const struct elements *array, const struct summed *a, const struct summed *b)
{
    bson_iter_t left, right;

    return bson_iter_init_from_data_at_offset(&left, array->data, array->size, a->offset,
                                              a->key_length) &&
           bson_iter_init_from_data_at_offset(&right, array->data, array->size, b->offset,
                                              b->key_length) &&
           element_equal(&left, &right);
}

static bool has_equal(const struct elements *array, const struct summed *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count && items[j].sum == items[i].sum; j++) {
            if (are_equal(array, &items[i], &items[j]))
                return true;
        }
    }
    return false;
}

static void check_unique(struct walk *walk, const struct place *place, const bson_iter_t *element,
                         size_t count)
{
    struct summed *items = arena_array(walk->ctx->arena, count, sizeof *items);
    struct elements array = {0};
    bson_iter_t item;

    if (items == NULL) {
        walk->result = fail_internal(walk->ctx, ERR_MEMORY, "no memory for an array");
        return;
    }
    bson_iter_array(element, &array.size, &array.data);
    (void)bson_iter_recurse(element, &item);
    for (size_t i = 0; i < count && bson_iter_next(&item); i++)
        items[i] = (struct summed){.sum = element_hash(&item),
                                   .offset = bson_iter_offset(&item),
                                   .key_length = bson_iter_key_len(&item)};
    qsort(items, count, sizeof *items, by_sum);
    if (has_equal(&array, items, count))
        tell(walk, place, "uniqueItems", "must not have two equal items");
}

static void check_array(struct walk *walk, const struct shape *shape, const struct place *place,
                        const bson_iter_t *element)
{
    const int64_t least = shape->counts[SHAPE_MIN_ITEMS], most = shape->counts[SHAPE_MAX_ITEMS];
    bson_iter_t item;
    size_t count = 0;

    if (!bson_iter_recurse(element, &item))
        return;
    for (; walk->result == ERR_OK && bson_iter_next(&item); count++) {
        char digits[16];
        const struct place here = {.up = place, .key = digits};

        snprintf(digits, sizeof digits, "%zu", count);
        if (shape->items != NULL)
            check_element(walk, shape->items, &here, &item);
    }
    if (least >= 0 && (int64_t)count < least)
        tell_count(walk, place, "minItems", "has too few items; least number: ", least);
    if (most >= 0 && (int64_t)count > most)
        tell_count(walk, place, "maxItems", "has too many items; greatest number: ", most);
    if (shape->unique_items && count > 1)
        check_unique(walk, place, element, count);
}

/* ---- objects ---- */

static void check_member(struct walk *walk, const struct shape *shape, const struct place *place,
                         const bson_iter_t *member)
{
    const struct shape_property *property = shape_find(shape, place->key);

    if (property != NULL)
        check_element(walk, property->shape, place, member);
    else if (shape->closed)
        tell(walk, place, "additionalProperties", "is no field of this schema");
    else if (shape->others != NULL)
        check_element(walk, shape->others, place, member);
}

static void check_presence(struct walk *walk, const struct shape *shape, const struct place *place,
                           const bson_iter_t *object)
{
    for (size_t i = 0; i < shape->required.count; i++) {
        const struct place here = {.up = place, .key = shape->required.items[i]};
        bson_iter_t found = *object;

        if (!bson_iter_find(&found, here.key))
            tell(walk, &here, "required", "is required");
    }
}

/* start stands before the first member. */
static void check_members(struct walk *walk, const struct shape *shape, const struct place *place,
                          const bson_iter_t *start)
{
    const int64_t least = shape->counts[SHAPE_LEAST_PROPERTIES];
    const int64_t most = shape->counts[SHAPE_MOST_PROPERTIES];
    bson_iter_t member = *start;
    int64_t count = 0;

    for (; walk->result == ERR_OK && bson_iter_next(&member); count++) {
        const struct place here = {.up = place, .key = bson_iter_key(&member)};

        check_member(walk, shape, &here, &member);
    }
    check_presence(walk, shape, place, start);
    if (least >= 0 && count < least)
        tell_count(walk, place, "minProperties", "has too few members; least number: ", least);
    if (most >= 0 && count > most)
        tell_count(walk, place, "maxProperties", "has too many members; greatest number: ", most);
}

static void check_element(struct walk *walk, const struct shape *shape, const struct place *place,
                          const bson_iter_t *element)
{
    const unsigned type = type_of(element);
    bson_iter_t inner;

    if ((shape->types & type) == 0)
        tell_type(walk, place, shape->types);
    check_values(walk, shape, place, element);
    if ((type & SHAPE_NUMBER) != 0)
        check_number(walk, shape, place, element);
    else if (type == SHAPE_STRING)
        check_text(walk, shape, place, element);
    else if (type == SHAPE_ARRAY)
        check_array(walk, shape, place, element);
    else if (type == SHAPE_OBJECT && bson_iter_recurse(element, &inner))
        check_members(walk, shape, place, &inner);
}

enum err shape_check(struct ctx *ctx, const struct shape *shape, const char *prefix,
                     const struct bytes *document, struct shape_failures *ret_failures)
{
    struct walk walk = {.ctx = ctx, .prefix = prefix, .failures = ret_failures};
    bson_t view, whole = BSON_INITIALIZER;
    bson_iter_t element;

    *ret_failures = (struct shape_failures){0};
    if (!document_view(document, &view))
        return fail_internal(ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    /* The root is an element too: enum, const and type are about it as about any other. */
    (void)bson_append_document(&whole, "v", 1, &view);
    if (bson_iter_init_find(&element, &whole, "v"))
        check_element(&walk, shape, NULL, &element);
    bson_destroy(&whole);
    return walk.result;
}
