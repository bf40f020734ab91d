/* From JSON to shapes: one function for each kind of keyword, in one table; what is no row of it is
 * refused. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/document.h"
#include "app/shape.h"

#define POINTER_BYTES 512

struct compiler {
    struct ctx *ctx;
    size_t properties, patterns;
};

/* Where in the schema the walk is; on the stack, innermost last. */
struct place {
    const struct place *up;
    const char *key;
};

/* One keyword of one schema. */
struct site {
    struct compiler *compiler;
    const struct place *place;
    const struct value *value;
    const struct value *schema; /* that it stands in */
    struct shape *shape;
    int which; /* of the table's row */
    bool is_property;
};

static enum err compile(struct compiler *compiler, const struct value *schema,
                        const struct place *place, bool is_property,
                        const struct shape **ret_shape);

/* ---- errors ---- */

static void put_pointer(struct buf *out, const struct place *place)
{
    if (place == NULL)
        return;
    put_pointer(out, place->up);
    buf_putc(out, '/');
    for (const char *c = place->key; *c != '\0'; c++) {
        if (*c == '~')
            buf_puts(out, "~0");
        else if (*c == '/')
            buf_puts(out, "~1");
        else
            buf_putc(out, *c);
    }
}

/* Of a place too long to show, the nearest one above it that is not. */
static const char *pointer_to(struct ctx *ctx, const struct place *place)
{
    for (; place != NULL; place = place->up) {
        struct buf out;

        buf_init(&out, ctx->arena, POINTER_BYTES);
        put_pointer(&out, place);
        if (buf_ok(&out))
            return buf_text(&out);
    }
    return "/";
}

static enum err refuse(const struct compiler *compiler, const struct place *place,
                       const char *sentence)
{
    const char *pointer = pointer_to(compiler->ctx, place);

    return fail(compiler->ctx, ERR_SCHEMA, pointer, "%s %s", pointer, sentence);
}

static enum err refuse_site(const struct site *site, const char *sentence)
{
    return refuse(site->compiler, site->place, sentence);
}

static void *take(const struct site *site, size_t count, size_t size)
{
    return arena_array(site->compiler->ctx->arena, count > 0 ? count : 1, size);
}

static enum err no_memory(const struct site *site)
{
    return fail_internal(site->compiler->ctx, ERR_MEMORY, "no memory for a schema");
}

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
        return refuse_site(site, "must be object, array, string, integer, number, boolean or null, "
                                 "or a list of them");
    if ((site->shape->types & type_bits[word]) == type_bits[word])
        return refuse_site(site, "names a type more than once");
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
        return refuse_site(site, "must name at least one type");
    for (size_t i = 0; i < value->array.count; i++)
        TRY(read_type(site, &value->array.items[i]));
    return ERR_OK;
}

static enum err read_format(const struct site *site)
{
    static const char *const words[] = {"email", "date", "date-time", "uri", "uuid", NULL};
    const int word = word_of(site->value, words);

    if (word < 0)
        return refuse_site(site, "must be email, date, date-time, uri or uuid");
    site->shape->format = (enum shape_format)(SHAPE_EMAIL + word);
    return ERR_OK;
}

static enum err read_text(const struct site *site)
{
    if (site->value->type != VALUE_STRING || site->value->string.length > 1000)
        return refuse_site(site, "must be a text of at most 1000 bytes");
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
        return refuse_site(site, "must be a number");
    if (site->which == SHAPE_MULTIPLE && number_compare(limit, &zero) <= 0)
        return refuse_site(site, "must be greater than 0");
    return ERR_OK;
}

static enum err read_count(const struct site *site)
{
    struct number number = {0};

    if (!number_from(site->value, &number))
        return refuse_site(site, "must be a whole number from 0 to 1000000");
    if (number.real && number.fraction == floor(number.fraction) &&
        fabs(number.fraction) <= 1000000)
        number = (struct number){.given = true, .integer = (int64_t)number.fraction};
    if (number.real || number.integer < 0 || number.integer > 1000000)
        return refuse_site(site, "must be a whole number from 0 to 1000000");
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
    return refuse_site(site, "is or holds a value that custom fields cannot have");
}

static enum err read_enum(const struct site *site)
{
    if (site->value->type != VALUE_ARRAY || site->value->array.count == 0)
        return refuse_site(site, "must be a list of at least one value");
    if (site->value->array.count > SHAPE_MAX_VALUES)
        return refuse_site(site, "may have at most 200 values");
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
        return refuse_site(site, "must be a text");
    if (++site->compiler->patterns > SHAPE_MAX_PATTERNS)
        return refuse_site(site, "is one too many: a schema may have 32 patterns");
    TRY(pattern_compile(site->compiler->ctx, site->value->string.text, &pattern, &problem));
    if (problem != NULL)
        return refuse_site(site, problem);
    site->shape->pattern = pattern;
    site->shape->pattern_text = site->value->string.text;
    return ERR_OK;
}

