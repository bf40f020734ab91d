/* Tables for other readers: the database's validator, and JSON Schema for OpenAPI. */
#include <inttypes.h>
#include <string.h>

#include "app/bson_auto.h"
#include "app/field.h"
#include "app/schema.h"

/* --- the validator of a collection --- */

static bool append_properties(bson_t *out, const struct schema *schema);
static bool append_shape(bson_t *out, const struct schema *schema);

static bool append_names(bson_t *out, const char *key, const char *const *names, size_t count)
{
    bson_t array;
    char digits[16];

    if (!bson_append_array_begin(out, key, -1, &array))
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *index;

        bson_uint32_to_string((uint32_t)i, &index, digits, sizeof digits);
        if (!bson_append_utf8(&array, index, -1, names[i], -1))
            return false;
    }
    return bson_append_array_end(out, &array);
}

static bool append_type(bson_t *out, const char *type)
{
    return bson_append_utf8(out, "bsonType", -1, type, -1);
}

/* {items: {…}} of a list of texts or objects. */
static bool append_items(bson_t *out, const struct field *field)
{
    bson_t items;

    if (!append_type(out, "array") || !bson_append_document_begin(out, "items", -1, &items))
        return false;
    if (field->type == FT_LIST ? !append_shape(&items, field->sub) : !append_type(&items, "string"))
        return false;
    return bson_append_document_end(out, &items);
}

static bool append_property(bson_t *out, const struct field *field)
{
    /* An increment by a small number keeps or makes an int in the database. */
    static const char *const integers[] = {"long", "int"};

    switch (field->type) {
    case FT_STR:
        return append_type(out, "string");
    case FT_UUID:
    case FT_BYTES:
        return append_type(out, "binData");
    case FT_TIME:
        return append_type(out, "date");
    case FT_INT:
        return append_names(out, "bsonType", integers, 2);
    case FT_BOOL:
        return append_type(out, "bool");
    case FT_ENUM:
        return append_names(out, "enum", field_closed_list(field), field_value_count(field));
    case FT_DOC:
        return append_type(out, "object");
    case FT_STRS:
    case FT_LIST:
        return append_items(out, field);
    case FT_OBJECT:
        return append_shape(out, field->sub);
    case FT_UNSET:
        break;
    }
    return false;
}

static bool append_properties(bson_t *out, const struct schema *schema)
{
    bson_t properties;

    if (!bson_append_document_begin(out, "properties", -1, &properties))
        return false;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        bson_t property;

        if (!field_is_stored(field))
            continue;
        if (!bson_append_document_begin(&properties, field_bson(field), -1, &property) ||
            !append_property(&property, field) || !bson_append_document_end(&properties, &property))
            return false;
    }
    return bson_append_document_end(out, &properties);
}

/* Documents of tenants always say whose they are (TI-4), whatever their table says. */
static bool is_required(const struct schema *schema, const struct field *field)
{
    bool bound = (schema->collection != NULL || schema->per_tenant_collection) && !schema->global;

    if (!field_is_stored(field))
        return false;
    return (field->flags & F_REQUIRED) != 0 ||
           (bound && strcmp(field_bson(field), "tenant_id") == 0);
}

static bool append_shape(bson_t *out, const struct schema *schema)
{
    const char *required[64];
    size_t count = 0;

    for (size_t i = 0; i < schema->field_count && count < 64; i++) {
        if (is_required(schema, &schema->fields[i]))
            required[count++] = field_bson(&schema->fields[i]);
    }
    /* An empty "required" is refused by the database. */
    return append_type(out, "object") &&
           (count == 0 || append_names(out, "required", required, count)) &&
           append_properties(out, schema);
}

bson_t *schema_validator(const struct schema *schema)
{
    bson_t *validator = bson_new();
    bson_t shape;

    if (bson_append_document_begin(validator, "$jsonSchema", -1, &shape) &&
        append_shape(&shape, schema) && bson_append_document_end(validator, &shape))
        return validator;
    bson_destroy(validator);
    return NULL;
}

/* --- JSON Schema 2020-12 --- */

static void put_text(const char *text, struct buf *out)
{
    buf_json_string(out, text, strlen(text));
}

static void put_type(const struct field *field, enum schema_view view, const char *type,
                     struct buf *out)
{
    bool nullable = false;

    if (view == VIEW_PATCH)
        nullable = (field->flags & F_NULL_CLEARS) != 0;
    else if (view == VIEW_OUTPUT)
        nullable = field_leaves_absent(field) && !field_may_be_empty(field);

    if (nullable)
        buf_printf(out, "\"type\":[\"%s\",\"null\"]", type);
    else
        buf_printf(out, "\"type\":\"%s\"", type);
}

static void put_lengths(const struct field *field, enum schema_view view, struct buf *out)
{
    bool may_be_empty =
        (field->flags & F_EMPTY_OK) != 0 || (field->type == FT_STR && !(field->flags & F_REQUIRED));

    if (view == VIEW_OUTPUT)
        return;
    if (field->min > 0 && !may_be_empty)
        buf_printf(out, ",\"minLength\":%" PRId64, field->min);
    buf_printf(out, ",\"maxLength\":%" PRId64, field->max);
}

