/* The keywords of a schema, one function for each kind, in one table; what is no row of it is
 * refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/document.h"
#include "app/shape_internal.h"

/* ---- words ---- */

static int word_of(const struct value *value, const char *const *words)
{
    for (int i = 0; value->type == VALUE_STRING && words[i] != NULL; i++) {
        if (strcmp(value->string.text, words[i]) == 0)
            return i;
    }
    return -1;
}

static const char *const type_words[] = {"object", "array",   "string", "integer",
                                         "number", "boolean", "null",   NULL};
static const unsigned type_bits[] = {SHAPE_OBJECT, SHAPE_ARRAY,   SHAPE_STRING, SHAPE_INTEGER,
                                     SHAPE_NUMBER, SHAPE_BOOLEAN, SHAPE_NULL};

static enum err read_type(const struct site *site, const struct value *value)
{
    const int word = word_of(value, type_words);

    if (word < 0)
        return shape_refuse_site(site,
                                 "must be object, array, string, integer, number, boolean or null, "
                                 "or a list of them");
    if ((site->shape->types & type_bits[word]) == type_bits[word])
        return shape_refuse_site(site, "names a type more than once");
    site->shape->types |= type_bits[word];
    return ERR_OK;
}

static enum err read_types(const struct site *site)
{
    const struct value *value = site->value;

    site->shape->types = 0;
    if (value->type != VALUE_ARRAY)
        return read_type(site, value);
    if (value->array.count == 0)
        return shape_refuse_site(site, "must name at least one type");
    for (size_t i = 0; i < value->array.count; i++)
        TRY(read_type(site, &value->array.items[i]));
    return ERR_OK;
}

static enum err read_format(const struct site *site)
{
    static const char *const words[] = {"email", "date", "date-time", "uri", "uuid", NULL};
    const int word = word_of(site->value, words);

    if (word < 0)
        return shape_refuse_site(site, "must be email, date, date-time, uri or uuid");
    site->shape->format = (enum shape_format)(SHAPE_EMAIL + word);
    return ERR_OK;
}

static enum err read_text(const struct site *site)
{
    if (site->value->type != VALUE_STRING || site->value->string.length > 1000)
        return shape_refuse_site(site, "must be a text of at most 1000 bytes");
    if (site->which == 0)
        site->shape->title = site->value->string.text;
    else
        site->shape->description = site->value->string.text;
    return ERR_OK;
}

/* ---- numbers ---- */

static bool number_from(const struct value *value, struct number *ret_number)
{
    if (value->type == VALUE_INT)
        *ret_number = (struct number){.given = true, .integer = value->integer};
    else if (value->type == VALUE_REAL && isfinite(value->real))
        *ret_number = (struct number){.given = true, .real = true, .fraction = value->real};
    else
        return false;
    return true;
}

static enum err read_limit(const struct site *site)
{
    static const struct number zero = {.given = true};
    struct number *limit = &site->shape->limits[site->which];

    if (!number_from(site->value, limit))
        return shape_refuse_site(site, "must be a number");
    if (site->which == SHAPE_MULTIPLE && number_compare(limit, &zero) <= 0)
        return shape_refuse_site(site, "must be greater than 0");
    return ERR_OK;
}

static enum err read_count(const struct site *site)
{
    struct number number = {0};

    if (!number_from(site->value, &number))
        return shape_refuse_site(site, "must be a whole number from 0 to 1000000");
    if (number.real && number.fraction == floor(number.fraction) &&
        fabs(number.fraction) <= 1000000)
        number = (struct number){.given = true, .integer = (int64_t)number.fraction};
    if (number.real || number.integer < 0 || number.integer > 1000000)
        return shape_refuse_site(site, "must be a whole number from 0 to 1000000");
    site->shape->counts[site->which] = number.integer;
    return ERR_OK;
}

/* ---- values ---- */

/* {"v": value} as custom fields hold it; a value they cannot hold would never be met. */
static enum err keep_value(const struct site *site, struct bytes *ret_value)
{
    struct member member = {.name = "v", .value = *site->value};
    const struct value wrapped = {.type = VALUE_OBJECT, .object = {.members = &member, .count = 1}};
    const enum err kept = document_from_value(site->compiler->ctx, "value", &wrapped, ret_value);

    if (kept != ERR_CUSTOM_FIELDS)
        return kept;
    fail_clear(site->compiler->ctx);
    return shape_refuse_site(site, "is or holds a value that custom fields cannot have");
}

