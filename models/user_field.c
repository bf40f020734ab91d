/* The members of users in a table; custom fields by the shape in force. */
#include "models/user_field.h"

#include <string.h>

#include "models/custom_fields.h"
#include "models/custom_index.h"
#include "models/custom_schema.h"
#include "models/user_standing.h"

#define CUSTOM "custom_fields."

const char user_field_names[] =
    "id, username, email, name, role, is_active, is_email_verified, created_at, updated_at, "
    "last_login_at and custom_fields.NAME";

/* clang-format off */
static const struct user_field members[] = {
    {.name = "id", .element = "_id", .types = SHAPE_STRING, .text = USER_TEXT_ID, .always = true, .unique = true, .index = "_id_", .whole = true},
    {.name = "username", .element = "username", .types = SHAPE_STRING, .text = USER_TEXT_CANONICAL, .unique = true, .index = "username_1"},
    {.name = "email", .element = "email", .types = SHAPE_STRING, .text = USER_TEXT_CANONICAL, .unique = true, .index = "email_1"},
    {.name = "name", .element = "name", .types = SHAPE_STRING, .text = USER_TEXT_PLAIN},
    {.name = "role", .element = "role", .types = SHAPE_STRING, .text = USER_TEXT_ROLE, .always = true, .index = USER_STANDING_INDEX, .standing = true},
    {.name = "is_active", .element = "is_active", .types = SHAPE_BOOLEAN, .always = true, .index = USER_STANDING_INDEX, .standing = true},
    {.name = "is_email_verified", .element = "is_email_verified", .types = SHAPE_BOOLEAN, .always = true, .few = true},
    {.name = "created_at", .element = "created_at", .types = SHAPE_STRING, .text = USER_TEXT_MOMENT, .always = true, .index = "created_at_1", .whole = true},
    {.name = "updated_at", .element = "updated_at", .types = SHAPE_STRING, .text = USER_TEXT_MOMENT, .always = true},
    {.name = "last_login_at", .element = "last_login_at", .types = SHAPE_STRING, .text = USER_TEXT_MOMENT},
};
/* clang-format on */

/* ---- custom fields ---- */

/* Names that custom fields can have (app/document.h). Among digits alone the database would take
 * some for the place in a list: refused unless the schema says that there is an object. */
static bool is_name(const char *name, size_t length)
{
    static const char *const never[] = {"__proto__", "constructor", "prototype"};

    if (length == 0 || *name == '$')
        return false;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (strlen(never[i]) == length && memcmp(name, never[i], length) == 0)
            return false;
    }
    return true;
}

static bool is_number(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
    }
    return true;
}

/* Without a schema: any path, any value. */
static enum err find_untyped(const char *path, struct user_field *field)
{
    bool first = true;

    for (const char *at = path;; at++) {
        const size_t length = strcspn(at, ".");

        if (!is_name(at, length) || (!first && is_number(at, length)))
            return ERR_NOT_FOUND;
        first = false;
        at += length;
        if (*at == '\0')
            break;
    }
    field->types = SHAPE_ANY;
    field->text = USER_TEXT_PLAIN;
    field->many = true;
    return ERR_OK;
}

static enum user_text text_of(const struct shape *shape)
{
    if (shape->format == SHAPE_DATE)
        return USER_TEXT_DAY;
    return shape->format == SHAPE_DATE_TIME ? USER_TEXT_MOMENT : USER_TEXT_PLAIN;
}

struct way {
    const struct shape *shape;
    enum shape_party readers; /* the narrowest circle so far */
    bool many, encrypted, required;
};

static void enter(struct way *way, const struct shape *shape)
{
    way->shape = shape;
    way->readers = shape->read > way->readers ? shape->read : way->readers;
    way->many = way->many || (shape->types & SHAPE_ARRAY) != 0;
    way->encrypted = way->encrypted || shape->is_encrypted;
}

/* From an object to its member; of a list of objects, to that of each. False: there is none. */
static bool step(struct way *way, const char *name)
{
    const struct shape *from = way->shape;
    const struct shape_property *property = shape_find(from, name);

    if (property == NULL && (from->types & SHAPE_ARRAY) != 0 && from->items != NULL) {
        enter(way, from->items);
        from = from->items;
        property = shape_find(from, name);
    }
    if (property == NULL || (way->many && is_number(name, strlen(name))))
        return false;
    way->required = way->required && (from->types & ~(unsigned)SHAPE_OBJECT) == 0 &&
                    strs_has(&from->required, name);
    enter(way, property->shape);
    return true;
}

