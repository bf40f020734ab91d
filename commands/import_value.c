/* What adapters ask of trees, and what they write of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/secret.h"
#include "app/shape.h"
#include "app/uuid.h"
#include "commands/import.h"

#define NAME_MAX_BYTES 128
#define DIGITS_MAX     20
#define DEPTH_MAX      16

const struct value *from_at(const struct value *value, const char *path)
{
    char name[NAME_MAX_BYTES + 1];

    while (value != NULL && *path != '\0') {
        const size_t length = strcspn(path, ".");

        if (length > NAME_MAX_BYTES)
            return NULL;
        memcpy(name, path, length);
        name[length] = '\0';
        value = value_get(value, name);
        path += length + (path[length] == '.');
    }
    return value;
}

/* {"$oid": "…"} and the like of extended JSON. */
static const struct value *plain(const struct value *value)
{
    if (value != NULL && value->type == VALUE_OBJECT && value->object.count == 1 &&
        value->object.members[0].name[0] == '$')
        return plain(&value->object.members[0].value);
    return value;
}

/* The only member of an object, when it has this name. */
static const struct value *sole(const struct value *value, const char *name)
{
    if (value == NULL || value->type != VALUE_OBJECT || value->object.count != 1)
        return NULL;
    return value_get(value, name);
}

/* {"$binary": {"base64": "…", "subType": "04"}} is a UUID. */
static bool as_uuid(const struct value *value, char ret_text[UUID_TEXT_SIZE])
{
    const struct value *binary = sole(value, "$binary");
    const struct value *bytes = binary != NULL ? value_get(binary, "base64") : NULL;
    const struct value *kind = binary != NULL ? value_get(binary, "subType") : NULL;
    struct uuid id;

    if (bytes == NULL || bytes->type != VALUE_STRING || kind == NULL ||
        kind->type != VALUE_STRING ||
        (strcmp(kind->string.text, "04") != 0 && strcmp(kind->string.text, "4") != 0))
        return false;
    if (base64_decode(bytes->string.text, bytes->string.length, id.bytes, sizeof id.bytes) !=
        (int64_t)sizeof id.bytes)
        return false;
    uuid_text(&id, ret_text);
    return true;
}

/* {"$date": {"$numberLong": "315532800000"}} is 1980-01-01T00:00:00.000Z. */
static bool as_moment(const struct value *value, char ret_text[TIME_TEXT_SIZE])
{
    const struct value *ms = plain(sole(value, "$date"));
    int64_t moment = 0;

    if (ms == NULL)
        return false;
    if (ms->type == VALUE_INT)
        moment = ms->integer;
    else if (ms->type == VALUE_STRING && ms->string.length > 0 && ms->string.length < DIGITS_MAX &&
             strspn(ms->string.text, "-0123456789") == ms->string.length)
        moment = strtoll(ms->string.text, NULL, 10);
    else
        return false;
    time_text(moment, ret_text);
    return time_parse(ret_text, &moment);
}

const char *from_text(struct ctx *ctx, const struct value *value, const char *path)
{
    const struct value *stored = from_at(value, path), *found = plain(stored);
    char id[UUID_TEXT_SIZE];

    if (as_uuid(stored, id))
        return arena_strdup(ctx->arena, id);
    if (found == NULL)
        return NULL;
    if (found->type == VALUE_INT)
        return arena_printf(ctx->arena, "%" PRId64, found->integer);
    return found->type == VALUE_STRING && found->string.length > 0 ? found->string.text : NULL;
}

bool from_bool(const struct value *value, const char *path, bool standard)
{
    const struct value *found = from_at(value, path);

    if (found == NULL)
        return standard;
    if (found->type == VALUE_BOOL)
        return found->boolean;
    if (found->type == VALUE_INT)
        return found->integer != 0;
    if (found->type != VALUE_STRING || found->string.length == 0)
        return standard;
    return strchr("tTyY1", found->string.text[0]) != NULL;
}

/* ---- times ---- */

/* "2024-01-31 09:30:00.123456+00" is what PostgreSQL and Django write. */
static const char *tidy_time(struct ctx *ctx, const char *text)
{
    const size_t length = strlen(text);
    char *tidy = arena_printf(ctx->arena, "%s", text);
    const char *sign;

    if (tidy == NULL || length < 19 || tidy[4] != '-')
        return NULL;
    if (tidy[10] == ' ')
        tidy[10] = 'T';
    sign = strpbrk(tidy + 19, "+-Z");
    if (sign == NULL)
        return arena_printf(ctx->arena, "%sZ", tidy);
    if (*sign != 'Z' && strlen(sign) == 3)
        return arena_printf(ctx->arena, "%s:00", tidy);
    return tidy;
}

