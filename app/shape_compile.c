/* From JSON to shapes: the keywords of each schema (shape_keywords.c), then what belongs together.
 */
#include "app/shape_internal.h"

#include <string.h>

#define POINTER_BYTES        1024
#define SCHEMA_POINTER_BYTES 8192 /* that of a property always fits */

/* ---- errors ---- */

static void put_pointer(struct buf *out, const struct place *place)
{
    if (place == NULL)
        return;
    put_pointer(out, place->up);
    buf_pointer(out, place->key, strlen(place->key));
}

const char *place_pointer(struct ctx *ctx, const char *prefix, const struct place *place)
{
    for (;; place = place->up) {
        struct buf out;

        buf_init(&out, ctx->arena, POINTER_BYTES);
        buf_puts(&out, prefix);
        put_pointer(&out, place);
        if (buf_ok(&out) || place == NULL)
            return buf_text(&out);
    }
}

enum err shape_refuse(const struct compiler *compiler, const struct place *place,
                      const char *sentence)
{
    const char *pointer = place_pointer(compiler->ctx, "", place);

    if (pointer == NULL)
        return fail_internal(compiler->ctx, ERR_MEMORY, "no memory for a schema");
    return fail(compiler->ctx, ERR_SCHEMA, pointer, "%s %s",
                pointer[0] != '\0' ? pointer : "The schema", sentence);
}

enum err shape_refuse_site(const struct site *site, const char *sentence)
{
    return shape_refuse(site->compiler, site->place, sentence);
}

enum err shape_no_memory(const struct site *site)
{
    return fail_internal(site->compiler->ctx, ERR_MEMORY, "no memory for a schema");
}

const char *shape_pointer(struct ctx *ctx, const char *pointer, const char *name)
{
    struct buf out;

    buf_init(&out, ctx->arena, SCHEMA_POINTER_BYTES);
    buf_puts(&out, pointer);
    buf_puts(&out, "/properties");
    buf_pointer(&out, name, strlen(name));
    return buf_text(&out);
}

/* ---- one schema ---- */

static enum err read_keywords(struct site *site, const struct place *place)
{
    const struct value *schema = site->schema;