static void put_closed_list(const struct field *field, struct buf *out)
{
    const char *const *list = field_closed_list(field);

    if (list == NULL)
        return;
    buf_puts(out, ",\"enum\":[");
    for (size_t i = 0; list[i] != NULL; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_text(list[i], out);
    }
    buf_putc(out, ']');
}

static void put_range(const struct field *field, enum schema_view view, struct buf *out)
{
    buf_puts(out, ",\"format\":\"int64\"");
    if (view != VIEW_OUTPUT && field->min != INT64_MIN)
        buf_printf(out, ",\"minimum\":%" PRId64, field->min);
    if (view != VIEW_OUTPUT && field->max != INT64_MAX)
        buf_printf(out, ",\"maximum\":%" PRId64, field->max);
}

static void put_item_schema(const struct field *field, enum schema_view view, struct buf *out)
{
    put_type(field, view, "array", out);
    buf_puts(out, ",\"items\":");
    if (field->type == FT_LIST) {
        /* A patch replaces lists whole. */
        schema_to_openapi(field->sub, view == VIEW_PATCH ? VIEW_INPUT : view, out);
    } else {
        buf_puts(out, "{\"type\":\"string\"");
        put_lengths(field, view, out);
        put_closed_list(field, out);
        buf_putc(out, '}');
    }
    if (view != VIEW_OUTPUT)
        buf_printf(out, ",\"maxItems\":%zu", field->max_items);
}

/* The keywords of one property, without its braces. */
static void put_keywords(const struct field *field, enum schema_view view, struct buf *out)
{
    switch (field->type) {
    case FT_STR:
        put_type(field, view, "string", out);
        put_lengths(field, view, out);
        put_closed_list(field, out);
        break;
    case FT_ENUM:
        put_type(field, view, "string", out);
        put_closed_list(field, out);
        break;
    case FT_UUID:
        put_type(field, view, "string", out);
        buf_puts(out, ",\"format\":\"uuid\"");
        break;
    case FT_TIME:
        put_type(field, view, "string", out);
        buf_puts(out, ",\"format\":\"date-time\"");
        break;
    case FT_INT:
        put_type(field, view, "integer", out);
        put_range(field, view, out);
        break;
    case FT_BOOL:
        put_type(field, view, "boolean", out);
        break;
    case FT_DOC:
        put_type(field, view, "object", out);
        buf_puts(out, ",\"additionalProperties\":true");
        break;
    case FT_STRS:
    case FT_LIST:
        put_item_schema(field, view, out);
        break;
    case FT_OBJECT:
    case FT_BYTES:
    case FT_UNSET:
        break;
    }
}

static void put_notes(const struct field *field, enum schema_view view, struct buf *out)
{
    if (field->doc != NULL) {
        buf_puts(out, ",\"description\":");
        put_text(field->doc, out);
    }
    if (field->example != NULL && (field->type == FT_STR || field->type == FT_ENUM)) {
        buf_puts(out, ",\"examples\":[");
        put_text(field->example, out);
        buf_putc(out, ']');
    }
    if (view != VIEW_OUTPUT && (field->flags & F_WRITE_ONLY) != 0)
        buf_puts(out, ",\"writeOnly\":true");
}

static void put_object_keywords(const struct schema *schema, enum schema_view view,
                                struct buf *out);

static void put_property(const struct field *field, enum schema_view view, struct buf *out)
{
    put_text(field->name, out);
    buf_puts(out, ":{");
    if (field->type == FT_OBJECT)
        put_object_keywords(field->sub, view, out);
    else
        put_keywords(field, view, out);
    put_notes(field, view, out);
    buf_putc(out, '}');
}

static bool is_shown(const struct field *field, enum schema_view view)
{
    if (view == VIEW_OUTPUT)
        return field_leaves(field);
    return field_enters(field) && (view == VIEW_INPUT || (field->flags & F_PATCH) != 0);
}

static bool is_always_there(const struct field *field, enum schema_view view)
{
    if (view == VIEW_OUTPUT)
        return field_always_leaves(field);
    return view == VIEW_INPUT && (field->flags & F_REQUIRED) != 0;
}

static void put_object_keywords(const struct schema *schema, enum schema_view view, struct buf *out)
{
    bool first = true;

    buf_puts(out, "\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!is_shown(&schema->fields[i], view))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_property(&schema->fields[i], view, out);
    }
    buf_putc(out, '}');

    first = true;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if (!is_shown(field, view) || !is_always_there(field, view))
            continue;
        buf_puts(out, first ? ",\"required\":[" : ",");
        first = false;
        put_text(field->name, out);
    }
    if (!first)
        buf_putc(out, ']');
    if (schema->open)
        buf_puts(out, ",\"additionalProperties\":true");
}

void schema_field_to_openapi(const struct field *field, struct buf *out)
{
    buf_putc(out, '{');
    put_keywords(field, VIEW_INPUT, out);
    buf_putc(out, '}');
}

void schema_to_openapi(const struct schema *schema, enum schema_view view, struct buf *out)
{
    buf_putc(out, '{');
    put_object_keywords(schema, view, out);
    buf_putc(out, '}');
}