static enum err read_flag(const struct site *site, bool *ret_flag)
{
    if (site->value->type != VALUE_BOOL)
        return refuse_site(site, "must be true or false");
    *ret_flag = site->value->boolean;
    return ERR_OK;
}

static enum err read_unique_items(const struct site *site)
{
    return read_flag(site, &site->shape->unique_items);
}

/* ---- schemas in schemas ---- */

static enum err read_items(const struct site *site)
{
    return compile(site->compiler, site->value, site->place, false, &site->shape->items);
}

static enum err read_others(const struct site *site)
{
    if (site->value->type == VALUE_BOOL) {
        site->shape->closed = !site->value->boolean;
        return ERR_OK;
    }
    if (site->value->type != VALUE_OBJECT)
        return refuse_site(site, "must be true, false or a schema");
    return compile(site->compiler, site->value, site->place, false, &site->shape->others);
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
        return refuse_site(site, "must be an object of schemas by name");
    site->compiler->properties += value->object.count;
    if (site->compiler->properties > SHAPE_MAX_PROPERTIES)
        return refuse_site(site, "make too many: a schema may have 200 properties in all");
    shape->properties = take(site, value->object.count, sizeof *shape->properties);
    if (shape->properties == NULL)
        return no_memory(site);
    for (size_t i = 0; i < value->object.count; i++) {
        const struct member *member = &value->object.members[i];
        const struct place place = {.up = site->place, .key = member->name};

        if (!is_allowed_name(member->name))
            return refuse(site->compiler, &place, "is a name that custom fields cannot have");
        shape->properties[i].name = member->name;
        TRY(compile(site->compiler, &member->value, &place, true, &shape->properties[i].shape));
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
        return refuse_site(site, "must be a list of at most 200 names");
    required->items = take(site, value->array.count, sizeof *required->items);
    if (required->items == NULL)
        return no_memory(site);
    for (size_t i = 0; i < value->array.count; i++) {
        const struct value *name = &value->array.items[i];

        if (name->type != VALUE_STRING || !is_allowed_name(name->string.text))
            return refuse_site(site, "must be a list of names that custom fields can have");
        if (is_listed(required, name->string.text))
            return refuse_site(site, "names a member more than once");
        required->items[required->count++] = name->string.text;
    }
    return ERR_OK;
}

/* ---- annotations ---- */

static enum err refuse_elsewhere(const struct site *site)
{
    return site->is_property ? ERR_OK : refuse_site(site, "belongs to a property");
}

static enum err read_party(const struct site *site)
{
    static const char *const words[] = {"user", "admin", "server", NULL};
    const int word = word_of(site->value, words);

    TRY(refuse_elsewhere(site));
    if (word < 0)
        return refuse_site(site, "must be user, admin or server");
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
        return refuse_site(site, "must be true, false or \"ci\"");
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

static enum err read_keywords(struct site *site, const struct place *place)
{
    const struct value *schema = site->schema;

    for (size_t i = 0; i < schema->object.count; i++) {
        const struct member *member = &schema->object.members[i];
        const struct place here = {.up = place, .key = member->name};
        const struct keyword *keyword = find_keyword(member->name);

        if (keyword == NULL)
            return refuse(site->compiler, &here,
                          "is no keyword of this service; docs/CUSTOM_FIELDS.md lists them");
        site->place = &here;
        site->value = &member->value;
        site->which = keyword->which;
        TRY(keyword->read(site));
    }
    site->place = place;
    return ERR_OK;
}

/* ---- what belongs together ---- */

static enum err check_count_pair(const struct site *site, int least, int most, const char *keyword)
{
    const int64_t *counts = site->shape->counts;
    const struct place place = {.up = site->place, .key = keyword};

    if (counts[least] >= 0 && counts[most] >= 0 && counts[least] > counts[most])
        return refuse(site->compiler, &place, "is greater than the maximum beside it");
    return ERR_OK;
}

/* No number lies between them. */
static bool is_void(const struct number *low, const struct number *high, bool open)
{
    if (!low->given || !high->given)
        return false;

    const int order = number_compare(low, high);

    return order > 0 || (open && order == 0);
}

static enum err check_limits(const struct site *site)
{
    const struct number *limits = site->shape->limits;
    const struct place minimum = {.up = site->place, .key = "minimum"};
    const struct place above = {.up = site->place, .key = "exclusiveMinimum"};

