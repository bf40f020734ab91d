/* Checked comparisons as query documents. */
#include <string.h>

#include "models/user_filter.h"
#include "models/user_standing.h"

/* Types of the database that a value can have: a list is none, its elements are the values. */
static const uint8_t stored_types[] = {1, 2, 3, 5, 8, 9, 10, 16, 18, 19};
#define STORED_TEXT 2
#define STORED_NULL 10

struct writer {
    struct ctx *ctx;
    const struct user_filter *comparison;
    bool ignores_case; /* the query does, whatever this field */
    bool is_of_choice; /* a part of user_standing_is_choice, behind which the other member stands */
};

static enum err no_memory(const struct writer *writer)
{
    return fail_internal(writer->ctx, ERR_MEMORY, "no memory for a filter");
}

/* ---- pieces ---- */

/* Texts of this comparison are to be compared exactly in a query whose comparisons are not. */
static bool needs_pattern(const struct writer *writer)
{
    return writer->ignores_case && !writer->comparison->field.ignores_case &&
           writer->comparison->value.type == USER_VALUE_TEXT;
}

/* Every character that could mean something means itself. */
static void put_quoted(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const bool is_plain = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
                              (*text >= 'A' && *text <= 'Z') || (unsigned char)*text >= 0x80;

        if (!is_plain)
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

/* before, the value quoted, after. */
static const char *pattern_of(const struct writer *writer, const char *before, const char *after)
{
    const char *text = writer->comparison->value.text;
    struct buf out;

    buf_init(&out, writer->ctx->arena, 2 * strlen(text) + 16);
    buf_puts(&out, before);
    put_quoted(&out, text);
    buf_puts(&out, after);
    return buf_text(&out);
}

/* {element: {$regex: …}} */
static enum err put_pattern(const struct writer *writer, const char *pattern, const char *options,
                            bson_t *out)
{
    bson_t range;

    if (pattern == NULL)
        return no_memory(writer);
    bson_append_document_begin(out, writer->comparison->field.element, -1, &range);
    (void)bson_append_regex(&range, "$regex", -1, pattern, options);
    bson_append_document_end(out, &range);
    return ERR_OK;
}

static void put_operator(const struct writer *writer, const char *operator, bson_t * out)
{
    bson_t range;

    bson_append_document_begin(out, writer->comparison->field.element, -1, &range);
    user_value_put(&range, operator, & writer->comparison->value);
    bson_append_document_end(out, &range);
}

static bool is_number(uint8_t type)
{
    return type == 1 || type == 16 || type == 18 || type == 19;
}

static bool is_of(uint8_t type, enum user_value_type value)
{
    switch (value) {
    case USER_VALUE_NULL:
        return type == STORED_NULL;
    case USER_VALUE_BOOL:
        return type == 8;
    case USER_VALUE_INT:
    case USER_VALUE_REAL:
        return is_number(type);
    case USER_VALUE_TEXT:
        return type == STORED_TEXT;
    case USER_VALUE_TIME:
        return type == 9;
    case USER_VALUE_ID:
        return type == 5;
    case USER_VALUE_UNSET:
        break;
    }
    return false;
}

/* {element: {$type: [all but those]}}; also: UNSET for no second one. */
static void put_other_types(const struct writer *writer, enum user_value_type but,
                            enum user_value_type also, bson_t *out)
{
    bson_t range, list;
    uint32_t count = 0;

    bson_append_document_begin(out, writer->comparison->field.element, -1, &range);
    BSON_APPEND_ARRAY_BEGIN(&range, "$type", &list);
    for (size_t i = 0; i < sizeof stored_types; i++) {
        const char *key;
        char room[16];

        if (is_of(stored_types[i], but) || is_of(stored_types[i], also))
            continue;
        bson_uint32_to_string(count++, &key, room, sizeof room);
        (void)bson_append_int32(&list, key, -1, stored_types[i]);
    }
    bson_append_array_end(&range, &list);
    bson_append_document_end(out, &range);
}

/* ---- eq and ne ---- */

static enum err put_equal(const struct writer *writer, bson_t *out)
{
    const struct user_field *field = &writer->comparison->field;
    bson_t range;

    if (needs_pattern(writer))
        return put_pattern(writer, pattern_of(writer, "^", "\\z"), "", out);
    if (writer->comparison->value.type != USER_VALUE_NULL) {
        user_value_put(out, field->element, &writer->comparison->value);
        if (field->standing && !writer->is_of_choice)
            user_standing_put_other(field, out);
        return ERR_OK;
    }
    /* Not {field: null}: that is what users without it meet too. */
    bson_append_document_begin(out, field->element, -1, &range);
    (void)bson_append_int32(&range, "$type", -1, STORED_NULL);
    bson_append_document_end(out, &range);
    return ERR_OK;
}

/* {element: {$exists: true, $not: …}} of a single value. */
static enum err put_different_one(const struct writer *writer, bson_t *out)
{
    const struct user_filter *comparison = writer->comparison;
    bson_t range, not ;

    const char *pattern = needs_pattern(writer) ? pattern_of(writer, "^", "\\z") : "";

    if (pattern == NULL)
        return no_memory(writer);
    bson_append_document_begin(out, comparison->field.element, -1, &range);
    bson_put_bool(&range, "$exists", true);
    BSON_APPEND_DOCUMENT_BEGIN(&range, "$not", &not );
    if (needs_pattern(writer))
        (void)bson_append_regex(&not, "$regex", -1, pattern, "");
    else if (comparison->value.type == USER_VALUE_NULL)
        (void)bson_append_int32(&not, "$type", -1, STORED_NULL);
    else
        user_value_put(&not, "$eq", &comparison->value);
    bson_append_document_end(&range, &not );
    bson_append_document_end(out, &range);
    return ERR_OK;
}

/* Some value is another one: less, greater, or of another type. */
static enum err put_different_any(const struct writer *writer, bson_t *out)
{
    const struct user_filter *comparison = writer->comparison;
    enum err put = ERR_OK;
    bson_t list, part;

    if (comparison->value.type == USER_VALUE_NULL) {
        put_other_types(writer, USER_VALUE_NULL, USER_VALUE_UNSET, out);
        return ERR_OK;
    }
    BSON_APPEND_ARRAY_BEGIN(out, "$or", &list);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &part);
    put_other_types(writer, comparison->value.type, USER_VALUE_UNSET, &part);
    bson_append_document_end(&list, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "1", &part);
    if (comparison->value.type == USER_VALUE_TEXT)
        put = put_pattern(writer, pattern_of(writer, "^(?!", "\\z)"), "", &part);
    else
        put_operator(writer, "$lt", &part);
    bson_append_document_end(&list, &part);
    if (comparison->value.type != USER_VALUE_TEXT) {
        BSON_APPEND_DOCUMENT_BEGIN(&list, "2", &part);
        put_operator(writer, "$gt", &part);
        bson_append_document_end(&list, &part);
    }
    bson_append_array_end(out, &list);
    return put;
}

