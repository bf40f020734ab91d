/* Values between filters, documents and cursors. */
#include "models/user_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/text.h"
#include "models/user.h"

/* ---- from a filter ---- */

static bool is_role(const char *text)
{
    for (size_t i = ROLE_USER; role_names[i] != NULL; i++) {
        if (strcmp(text, role_names[i]) == 0)
            return true;
    }
    return false;
}

static bool read_day(const char *text, int64_t *ret_ms)
{
    char moment[TIME_TEXT_SIZE];

    if (shape_format_check(SHAPE_DATE, text) != NULL)
        return false;
    (void)snprintf(moment, sizeof moment, "%sT00:00:00Z", text);
    return time_parse(moment, ret_ms);
}

static enum err read_text(struct ctx *ctx, const struct user_field *field, const char *text,
                          bool *ret_fits, struct user_value *value)
{
    *value = (struct user_value){.type = USER_VALUE_TEXT, .text = text};
    *ret_fits = true;
    switch (field->text) {
    case USER_TEXT_CANONICAL:
        return text_canonical(ctx, text, &value->text);
    case USER_TEXT_ID:
        value->type = USER_VALUE_ID;
        *ret_fits = uuid_parse(text, &value->id);
        break;
    case USER_TEXT_ROLE:
        *ret_fits = is_role(text);
        break;
    case USER_TEXT_DAY:
        value->type = USER_VALUE_TIME;
        *ret_fits = read_day(text, &value->integer);
        break;
    case USER_TEXT_MOMENT:
        value->type = USER_VALUE_TIME;
        *ret_fits = time_parse(text, &value->integer);
        break;
    case USER_TEXT_UNSET:
    case USER_TEXT_PLAIN:
        break;
    }
    return ERR_OK;
}

enum err user_value_read(struct ctx *ctx, const struct user_field *field,
                         const struct value *literal, bool *ret_fits, struct user_value *ret_value)
{
    *ret_fits = false;
    *ret_value = (struct user_value){.type = USER_VALUE_UNSET};
    switch (literal->type) {
    case VALUE_STRING:
        return (field->types & SHAPE_STRING) == 0
                   ? ERR_OK
                   : read_text(ctx, field, literal->string.text, ret_fits, ret_value);
    case VALUE_INT:
        *ret_value = (struct user_value){.type = USER_VALUE_INT, .integer = literal->integer};
        *ret_fits = (field->types & SHAPE_NUMBER) != 0;
        break;
    case VALUE_REAL:
        *ret_value = (struct user_value){.type = USER_VALUE_REAL, .real = literal->real};
        *ret_fits = (field->types & SHAPE_NUMBER) != 0;
        break;
    case VALUE_BOOL:
        *ret_value = (struct user_value){.type = USER_VALUE_BOOL, .boolean = literal->boolean};
        *ret_fits = (field->types & SHAPE_BOOLEAN) != 0;
        break;
    case VALUE_NULL:
        ret_value->type = USER_VALUE_NULL;
        *ret_fits = (field->types & SHAPE_NULL) != 0;
        break;
    case VALUE_UNSET:
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        break;
    }
    return ERR_OK;
}

/* ---- from and to documents ---- */

static bool read_id(const bson_iter_t *at, struct uuid *ret_id)
{
    bson_subtype_t subtype;
    uint32_t size = 0;
    const uint8_t *data = NULL;

    bson_iter_binary(at, &subtype, &size, &data);
    if (subtype != BSON_SUBTYPE_UUID || size != sizeof ret_id->bytes)
        return false;
    memcpy(ret_id->bytes, data, size);
    return true;
}

struct user_value user_value_of(const bson_t *document, const char *element)
{
    struct user_value value = {.type = USER_VALUE_NULL};
    bson_iter_t top, at;