static enum err read_enum(const struct site *site)
{
    if (site->value->type != VALUE_ARRAY || site->value->array.count == 0)
        return shape_refuse_site(site, "must be a list of at least one value");
    if (site->value->array.count > SHAPE_MAX_VALUES)
        return shape_refuse_site(site, "may have at most 200 values");
    return keep_value(site, &site->shape->values);
}

static enum err read_const(const struct site *site)
{
    return keep_value(site, &site->shape->constant);
}

static enum err read_default(const struct site *site)
{
    return keep_value(site, &site->shape->standard);
}

static enum err read_pattern(const struct site *site)
{
    struct pattern *pattern = NULL;
    const char *problem = NULL;

    if (site->value->type != VALUE_STRING)
        return shape_refuse_site(site, "must be a text");
    if (++site->compiler->patterns > SHAPE_MAX_PATTERNS)
        return shape_refuse_site(site, "is one too many: a schema may have 32 patterns");
    TRY(pattern_compile(site->compiler->ctx, site->value->string.text, &pattern, &problem));
    if (problem != NULL)
        return shape_refuse_site(site, problem);
    site->shape->pattern = pattern;
    site->shape->pattern_text = site->value->string.text;
    return ERR_OK;
}

static enum err read_flag(const struct site *site, bool *ret_flag)
{
    if (site->value->type != VALUE_BOOL)
        return shape_refuse_site(site, "must be true or false");
    *ret_flag = site->value->boolean;
    return ERR_OK;
}

static enum err read_unique_items(const struct site *site)
{
    return read_flag(site, &site->shape->unique_items);
}

/* ---- schemas in schemas ---- */

static void *take(const struct site *site, size_t count, size_t size)
{
    return arena_array(site->compiler->ctx->arena, count > 0 ? count : 1, size);
}

static enum err read_nameless(const struct site *site, const struct shape **ret_shape)
{
    site->compiler->nameless++;
    TRY(shape_compile_within(site->compiler, site->value, site->place, false, ret_shape));
    site->compiler->nameless--;
    return ERR_OK;
}

static enum err read_items(const struct site *site)
{
    return read_nameless(site, &site->shape->items);
}

static enum err read_others(const struct site *site)
{
    if (site->value->type == VALUE_BOOL) {
        site->shape->closed = !site->value->boolean;
        return ERR_OK;
    }
    if (site->value->type != VALUE_OBJECT)
        return shape_refuse_site(site, "must be true, false or a schema");
    return read_nameless(site, &site->shape->others);
}

/* The rules of app/document.h: no document could have such a member. */
static bool is_allowed_name(const char *name)
{
    return name[0] != '\0' && name[0] != '$' && strchr(name, '.') == NULL &&
           strcmp(name, "__proto__") != 0 && strcmp(name, "constructor") != 0 &&
           strcmp(name, "prototype") != 0;
}