/* ---- sw ---- */

/* The last character that can be raised is; what is behind it goes. NULL: nothing is above. */
static const char *text_above(const struct writer *writer, bool *ret_none)
{
    char *text = arena_strdup(writer->ctx->arena, writer->comparison->value.text);
    size_t length = text != NULL ? strlen(text) : 0;

    *ret_none = false;
    while (length > 0) {
        bson_unichar_t c;
        uint32_t size;
        char raised[8];

        do
            length--;
        while (length > 0 && ((unsigned char)text[length] >> 6) == 2);
        c = bson_utf8_get_char(text + length);
        c = c == 0xd7ff ? 0xe000 : c + 1;
        if (c > 0x10ffff)
            continue;
        bson_utf8_from_unichar(c, raised, &size);
        text[length] = '\0';
        return arena_printf(writer->ctx->arena, "%s%.*s", text, (int)size, raised);
    }
    *ret_none = text != NULL;
    return NULL;
}

/* {$gte: prefix, $lt: what follows all texts with it} */
static enum err put_prefix_range(const struct writer *writer, bson_t *out)
{
    const struct user_filter *comparison = writer->comparison;
    bool none = false;
    const char *above =
        comparison->field.ignores_case
            ? arena_printf(writer->ctx->arena, "%s\xef\xbf\xbf", comparison->value.text)
            : text_above(writer, &none);
    bson_t range;

    if (above == NULL && !none)
        return no_memory(writer);
    bson_append_document_begin(out, comparison->field.element, -1, &range);
    bson_put_text(&range, "$gte", comparison->value.text);
    if (above != NULL)
        bson_put_text(&range, "$lt", above);
    bson_append_document_end(out, &range);
    return ERR_OK;
}

/* The collation finds the range, in which accents weigh less than later letters; the pattern says
 * which of these texts begin so. */
static enum err put_prefix_without_case(const struct writer *writer, bson_t *out)
{
    bson_t list, part;

    BSON_APPEND_ARRAY_BEGIN(out, "$and", &list);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &part);

    const enum err put = put_prefix_range(writer, &part);

    bson_append_document_end(&list, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "1", &part);

    const enum err also = put_pattern(writer, pattern_of(writer, "^", ""), "i", &part);

    bson_append_document_end(&list, &part);
    bson_append_array_end(out, &list);
    return put != ERR_OK ? put : also;
}

static enum err put_prefix(const struct writer *writer, bson_t *out)
{
    const struct user_field *field = &writer->comparison->field;

    if (field->ignores_case)
        return put_prefix_without_case(writer, out);
    if (field->many || needs_pattern(writer))
        return put_pattern(writer, pattern_of(writer, "^", ""), "", out);
    return put_prefix_range(writer, out);
}

/* ---- pr ---- */

/* A text that is not empty, whatever the collation ignores. */
static void put_filled_text(const struct writer *writer, bson_t *out)
{
    const char *element = writer->comparison->field.element;
    bson_t range;

    bson_append_document_begin(out, element, -1, &range);
    if (writer->ignores_case)
        (void)bson_append_regex(&range, "$regex", -1, "^.", "s");
    else
        bson_put_text(&range, "$gt", "");
    bson_append_document_end(out, &range);
}

