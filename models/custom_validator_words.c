/* What is said about a value by itself: types, numbers, texts, lists of values. */
#include "models/custom_validator_node.h"

#include <string.h>

#include "app/document.h"

#define PATTERN_CHARACTERS 400 /* the database's library recurses for each repetition */
#define DOUBLE_DIGITS      15  /* to which it rounds doubles before it divides */

/* Dates that the service reads, without those at the ends of its range whose offset may leave it.
 */
#define DAY_29_FEBRUARY \
    "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"
#define DAY                                                                                   \
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
    "02-(0[1-9]|1[0-9]|2[0-8]))|" DAY_29_FEBRUARY ")"
#define HOUR         "([01][0-9]|2[0-3])"
#define DATE_PATTERN "^" DAY "$"
#define MOMENT_PATTERN                                         \
    "^(?!0000-01-01.*[+]|9999-12-31.*-..:..$)" DAY "[Tt]" HOUR \
    ":[0-5][0-9]:[0-5][0-9]([.][0-9]+)?([Zz]|[+-]" HOUR ":[0-5][0-9])$"

void validator_put_item(bson_t *array, uint32_t *count, const bson_t *item)
{
    char text[16];
    const char *key = NULL;

    (void)bson_uint32_to_string((*count)++, &key, text, sizeof text);
    (void)bson_append_document(array, key, -1, item);
}

static void also(struct node *node, const bson_t *schema)
{
    validator_put_item(node->all, &node->all_count, schema);
}

static void put_number(bson_t *out, const char *key, const struct number *number)
{
    if (number->real)
        (void)bson_append_double(out, key, -1, number->fraction);
    else
        (void)bson_append_int64(out, key, -1, number->integer);
}

/* ---- types ---- */

void validator_put_types(bson_t *out, unsigned types, bool with_dates)
{
    static const struct {
        unsigned bits;
        const char *name;
    } rows[] = {{SHAPE_NULL, "null"},   {SHAPE_BOOLEAN, "bool"},  {SHAPE_NUMBER, "int"},
                {SHAPE_NUMBER, "long"}, {SHAPE_NUMBER, "double"}, {SHAPE_STRING, "string"},
                {SHAPE_ARRAY, "array"}, {SHAPE_OBJECT, "object"}};
    char text[16];
    const char *key = NULL;
    uint32_t count = 0;
    bson_t list;

    BSON_APPEND_ARRAY_BEGIN(out, "bsonType", &list);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((types & rows[i].bits) == 0)
            continue;
        (void)bson_uint32_to_string(count++, &key, text, sizeof text);
        bson_put_text(&list, key, rows[i].name);
    }
    if (with_dates) {
        (void)bson_uint32_to_string(count++, &key, text, sizeof text);
        bson_put_text(&list, key, "date");
    }
    bson_append_array_end(out, &list);
}

/* ---- numbers ---- */

/* Decimals of a number as it is written; -1 when it has an exponent or too many digits. */
static int decimals_of(struct ctx *ctx, const struct number *number)
{
    struct buf text;

    buf_init(&text, ctx->arena, 64);
    number_put(number, &text);
    if (!buf_ok(&text) || strpbrk(buf_text(&text), "eE") != NULL || text.size > DOUBLE_DIGITS)
        return -1;

    const char *point = strchr(buf_text(&text), '.');

    return point != NULL ? (int)strlen(point + 1) : 0;
}

/* {bsonType: "double", minimum: bound} and its mirror. */
static void put_large(bson_t *any, uint32_t *count, double bound)
{
    AUTO(bson_destroy)
    bson_t *up = BCON_NEW("bsonType", BCON_UTF8("double"), "minimum", BCON_DOUBLE(bound));
    AUTO(bson_destroy)
    bson_t *down = BCON_NEW("bsonType", BCON_UTF8("double"), "maximum", BCON_DOUBLE(-bound));

    validator_put_item(any, count, up);
    validator_put_item(any, count, down);
}

static void put_multiple(struct ctx *ctx, struct node *node, const struct number *of)
{
    AUTO(bson_destroy) bson_t *one = bson_new();
    AUTO(bson_destroy) bson_t *either = bson_new();
    const int decimals = decimals_of(ctx, of);
    double bound = 1;
    uint32_t count = 0;
    bson_t any;

    if (decimals < 0)
        return;
    for (int i = decimals; i < DOUBLE_DIGITS; i++)
        bound *= 10;
    put_number(one, "multipleOf", of);
    BSON_APPEND_ARRAY_BEGIN(either, "anyOf", &any);
    validator_put_item(&any, &count, one);
    put_large(&any, &count, bound);
    bson_append_array_end(either, &any);
    also(node, either);
}

static void put_bound(struct node *node, const struct number *limit, const char *keyword,
                      const char *exclusive)
{
    AUTO(bson_destroy) bson_t *one = bson_new();

    if (!limit->given)
        return;
    put_number(one, keyword, limit);
    if (exclusive != NULL)
        bson_put_bool(one, exclusive, true);
    also(node, one);
}