    if (!bson_iter_init(&top, document) || !bson_iter_find_descendant(&top, element, &at))
        return value;
    if (BSON_ITER_HOLDS_BOOL(&at))
        value = (struct user_value){.type = USER_VALUE_BOOL, .boolean = bson_iter_bool(&at)};
    else if (BSON_ITER_HOLDS_INT(&at))
        value = (struct user_value){.type = USER_VALUE_INT, .integer = bson_iter_as_int64(&at)};
    else if (BSON_ITER_HOLDS_DOUBLE(&at))
        value = (struct user_value){.type = USER_VALUE_REAL, .real = bson_iter_double(&at)};
    else if (BSON_ITER_HOLDS_UTF8(&at))
        value = (struct user_value){.type = USER_VALUE_TEXT, .text = bson_iter_utf8(&at, NULL)};
    else if (BSON_ITER_HOLDS_DATE_TIME(&at))
        value = (struct user_value){.type = USER_VALUE_TIME, .integer = bson_iter_date_time(&at)};
    else if (BSON_ITER_HOLDS_BINARY(&at) && read_id(&at, &value.id))
        value.type = USER_VALUE_ID;
    return value;
}

void user_value_put(bson_t *out, const char *name, const struct user_value *value)
{
    switch (value->type) {
    case USER_VALUE_BOOL:
        bson_put_bool(out, name, value->boolean);
        break;
    case USER_VALUE_INT:
        bson_put_int(out, name, value->integer);
        break;
    case USER_VALUE_REAL:
        (void)bson_append_double(out, name, -1, value->real);
        break;
    case USER_VALUE_TEXT:
        bson_put_text(out, name, value->text);
        break;
    case USER_VALUE_TIME:
        bson_put_time(out, name, value->integer);
        break;
    case USER_VALUE_ID:
        bson_put_uuid(out, name, &value->id);
        break;
    case USER_VALUE_NULL:
    case USER_VALUE_UNSET:
        (void)bson_append_null(out, name, -1);
        break;
    }
}

/* ---- in cursors ---- */

/* A letter for the type, then the value; of a double its bits, so that it comes back exactly. */
const char *user_value_text(struct ctx *ctx, const struct user_value *value)
{
    struct arena *arena = ctx->arena;
    char id[UUID_TEXT_SIZE];
    uint64_t bits;

    switch (value->type) {
    case USER_VALUE_BOOL:
        return value->boolean ? "b1" : "b0";
    case USER_VALUE_INT:
        return arena_printf(arena, "i%" PRId64, value->integer);
    case USER_VALUE_REAL:
        memcpy(&bits, &value->real, sizeof bits);
        return arena_printf(arena, "r%016" PRIx64, bits);
    case USER_VALUE_TEXT:
        return arena_printf(arena, "s%s", value->text);
    case USER_VALUE_TIME:
        return arena_printf(arena, "t%" PRId64, value->integer);
    case USER_VALUE_ID:
        uuid_text(&value->id, id);
        return arena_printf(arena, "u%s", id);
    case USER_VALUE_NULL:
    case USER_VALUE_UNSET:
        break;
    }
    return "n";
}

static bool parse_integer(const char *text, int base, uint64_t *ret_bits)
{
    char *end = NULL;

    *ret_bits = base == 10 ? (uint64_t)strtoll(text, &end, base) : strtoull(text, &end, base);
    return end != text && *end == '\0';
}

bool user_value_parse(const char *text, struct user_value *ret_value)
{
    const char *rest = text[0] != '\0' ? text + 1 : text;
    uint64_t bits = 0;

    *ret_value = (struct user_value){.type = USER_VALUE_NULL};
    switch (text[0]) {
    case 'n':
        return *rest == '\0';
    case 'b':
        ret_value->type = USER_VALUE_BOOL;
        ret_value->boolean = *rest == '1';
        return true;
    case 's':
        ret_value->type = USER_VALUE_TEXT;
        ret_value->text = rest;
        return true;
    case 'u':
        ret_value->type = USER_VALUE_ID;
        return uuid_parse(rest, &ret_value->id);
    case 'i':
    case 't':
        ret_value->type = text[0] == 'i' ? USER_VALUE_INT : USER_VALUE_TIME;
        if (!parse_integer(rest, 10, &bits))
            return false;
        ret_value->integer = (int64_t)bits;
        return true;
    case 'r':
        ret_value->type = USER_VALUE_REAL;
        if (!parse_integer(rest, 16, &bits))
            return false;
        memcpy(&ret_value->real, &bits, sizeof bits);
        return true;
    default:
        return false;
    }
}