/* The elements of a list are its values. */
static unsigned types_of(const struct shape *shape)
{
    if ((shape->types & SHAPE_ARRAY) == 0)
        return shape->types;
    return shape->items != NULL ? (shape->types | shape->items->types) : SHAPE_ANY;
}

static bool has_few(const struct shape *shape)
{
    return shape->values.size > 0 || shape->constant.size > 0 ||
           (shape->types & ~(unsigned)SHAPE_NULL) == SHAPE_BOOLEAN;
}

static enum err find_typed(struct ctx *ctx, const struct shape *shape, const char *path,
                           struct user_field *field)
{
    struct way way = {.required = true};
    char *names = arena_strdup(ctx->arena, path), *rest = names;

    if (names == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a field");
    enter(&way, shape);
    way.many = false; /* custom fields are an object, whether the schema says so or not */
    for (const char *name = strsep(&rest, "."); name != NULL; name = strsep(&rest, ".")) {
        if (!step(&way, name))
            return ERR_NOT_FOUND;
    }
    if (way.readers > custom_party(ctx))
        return ERR_NOT_FOUND;
    if (way.encrypted)
        return ERR_FORBIDDEN;
    shape = way.shape;
    field->types = types_of(shape);
    field->text =
        text_of((shape->types & SHAPE_ARRAY) != 0 && shape->items != NULL ? shape->items : shape);
    field->many = way.many;
    field->few = has_few(shape);
    field->always = way.required;
    if ((!shape->is_unique && !shape->is_indexed) || way.many)
        return ERR_OK;
    field->unique = shape->is_unique;
    field->ignores_case = shape->ignores_case;
    field->index = custom_index_name(ctx, path, shape);
    return field->index != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a field");
}

enum err user_field_find(struct ctx *ctx, const char *name, struct user_field *ret_field)
{
    const struct shape *shape = NULL;

    *ret_field = (struct user_field){.name = name, .element = name};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(name, members[i].name) == 0) {
            *ret_field = members[i];
            return ERR_OK;
        }
    }
    if (strncmp(name, CUSTOM, sizeof CUSTOM - 1) != 0)
        return ERR_NOT_FOUND;

    const char *path = name + sizeof CUSTOM - 1;
    const enum err found = custom_schema_shape(ctx, &shape);

    if (found == ERR_NOT_FOUND)
        return find_untyped(path, ret_field);
    TRY(found);
    return find_typed(ctx, shape, path, ret_field);
}

/* ---- words ---- */

static const char *word_of_text(enum user_text text)
{
    switch (text) {
    case USER_TEXT_ID:
        return "an id (a UUID in quotation marks)";
    case USER_TEXT_ROLE:
        return "\"user\", \"admin\" or \"owner\"";
    case USER_TEXT_DAY:
        return "a date like \"2026-01-31\"";
    case USER_TEXT_MOMENT:
        return "a moment like \"2026-01-31T09:30:00Z\" (RFC 3339)";
    case USER_TEXT_UNSET:
    case USER_TEXT_PLAIN:
    case USER_TEXT_CANONICAL:
        break;
    }
    return "a text in quotation marks";
}

const char *user_field_takes(struct ctx *ctx, const struct user_field *field)
{
    const char *words[4];
    size_t count = 0;
    struct buf out;

    if ((field->types & SHAPE_STRING) != 0)
        words[count++] = word_of_text(field->text);
    if ((field->types & SHAPE_NUMBER) != 0)
        words[count++] = "a number";
    if ((field->types & SHAPE_BOOLEAN) != 0)
        words[count++] = "true or false";
    if ((field->types & SHAPE_NULL) != 0)
        words[count++] = "null";
    if (count == 0)
        return "no value: ask with pr whether it is there";
    buf_init(&out, ctx->arena, 256);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_puts(&out, i + 1 == count ? ", or " : ", ");
        buf_puts(&out, words[i]);
    }
    return buf_ok(&out) ? buf_text(&out) : "another value";
}