static int by_name(const void *a, const void *b)
{
    const struct shape_property *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static enum err read_properties(const struct site *site)
{
    const struct value *value = site->value;
    struct shape *shape = site->shape;

    if (value->type != VALUE_OBJECT)
        return shape_refuse_site(site, "must be an object of schemas by name");
    site->compiler->properties += value->object.count;
    if (site->compiler->properties > SHAPE_MAX_PROPERTIES)
        return shape_refuse_site(site, "make too many: a schema may have 200 properties in all");
    shape->properties = take(site, value->object.count, sizeof *shape->properties);
    if (shape->properties == NULL)
        return shape_no_memory(site);
    for (size_t i = 0; i < value->object.count; i++) {
        const struct member *member = &value->object.members[i];
        const struct place place = {.up = site->place, .key = member->name};

        if (!is_allowed_name(member->name))
            return shape_refuse(site->compiler, &place, "is a name that custom fields cannot have");
        if (strlen(member->name) > SHAPE_MAX_NAME)
            return shape_refuse_site(site, "has a name of more than 255 bytes");
        shape->properties[i].name = member->name;
        shape->properties[i].position = i;
        TRY(shape_compile_within(site->compiler, &member->value, &place, true,
                                 &shape->properties[i].shape));
    }
    shape->property_count = value->object.count;
    qsort(shape->properties, shape->property_count, sizeof *shape->properties, by_name);
    return ERR_OK;
}

static bool is_listed(const struct strs *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

static enum err read_required(const struct site *site)
{
    const struct value *value = site->value;
    struct strs *required = &site->shape->required;

    if (value->type != VALUE_ARRAY || value->array.count > SHAPE_MAX_PROPERTIES)
        return shape_refuse_site(site, "must be a list of at most 200 names");
    required->items = take(site, value->array.count, sizeof *required->items);
    if (required->items == NULL)
        return shape_no_memory(site);
    for (size_t i = 0; i < value->array.count; i++) {
        const struct value *name = &value->array.items[i];

        if (name->type != VALUE_STRING || !is_allowed_name(name->string.text))
            return shape_refuse_site(site, "must be a list of names that custom fields can have");
        if (is_listed(required, name->string.text))
            return shape_refuse_site(site, "names a member more than once");
        required->items[required->count++] = name->string.text;
    }
    return ERR_OK;
}

/* ---- annotations ---- */

/* What is below items or additionalProperties has no one place in a document: shape_write.c and
 * indexes go by name. */
static enum err refuse_elsewhere(const struct site *site)
{
    if (site->is_property && site->compiler->nameless == 0)
        return ERR_OK;
    return shape_refuse_site(site, site->is_property
                                       ? "cannot stand below items or additionalProperties"
                                       : "belongs to a property");
}

static enum err read_party(const struct site *site)
{
    static const char *const words[] = {"user", "admin", "server", NULL};
    const int word = word_of(site->value, words);

    TRY(refuse_elsewhere(site));
    if (word < 0)
        return shape_refuse_site(site, "must be user, admin or server");
    if (site->which == 0)
        site->shape->read = (enum shape_party)(SHAPE_USER + word);
    else
        site->shape->write = (enum shape_party)(SHAPE_USER + word);
    return ERR_OK;
}

static enum err read_mark(const struct site *site)
{
    TRY(refuse_elsewhere(site));
    if (site->which == 0)
        return read_flag(site, &site->shape->is_unique);
    return read_flag(site, &site->shape->is_encrypted);
}

static enum err read_index(const struct site *site)
{
    TRY(refuse_elsewhere(site));
    if (site->value->type == VALUE_BOOL)
        return read_flag(site, &site->shape->is_indexed);
    if (site->value->type != VALUE_STRING || strcmp(site->value->string.text, "ci") != 0)
        return shape_refuse_site(site, "must be true, false or \"ci\"");
    site->shape->is_indexed = site->shape->ignores_case = true;
    return ERR_OK;
}

/* ---- the table ---- */

static const struct keyword {
    const char *name;
    enum err (*read)(const struct site *site);
    int which;
} keywords[] = {
    {"type", read_types, 0},
    {"properties", read_properties, 0},
    {"required", read_required, 0},
    {"additionalProperties", read_others, 0},
    {"enum", read_enum, 0},
    {"const", read_const, 0},
    {"minimum", read_limit, SHAPE_MINIMUM},
    {"maximum", read_limit, SHAPE_MAXIMUM},
    {"exclusiveMinimum", read_limit, SHAPE_ABOVE},
    {"exclusiveMaximum", read_limit, SHAPE_BELOW},
    {"multipleOf", read_limit, SHAPE_MULTIPLE},
    {"minLength", read_count, SHAPE_MIN_LENGTH},
    {"maxLength", read_count, SHAPE_MAX_LENGTH},
    {"pattern", read_pattern, 0},
    {"format", read_format, 0},
    {"items", read_items, 0},
    {"minItems", read_count, SHAPE_MIN_ITEMS},
    {"maxItems", read_count, SHAPE_MAX_ITEMS},
    {"uniqueItems", read_unique_items, 0},
    {"minProperties", read_count, SHAPE_LEAST_PROPERTIES},
    {"maxProperties", read_count, SHAPE_MOST_PROPERTIES},
    {"title", read_text, 0},
    {"description", read_text, 1},
    {"default", read_default, 0},
    {"x-unique", read_mark, 0},
    {"x-index", read_index, 0},
    {"x-read", read_party, 0},
    {"x-write", read_party, 1},
    {"x-encrypt", read_mark, 1},
};

static const struct keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i];
    }
    return NULL;
}

enum err shape_read_keyword(struct site *site, const char *name)
{
    const struct keyword *keyword = find_keyword(name);

    if (keyword == NULL)
        return ERR_NOT_FOUND;
    site->which = keyword->which;
    return keyword->read(site);
}