    for (size_t i = 0; i < schema->object.count; i++) {
        const struct member *member = &schema->object.members[i];
        const struct place here = {.up = place, .key = member->name};

        site->place = &here;
        site->value = &member->value;

        const enum err read = shape_read_keyword(site, member->name);

        if (read == ERR_NOT_FOUND)
            return shape_refuse(site->compiler, &here,
                                "is no keyword of this service; docs/CUSTOM_FIELDS.md lists them");
        TRY(read);
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
        return shape_refuse(site->compiler, &place, "is greater than the maximum beside it");
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
        return shape_refuse(site->compiler, &minimum,
                            "leaves no number below the maximum beside it");
    if (is_void(&limits[SHAPE_ABOVE], &limits[SHAPE_MAXIMUM], true) ||
        is_void(&limits[SHAPE_ABOVE], &limits[SHAPE_BELOW], true))
        return shape_refuse(site->compiler, &above, "leaves no number below the maximum beside it");
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
            return shape_refuse(site->compiler, &place,
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
        return shape_refuse(site->compiler, place, "cannot be together with x-encrypt");
    if (shape->ignores_case && types != SHAPE_STRING)
        return shape_refuse(site->compiler, &index, "\"ci\" needs \"type\": \"string\"");
    if (shape->ignores_case && (shape->format == SHAPE_DATE || shape->format == SHAPE_DATE_TIME))
        return shape_refuse(site->compiler, &index, "must be true: a date has no case");
    if (types != SHAPE_STRING && types != SHAPE_INTEGER && types != SHAPE_NUMBER &&
        types != SHAPE_BOOLEAN)
        return shape_refuse(site->compiler, place,
                            "needs one type beside it: string, integer, number or boolean");
    return ERR_OK;
}

static bool is_indexed_below(const struct shape *shape)
{
    for (size_t i = 0; i < shape->property_count; i++) {
        const struct shape *of = shape->properties[i].shape;

        if (of->is_unique || of->is_indexed || is_indexed_below(of))
            return true;
    }
    return false;
}

/* It is sealed as a whole: the database sees nothing of what is in it. */
static enum err check_encrypted(const struct site *site)
{
    const struct place place = {.up = site->place, .key = "x-encrypt"};

    if (!site->shape->is_encrypted || !is_indexed_below(site->shape))
        return ERR_OK;
    return shape_refuse(site->compiler, &place, "cannot stand around x-unique or x-index");
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
    return failures.count > 0 ? shape_refuse(site->compiler, &place, failures.items[0].message)
                              : ERR_OK;
}

static void note_from(struct shape *shape, const struct shape *below)
{
    if (below == NULL)
        return;
    shape->has_readers = shape->has_readers || below->has_readers;
    shape->has_writers = shape->has_writers || below->has_writers;
    shape->has_moments = shape->has_moments || below->has_moments;
    shape->has_indexes = shape->has_indexes || below->has_indexes;
    shape->has_secrets = shape->has_secrets || below->has_secrets;
}

static void note_below(struct shape *shape)
{
    shape->has_secrets = shape->is_encrypted;
    shape->has_readers = shape->read > SHAPE_USER;
    shape->has_writers = shape->has_readers || shape->write > SHAPE_USER;
    shape->has_indexes = shape->is_unique || shape->is_indexed;
    shape->has_moments = shape->format == SHAPE_DATE || shape->format == SHAPE_DATE_TIME;
    for (size_t i = 0; i < shape->property_count; i++)
        note_from(shape, shape->properties[i].shape);
    note_from(shape, shape->items);
    note_from(shape, shape->others);
}

/* In the database a path leads through lists too, and then one user has many values. */
static enum err check_way_to_index(const struct site *site)
{
    const struct place place = {.up = site->place, .key = "type"};
    const struct shape *shape = site->shape;

    if (!site->is_property || !shape->has_indexes || (shape->types & SHAPE_ARRAY) == 0)
        return ERR_OK;
    return shape_refuse(site->compiler, &place,
                        "must be \"object\", because a member of it is unique or indexed");
}

enum err shape_compile_within(struct compiler *compiler, const struct value *schema,
                              const struct place *place, bool is_property,
                              const struct shape **ret_shape)
{
    struct shape *shape = ARENA_NEW(compiler->ctx->arena, struct shape);
    struct site site = {.compiler = compiler,
                        .schema = schema,
                        .shape = shape,
                        .place = place,
                        .is_property = is_property};

    if (schema->type != VALUE_OBJECT)
        return shape_refuse(compiler, place, "must be a schema, which is an object");
    if (shape == NULL)
        return shape_no_memory(&site);
    shape->types = SHAPE_ANY;
    for (int i = 0; i < SHAPE_COUNTS; i++)
        shape->counts[i] = -1;
    TRY(read_keywords(&site, place));
    TRY(check_limits(&site));
    TRY(check_required(&site));
    TRY(check_index(&site));
    TRY(check_encrypted(&site));
    TRY(check_value(&site, &shape->constant, "const"));
    TRY(check_value(&site, &shape->standard, "default"));
    note_below(shape);
    TRY(check_way_to_index(&site));
    *ret_shape = shape;
    return ERR_OK;
}

enum err shape_compile(struct ctx *ctx, const struct value *schema, const struct shape **ret_shape)
{
    struct compiler compiler = {.ctx = ctx};
    const struct shape *shape = NULL;
    const struct place type = {.key = "type"};

    TRY(shape_compile_within(&compiler, schema, NULL, false, &shape));
    if ((shape->types & SHAPE_OBJECT) == 0)
        return shape_refuse(&compiler, &type, "must allow an object: custom fields are one");
    *ret_shape = shape;
    return ERR_OK;
}