    if (is_void(&limits[SHAPE_MINIMUM], &limits[SHAPE_MAXIMUM], false) ||
        is_void(&limits[SHAPE_MINIMUM], &limits[SHAPE_BELOW], true))
        return refuse(site->compiler, &minimum, "leaves no number below the maximum beside it");
    if (is_void(&limits[SHAPE_ABOVE], &limits[SHAPE_MAXIMUM], true) ||
        is_void(&limits[SHAPE_ABOVE], &limits[SHAPE_BELOW], true))
        return refuse(site->compiler, &above, "leaves no number below the maximum beside it");
    TRY(check_count_pair(site, SHAPE_MIN_LENGTH, SHAPE_MAX_LENGTH, "minLength"));
    TRY(check_count_pair(site, SHAPE_MIN_ITEMS, SHAPE_MAX_ITEMS, "minItems"));
    return check_count_pair(site, SHAPE_LEAST_PROPERTIES, SHAPE_MOST_PROPERTIES, "minProperties");
}

static enum err check_required(const struct site *site)
{
    const struct shape *shape = site->shape;
    const struct place place = {.up = site->place, .key = "required"};

    for (size_t i = 0; shape->closed && i < shape->required.count; i++) {
        if (shape_find(shape, shape->required.items[i]) == NULL)
            return refuse(site->compiler, &place,
                          "names a member that is no property, and others are not allowed");
    }
    return ERR_OK;
}

/* One scalar type: what an index over it can mean is then clear. */
static enum err check_index(const struct site *site)
{
    const struct shape *shape = site->shape;
    const struct place unique = {.up = site->place, .key = "x-unique"};
    const struct place index = {.up = site->place, .key = "x-index"};
    const struct place *place = shape->is_unique ? &unique : &index;
    const unsigned types = shape->types;

    if (!shape->is_unique && !shape->is_indexed)
        return ERR_OK;
    if (shape->is_encrypted)
        return refuse(site->compiler, place, "cannot be together with x-encrypt");
    if (shape->ignores_case && types != SHAPE_STRING)
        return refuse(site->compiler, &index, "\"ci\" needs \"type\": \"string\"");
    if (types != SHAPE_STRING && types != SHAPE_INTEGER && types != SHAPE_NUMBER &&
        types != SHAPE_BOOLEAN)
        return refuse(site->compiler, place,
                      "needs one type beside it: string, integer, number or boolean");
    return ERR_OK;
}

/* A value that the schema names itself must fit it. */
static enum err check_value(const struct site *site, const struct bytes *value, const char *keyword)
{
    const struct place place = {.up = site->place, .key = keyword};
    struct shape_property property = {.name = "v", .shape = site->shape};
    struct shape wrapper = {.types = SHAPE_ANY, .properties = &property, .property_count = 1};
    struct shape_failures failures = {0};

    if (value->size == 0)
        return ERR_OK;
    for (int i = 0; i < SHAPE_COUNTS; i++)
        wrapper.counts[i] = -1;
    TRY(shape_check(site->compiler->ctx, &wrapper, "", value, &failures));
    return failures.count > 0 ? refuse(site->compiler, &place, failures.items[0].message) : ERR_OK;
}

static void note_writers(struct shape *shape)
{
    shape->has_writers = shape->write > SHAPE_USER;
    for (size_t i = 0; i < shape->property_count; i++)
        shape->has_writers = shape->has_writers || shape->properties[i].shape->has_writers;
}

static enum err compile(struct compiler *compiler, const struct value *schema,
                        const struct place *place, bool is_property, const struct shape **ret_shape)
{
    struct shape *shape = ARENA_NEW(compiler->ctx->arena, struct shape);
    struct site site = {.compiler = compiler,
                        .schema = schema,
                        .shape = shape,
                        .place = place,
                        .is_property = is_property};

    if (schema->type != VALUE_OBJECT)
        return refuse(compiler, place, "must be a schema, which is an object");
    if (shape == NULL)
        return no_memory(&site);
    shape->types = SHAPE_ANY;
    for (int i = 0; i < SHAPE_COUNTS; i++)
        shape->counts[i] = -1;
    TRY(read_keywords(&site, place));
    TRY(check_limits(&site));
    TRY(check_required(&site));
    TRY(check_index(&site));
    TRY(check_value(&site, &shape->constant, "const"));
    TRY(check_value(&site, &shape->standard, "default"));
    note_writers(shape);
    *ret_shape = shape;
    return ERR_OK;
}

enum err shape_compile(struct ctx *ctx, const struct value *schema, const struct shape **ret_shape)
{
    struct compiler compiler = {.ctx = ctx};
    const struct shape *shape = NULL;
    const struct place type = {.key = "type"};

    TRY(compile(&compiler, schema, NULL, false, &shape));
    if ((shape->types & SHAPE_OBJECT) == 0)
        return refuse(&compiler, &type, "must allow an object: custom fields are one");
    *ret_shape = shape;
    return ERR_OK;
}