/* {element: {$exists: true, $ne: null}} of a single value that is no text. */
static void put_filled_one(const struct writer *writer, bson_t *out)
{
    bson_t range;

    bson_append_document_begin(out, writer->comparison->field.element, -1, &range);
    bson_put_bool(&range, "$exists", true);
    (void)bson_append_null(&range, "$ne", -1);
    bson_append_document_end(out, &range);
}

/* A value of another type, a text that is not empty, or a list that has a first element. */
static enum err put_filled_any(const struct writer *writer, bson_t *out)
{
    const struct user_field *field = &writer->comparison->field;
    const char *first = arena_printf(writer->ctx->arena, "%s.0", field->element);
    bson_t list, part, range;

    if (first == NULL)
        return no_memory(writer);
    BSON_APPEND_ARRAY_BEGIN(out, "$or", &list);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &part);
    put_other_types(writer, USER_VALUE_TEXT, USER_VALUE_NULL, &part);
    bson_append_document_end(&list, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "1", &part);
    put_filled_text(writer, &part);
    bson_append_document_end(&list, &part);
    if (field->many) {
        BSON_APPEND_DOCUMENT_BEGIN(&list, "2", &part);
        bson_append_document_begin(&part, first, -1, &range);
        bson_put_bool(&range, "$exists", true);
        bson_append_document_end(&part, &range);
        bson_append_document_end(&list, &part);
    }
    bson_append_array_end(out, &list);
    return ERR_OK;
}

static enum err put_filled(const struct writer *writer, bson_t *out)
{
    const struct user_field *field = &writer->comparison->field;
    const bool is_stored_text =
        field->text == USER_TEXT_PLAIN || field->text == USER_TEXT_CANONICAL;

    if (field->many || ((field->types & SHAPE_STRING) != 0 && is_stored_text &&
                        (field->types & ~(unsigned)SHAPE_STRING) != 0))
        return put_filled_any(writer, out);
    if ((field->types & SHAPE_STRING) != 0 && is_stored_text)
        put_filled_text(writer, out);
    else
        put_filled_one(writer, out);
    return ERR_OK;
}

/* ---- all ---- */

static enum err put_ordered(const struct writer *writer, const char *operator, bson_t * out)
{
    put_operator(writer, operator, out);
    return ERR_OK;
}

static enum err put_comparison(const struct writer *writer, bson_t *out)
{
    switch (writer->comparison->op) {
    case FILTER_EQ:
        return put_equal(writer, out);
    case FILTER_NE:
        return writer->comparison->field.many ? put_different_any(writer, out)
                                              : put_different_one(writer, out);
    case FILTER_CO:
        return put_pattern(writer, pattern_of(writer, "", ""), "", out);
    case FILTER_SW:
        return put_prefix(writer, out);
    case FILTER_EW:
        return put_pattern(writer, pattern_of(writer, "", "\\z"),
                           writer->comparison->field.ignores_case ? "i" : "", out);
    case FILTER_GT:
        return put_ordered(writer, "$gt", out);
    case FILTER_GE:
        return put_ordered(writer, "$gte", out);
    case FILTER_LT:
        return put_ordered(writer, "$lt", out);
    case FILTER_LE:
        return put_ordered(writer, "$lte", out);
    case FILTER_PR:
        return put_filled(writer, out);
    case FILTER_NO_OPERATOR:
        break;
    }
    return fail_internal(writer->ctx, ERR_INTERNAL, "a comparison without an operator");
}

static enum err put(const struct writer *above, const struct user_filter *filter, bson_t *out)
{
    static const char *const joins[] = {
        [FILTER_AND] = "$and", [FILTER_OR] = "$or", [FILTER_NOT] = "$nor"};
    struct writer own = *above;
    enum err err = ERR_OK;
    uint32_t count = 0;
    bson_t list;

    own.comparison = filter;
    if (filter->kind == FILTER_COMPARISON)
        return put_comparison(&own, out);
    own.is_of_choice = user_standing_is_choice(filter);
    bson_append_array_begin(out, joins[filter->kind], -1, &list);
    for (const struct user_filter *part = filter->parts; part != NULL; part = part->next) {
        const char *key;
        char room[16];
        bson_t child;

        bson_uint32_to_string(count++, &key, room, sizeof room);
        BSON_APPEND_DOCUMENT_BEGIN(&list, key, &child);
        if (err == ERR_OK)
            err = put(&own, part, &child);
        bson_append_document_end(&list, &child);
    }
    bson_append_array_end(out, &list);
    if (own.is_of_choice)
        user_standing_put_other(&filter->parts->field, out);
    return err;
}

enum err user_filter_put(struct ctx *ctx, const struct user_filter *filter, bool ignores_case,
                         bson_t *out)
{
    return put(&(struct writer){.ctx = ctx, .ignores_case = ignores_case}, filter, out);
}