const char *from_time(struct ctx *ctx, const struct value *value, const char *path, int64_t unit_ms)
{
    const char *text = from_text(ctx, value, path);
    char *shown = arena_alloc(ctx->arena, TIME_TEXT_SIZE);
    int64_t ms = 0;

    if (text == NULL || shown == NULL)
        return NULL;
    if (strspn(text, "0123456789") == strlen(text)) {
        if (strlen(text) >= DIGITS_MAX)
            return NULL;
        ms = strtoll(text, NULL, 10);
        ms = ms <= INT64_MAX / unit_ms ? ms * unit_ms : 0;
    } else if ((text = tidy_time(ctx, text)) == NULL || !time_parse(text, &ms)) {
        return NULL;
    }
    if (ms <= 0)
        return NULL;
    time_text(ms, shown);
    return time_parse(shown, &ms) ? shown : NULL;
}

/* ---- writing ---- */

static void put_name(struct buf *out, const char *name)
{
    char safe[NAME_MAX_BYTES + 1];
    size_t size = 0;

    for (; name[size] != '\0' && size < NAME_MAX_BYTES; size++)
        safe[size] = name[size] == '.' || (name[size] == '$' && size == 0) ? '_' : name[size];
    while (size > 0 && ((unsigned char)name[size] >> 6) == 2) /* not within a character */
        size--;
    buf_json_string(out, safe, size);
}

/* {"$numberLong": "41"} is 41. */
static bool put_number(const struct value *value, struct buf *out)
{
    const struct value *text;

    if (value == NULL || value->type != VALUE_OBJECT || value->object.count != 1 ||
        strncmp(value->object.members[0].name, "$number", 7) != 0)
        return false;
    text = &value->object.members[0].value;
    if (text->type != VALUE_STRING || text->string.length == 0 || text->string.length > 24 ||
        strspn(text->string.text, "0123456789-.eE") != text->string.length)
        return false;
    buf_add(out, text->string.text, text->string.length);
    return true;
}

static void put(const struct value *value, struct buf *out, unsigned depth)
{
    char text[TIME_TEXT_SIZE > UUID_TEXT_SIZE ? TIME_TEXT_SIZE : UUID_TEXT_SIZE];

    if (put_number(value, out))
        return;
    if (as_moment(value, text) || as_uuid(value, text)) {
        buf_json_string(out, text, strlen(text));
        return;
    }
    value = plain(value);
    if (value == NULL || depth > DEPTH_MAX) {
        buf_puts(out, "null");
        return;
    }
    switch (value->type) {
    case VALUE_BOOL:
        buf_puts(out, value->boolean ? "true" : "false");
        return;
    case VALUE_INT:
        buf_int(out, value->integer);
        return;
    case VALUE_REAL:
        number_put(&(struct number){.given = true, .real = true, .fraction = value->real}, out);
        return;
    case VALUE_STRING:
        buf_json_string(out, value->string.text, value->string.length);
        return;
    case VALUE_ARRAY:
        buf_putc(out, '[');
        for (size_t i = 0; i < value->array.count; i++) {
            buf_puts(out, i > 0 ? "," : "");
            put(&value->array.items[i], out, depth + 1);
        }
        buf_putc(out, ']');
        return;
    case VALUE_OBJECT:
        buf_putc(out, '{');
        for (size_t i = 0; i < value->object.count; i++) {
            buf_puts(out, i > 0 ? "," : "");
            put_name(out, value->object.members[i].name);
            buf_putc(out, ':');
            put(&value->object.members[i].value, out, depth + 1);
        }
        buf_putc(out, '}');
        return;
    case VALUE_NULL:
    case VALUE_UNSET:
        buf_puts(out, "null");
        return;
    }
}

void from_put(const struct value *value, struct buf *out)
{
    put(value, out, 0);
}

void from_put_field(struct buf *fields, const char *name, const struct value *value)
{
    if (value == NULL || value->type == VALUE_NULL || *name == '\0')
        return;
    buf_puts(fields, fields->size > 0 ? "," : "");
    put_name(fields, name);
    buf_putc(fields, ':');
    from_put(value, fields);
}

void from_put_field_text(struct buf *fields, const char *name, const char *text)
{
    const struct value value = {
        .type = VALUE_STRING, .string = {.text = text, .length = text != NULL ? strlen(text) : 0}};

    if (text != NULL)
        from_put_field(fields, name, &value);
}

void from_put_fields(struct buf *fields, const struct value *object)
{
    if (object == NULL || object->type != VALUE_OBJECT)
        return;
    for (size_t i = 0; i < object->object.count; i++)
        from_put_field(fields, object->object.members[i].name, &object->object.members[i].value);
}