void validator_put_numbers(struct ctx *ctx, struct node *node, const struct shape *shape)
{
    AUTO(bson_destroy) bson_t *whole = BCON_NEW("multipleOf", BCON_INT32(1));

    if ((shape->types & SHAPE_NUMBER) == 0)
        return;
    if ((shape->types & SHAPE_FRACTION) == 0)
        also(node, whole);
    put_bound(node, &shape->limits[SHAPE_MINIMUM], "minimum", NULL);
    put_bound(node, &shape->limits[SHAPE_MAXIMUM], "maximum", NULL);
    put_bound(node, &shape->limits[SHAPE_ABOVE], "minimum", "exclusiveMinimum");
    put_bound(node, &shape->limits[SHAPE_BELOW], "maximum", "exclusiveMaximum");
    if (shape->limits[SHAPE_MULTIPLE].given)
        put_multiple(ctx, node, &shape->limits[SHAPE_MULTIPLE]);
}

/* ---- texts ---- */

/* Both libraries read these alike; what is left out is not told. */
static bool is_common(const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at == '\\') {
            at++;
            if (*at == '\0' ||
                (strchr("dDwWsSbBtnrf", *at) == NULL && strchr(".\\/-+*?()[]{}^$|", *at) == NULL))
                return false;
        } else if (strncmp(at, "[]", 2) == 0 || strncmp(at, "[^]", 3) == 0 ||
                   strncmp(at, "(?!", 3) == 0) {
            return false;
        }
    }
    return true;
}

static void put_pattern(struct node *node, const char *pattern)
{
    AUTO(bson_destroy)
    bson_t *either = BCON_NEW("anyOf", "[", "{", "pattern", BCON_UTF8(pattern), "}", "{",
                              "minLength", BCON_INT32(PATTERN_CHARACTERS + 1), "}", "]");

    also(node, either);
}

static const char *pattern_of(enum shape_format format)
{
    switch (format) {
    case SHAPE_EMAIL:
        return "^[^@]+@.+$";
    case SHAPE_URI:
        return "^[A-Za-z][A-Za-z0-9+.-]*:.";
    case SHAPE_UUID:
        return "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";
    case SHAPE_DATE:
        return DATE_PATTERN;
    case SHAPE_DATE_TIME:
        return MOMENT_PATTERN;
    case SHAPE_NO_FORMAT:
        break;
    }
    return NULL;
}

void validator_put_texts(struct node *node, const struct shape *shape)
{
    const char *format = pattern_of(shape->format);

    if ((shape->types & SHAPE_STRING) == 0)
        return;
    if (shape->counts[SHAPE_MIN_LENGTH] >= 0)
        bson_put_int(node->out, "minLength", shape->counts[SHAPE_MIN_LENGTH]);
    if (shape->counts[SHAPE_MAX_LENGTH] >= 0)
        bson_put_int(node->out, "maxLength", shape->counts[SHAPE_MAX_LENGTH]);
    if (shape->pattern_text != NULL && is_common(shape->pattern_text))
        put_pattern(node, shape->pattern_text);
    if (format != NULL)
        put_pattern(node, format);
}

/* ---- values ---- */

static bool holds_object(const bson_iter_t *element)
{
    bson_iter_t inner;

    if (BSON_ITER_HOLDS_DOCUMENT(element))
        return true;
    if (!BSON_ITER_HOLDS_ARRAY(element) || !bson_iter_recurse(element, &inner))
        return false;
    while (bson_iter_next(&inner)) {
        if (holds_object(&inner))
            return true;
    }
    return false;
}

static bool has_equal_before(const bson_iter_t *list, const bson_iter_t *element)
{
    bson_iter_t item;

    if (!bson_iter_recurse(list, &item))
        return false;
    while (bson_iter_next(&item) && strcmp(bson_iter_key(&item), bson_iter_key(element)) != 0) {
        if (element_equal(&item, element))
            return true;
    }
    return false;
}

/* {enum: […]} of a list that stands at start; the database takes no value twice. */
static void put_enum(struct node *node, const bson_iter_t *list)
{
    AUTO(bson_destroy) bson_t *one = bson_new();
    char text[16];
    const char *key = NULL;
    uint32_t count = 0;
    bson_iter_t item;
    bson_t values;

    if (holds_object(list) || !bson_iter_recurse(list, &item))
        return;
    BSON_APPEND_ARRAY_BEGIN(one, "enum", &values);
    while (bson_iter_next(&item)) {
        if (has_equal_before(list, &item))
            continue;
        (void)bson_uint32_to_string(count++, &key, text, sizeof text);
        (void)bson_append_iter(&values, key, -1, &item);
    }
    bson_append_array_end(one, &values);
    also(node, one);
}

void validator_put_values(struct node *node, const struct shape *shape)
{
    AUTO(bson_destroy) bson_t *wrapped = bson_new();
    bson_iter_t value;
    bson_t view, list;

    if (shape->values.size > 0 && document_view(&shape->values, &view) &&
        bson_iter_init_find(&value, &view, "v"))
        put_enum(node, &value);
    if (shape->constant.size == 0 || !document_view(&shape->constant, &view) ||
        !bson_iter_init_find(&value, &view, "v"))
        return;
    BSON_APPEND_ARRAY_BEGIN(wrapped, "v", &list);
    (void)bson_append_iter(&list, "0", -1, &value);
    bson_append_array_end(wrapped, &list);
    if (bson_iter_init_find(&value, wrapped, "v"))
        put_enum(node, &value);
}
