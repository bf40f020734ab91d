/* Structs to JSON, written as text without a tree between, and to YAML for people. */
#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "app/field.h"
#include "app/schema.h"

#define INDENTATION 2

/* --- JSON --- */

static void put_text(const char *text, struct buf *out)
{
    buf_json_string(out, text, strlen(text));
}

static void put_uuid(const struct uuid *id, struct buf *out)
{
    char text[UUID_TEXT_SIZE];

    uuid_text(id, text);
    buf_putc(out, '"');
    buf_puts(out, text);
    buf_putc(out, '"');
}

static void put_time(int64_t ms, struct buf *out)
{
    char text[TIME_TEXT_SIZE];

    time_text(ms, text);
    buf_putc(out, '"');
    buf_puts(out, text);
    buf_putc(out, '"');
}

static void put_strs(const struct strs *strs, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < strs->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_text(strs->items[i], out);
    }
    buf_putc(out, ']');
}

static void put_list(const struct field *field, const struct list *list, struct buf *out)
{
    const char *items = list->items;

    buf_putc(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        schema_to_json(field->sub, items + i * field->sub->size, out);
    }
    buf_putc(out, ']');
}

static void put_value(const struct field *field, const void *struct_ptr, struct buf *out)
{
    const void *at = field_get(field, struct_ptr);

    switch (field->type) {
    case FT_STR:
        put_text(*(const char *const *)at, out);
        break;
    case FT_UUID:
        put_uuid(at, out);
        break;
    case FT_TIME:
        put_time(*(const int64_t *)at, out);
        break;
    case FT_INT:
        buf_int(out, *(const int64_t *)at);
        break;
    case FT_BOOL:
        buf_puts(out, *(const bool *)at ? "true" : "false");
        break;
    case FT_ENUM:
        put_text(field_enum_name(field, struct_ptr), out);
        break;
    case FT_DOC:
        document_to_json(at, out);
        break;
    case FT_STRS:
        put_strs(at, out);
        break;
    case FT_OBJECT:
        schema_to_json(field->sub, at, out);
        break;
    case FT_LIST:
        put_list(field, at, out);
        break;
    case FT_BYTES:
    case FT_UNSET:
        buf_puts(out, "null");
        break;
    }
}

/* Which fields the struct itself lets leave. */
static uint64_t mask_of(const struct schema *schema, const void *struct_ptr)
{
    uint64_t mask = 0;

    if (schema->mask_offset != 0)
        memcpy(&mask, (const char *)struct_ptr + schema->mask_offset, sizeof mask);
    return mask != 0 ? mask : UINT64_MAX;
}

void schema_to_json(const struct schema *schema, const void *struct_ptr, struct buf *out)
{
    const uint64_t mask = mask_of(schema, struct_ptr);
    bool first = true;

    buf_putc(out, '{');
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        bool present = field_is_present(field, struct_ptr);

        if (!field_leaves(field) || (!present && !field_leaves_absent(field)) ||
            (i < 64 && (mask >> i & 1) == 0))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        buf_putc(out, '"');
        buf_puts(out, field->name);
        buf_puts(out, "\":");
        if (present || field_may_be_empty(field))
            put_value(field, struct_ptr, out);
        else
            buf_puts(out, "null");
    }
    buf_putc(out, '}');
}

/* --- YAML --- */

/* Plain where no reader could take it for anything but this text. */
static bool is_plain_yaml(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@+-");

    if (text[0] == '\0' || text[plain] != '\0' || strchr("0123456789.:@+-", text[0]) != NULL ||
        text[plain - 1] == ':')
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return false;
    }
    return true;
}

static void put_yaml_text(const char *text, struct buf *out)
{
    if (is_plain_yaml(text)) {
        buf_puts(out, text);
        return;
    }
    buf_putc(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", (unsigned)c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void put_indentation(unsigned depth, struct buf *out)
{
    for (unsigned i = 0; i < depth * INDENTATION; i++)
        buf_putc(out, ' ');
}

static void put_yaml_fields(const struct schema *schema, const void *struct_ptr, unsigned depth,
                            struct buf *out);

static void put_yaml_strs(const struct strs *strs, unsigned depth, struct buf *out)
{
    if (strs->count == 0)
        buf_puts(out, " []");
    for (size_t i = 0; i < strs->count; i++) {
        buf_putc(out, '\n');
        put_indentation(depth + 1, out);
        buf_puts(out, "- ");
        put_yaml_text(strs->items[i], out);
    }
    buf_putc(out, '\n');
}

static void put_yaml_list(const struct field *field, const struct list *list, unsigned depth,
                          struct buf *out)
{
    const char *items = list->items;

    buf_puts(out, list->count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < list->count; i++) {
        put_indentation(depth + 1, out);
        buf_puts(out, "-\n");
        put_yaml_fields(field->sub, items + i * field->sub->size, depth + 2, out);
    }
}

static void put_yaml_scalar(const struct field *field, const void *struct_ptr, struct buf *out)
{
    buf_putc(out, ' ');
    if (!field_is_present(field, struct_ptr))
        buf_puts(out, "null");
    else if ((field->flags & (F_SECRET | F_WRITE_ONLY)) != 0 || field->type == FT_BYTES)
        buf_puts(out, "\"********\"");
    else if (field->type == FT_STR)
        put_yaml_text(*(const char *const *)field_get(field, struct_ptr), out);
    else
        put_value(field, struct_ptr, out);
    buf_putc(out, '\n');
}

static void put_yaml_fields(const struct schema *schema, const void *struct_ptr, unsigned depth,
                            struct buf *out)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const void *at = field_get(field, struct_ptr);
        bool secret = (field->flags & (F_SECRET | F_WRITE_ONLY)) != 0;

        if ((field->flags & F_INTERNAL) != 0)
            continue;
        put_indentation(depth, out);
        buf_puts(out, field->name);
        buf_putc(out, ':');
        if (field->type == FT_OBJECT && !secret) {
            buf_putc(out, '\n');
            put_yaml_fields(field->sub, at, depth + 1, out);
        } else if (field->type == FT_STRS && !secret) {
            put_yaml_strs(at, depth, out);
        } else if (field->type == FT_LIST && !secret) {
            put_yaml_list(field, at, depth, out);
        } else {
            put_yaml_scalar(field, struct_ptr, out);
        }
    }
}

void schema_to_yaml_masked(const struct schema *schema, const void *struct_ptr, struct buf *out)
{
    put_yaml_fields(schema, struct_ptr, 0, out);
}
