/* From the form of a field to the keywords of a schema, and back. */
#include "handlers/console_fields_edit.h"

#include <string.h>

#include "app/arena.h"
#include "handlers/pages_inputs.h"

static const struct kind {
    const char *word, *type, *format, *items;
    bool has_values;
} kinds[] = {
    {"text", "string", NULL, NULL, false},
    {"choice", "string", NULL, NULL, true},
    {"integer", "integer", NULL, NULL, false},
    {"number", "number", NULL, NULL, false},
    {"boolean", "boolean", NULL, NULL, false},
    {"date", "string", "date", NULL, false},
    {"date-time", "string", "date-time", NULL, false},
    {"email", "string", "email", NULL, false},
    {"uri", "string", "uri", NULL, false},
    {"uuid", "string", "uuid", NULL, false},
    {"list", "array", NULL, "string", false},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

const struct input_choice console_field_kinds[] = {
    {"", "As it stands in the schema"},
    {"text", "Text"},
    {"choice", "One of the values below"},
    {"integer", "Whole number"},
    {"number", "Number"},
    {"boolean", "Yes or no"},
    {"date", "Day"},
    {"date-time", "Day and time of day"},
    {"email", "E-mail address"},
    {"uri", "Web address"},
    {"uuid", "UUID"},
    {"list", "List of texts"},
    {NULL, NULL},
};
const struct input_choice console_field_indexes[] = {
    {"", "no"},
    {"yes", "yes"},
    {"ci", "yes, without regard to case"},
    {NULL, NULL},
};
const struct input_choice console_field_parties[] = {
    {"", "users"},
    {"admin", "administrators and servers"},
    {"server", "servers"},
    {NULL, NULL},
};

/* --- members of objects --- */

static struct value text_value(const char *text)
{
    struct value value = {.type = VALUE_STRING};

    value.string.text = text;
    value.string.length = strlen(text);
    return value;
}

/* The object with the member; without it when value is NULL. */
static enum err set(struct ctx *ctx, struct value *object, const char *name,
                    const struct value *value)
{
    const size_t count = object->type == VALUE_OBJECT ? object->object.count : 0;
    struct member *members = arena_array(ctx->arena, count + 1, sizeof *members);
    size_t kept = 0;
    bool done = false;

    if (members == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const bool is_it = strcmp(object->object.members[i].name, name) == 0;

        if (is_it && value == NULL)
            continue;
        members[kept] = object->object.members[i];
        if (is_it)
            members[kept].value = *value;
        done = done || is_it;
        kept++;
    }
    if (!done && value != NULL)
        members[kept++] = (struct member){.name = name, .value = *value};
    *object = (struct value){.type = VALUE_OBJECT};
    object->object.members = members;
    object->object.count = kept;
    return ERR_OK;
}

static enum err set_text(struct ctx *ctx, struct value *object, const char *name, const char *text)
{
    const struct value value = text_value(text != NULL ? text : "");

    return set(ctx, object, name, text != NULL && text[0] != '\0' ? &value : NULL);
}

static enum err set_true(struct ctx *ctx, struct value *object, const char *name, bool is_so)
{
    const struct value value = {.type = VALUE_BOOL, .boolean = true};

    return set(ctx, object, name, is_so ? &value : NULL);
}

static struct value object_of(const struct value *object, const char *name)
{
    const struct value *found = value_get(object, name);

    return found != NULL && found->type == VALUE_OBJECT ? *found
                                                        : (struct value){.type = VALUE_OBJECT};
}

static const char *text_of(const struct value *object, const char *name)
{
    const struct value *found = value_get(object, name);

    return found != NULL && found->type == VALUE_STRING ? found->string.text : NULL;
}

static bool is_true(const struct value *object, const char *name)
{
    const struct value *found = value_get(object, name);

    return found != NULL && found->type == VALUE_BOOL && found->boolean;
}

/* --- required --- */

static bool is_text(const struct value *value, const char *text)
{
    return value->type == VALUE_STRING && strcmp(value->string.text, text) == 0;
}

static bool is_required(const struct value *schema, const char *name)
{
    const struct value *list = value_get(schema, "required");

    for (size_t i = 0; list != NULL && list->type == VALUE_ARRAY && i < list->array.count; i++) {
        if (is_text(&list->array.items[i], name))
            return true;
    }
    return false;
}

static enum err set_required(struct ctx *ctx, struct value *schema, const char *name, bool is_so)
{
    const struct value *list = value_get(schema, "required");
    const size_t count = list != NULL && list->type == VALUE_ARRAY ? list->array.count : 0;
    struct value required = {.type = VALUE_ARRAY};

    required.array.items = arena_array(ctx->arena, count + 1, sizeof *required.array.items);
    if (required.array.items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!is_text(&list->array.items[i], name))
            required.array.items[required.array.count++] = list->array.items[i];
    }
    if (is_so)
        required.array.items[required.array.count++] = text_value(name);
    return set(ctx, schema, "required", required.array.count > 0 ? &required : NULL);
}

/* --- the kind of a field --- */

static bool same(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Only what the form can say whole. */
static const char *kind_of(const struct value *property)
{
    const struct value *values = value_get(property, "enum");
    const struct value items = object_of(property, "items");

    for (size_t i = 0; i < KINDS; i++) {
        if (same(text_of(property, "type"), kinds[i].type) &&
            same(text_of(property, "format"), kinds[i].format) &&
            same(text_of(&items, "type"), kinds[i].items) && items.object.count <= 1 &&
            (values != NULL) == kinds[i].has_values)
            return kinds[i].word;
    }
    return "";
}

static enum err set_values(struct ctx *ctx, struct value *property, const char *lines)
{
    struct value values = {.type = VALUE_ARRAY};
    struct strs texts = {0};

    TRY(inputs_split_lines(ctx, lines != NULL ? lines : "", &texts));
    if (texts.count == 0)
        return fail(ctx, ERR_VALIDATION, "values", "Give the values, one a line.");
    values.array.items = arena_array(ctx->arena, texts.count, sizeof *values.array.items);
    if (values.array.items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < texts.count; i++)
        values.array.items[values.array.count++] = text_value(texts.items[i]);
    return set(ctx, property, "enum", &values);
}

static enum err set_kind(struct ctx *ctx, struct value *property, const struct fields_form *form)
{
    struct value items = {.type = VALUE_OBJECT};
    const struct kind *kind = NULL;

    if (form->kind == NULL || form->kind[0] == '\0')
        return ERR_OK;
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].word, form->kind) == 0)
            kind = &kinds[i];
    }
    if (kind == NULL)
        return fail(ctx, ERR_VALIDATION, "kind", "Choose what the field holds.");
    TRY(set_text(ctx, property, "type", kind->type));
    TRY(set_text(ctx, property, "format", kind->format));
    if (kind->has_values)
        TRY(set_values(ctx, property, form->values));
    else
        TRY(set(ctx, property, "enum", NULL));
    TRY(set_text(ctx, &items, "type", kind->items));
    return set(ctx, property, "items", kind->items != NULL ? &items : NULL);
}

/* --- a field --- */

static enum err set_index(struct ctx *ctx, struct value *property, const char *word)
{
    const struct value yes = {.type = VALUE_BOOL, .boolean = true}, ci = text_value("ci");

    if (word == NULL || word[0] == '\0')
        return set(ctx, property, "x-index", NULL);
    return set(ctx, property, "x-index", strcmp(word, "ci") == 0 ? &ci : &yes);
}

enum err console_field_put(struct ctx *ctx, const struct fields_form *form, struct value *schema)
{
    struct value properties = object_of(schema, "properties"), property;

    if (form->name == NULL)
        return fail(ctx, ERR_VALIDATION, "name", "Give the field a name.");
    property = object_of(&properties, form->name);
    TRY(set_kind(ctx, &property, form));
    TRY(set_text(ctx, &property, "title", form->title));
    TRY(set_text(ctx, &property, "description", form->description));
    TRY(set_true(ctx, &property, "x-unique", form->unique != NULL));
    TRY(set_index(ctx, &property, form->index));
    TRY(set_text(ctx, &property, "x-read", form->read));
    TRY(set_text(ctx, &property, "x-write", form->write));
    TRY(set(ctx, &properties, form->name, &property));
    TRY(set(ctx, schema, "properties", &properties));
    return set_required(ctx, schema, form->name, form->required != NULL);
}

enum err console_field_find(struct ctx *ctx, const char *name, const struct value *schema)
{
    const struct value properties = object_of(schema, "properties");

    if (name == NULL || value_get(&properties, name) == NULL)
        return fail(ctx, ERR_VALIDATION, "name", "The schema below has no field of that name.");
    return ERR_OK;
}

enum err console_field_remove(struct ctx *ctx, const char *name, struct value *schema)
{
    struct value properties = object_of(schema, "properties");

    TRY(console_field_find(ctx, name, schema));
    TRY(set(ctx, &properties, name, NULL));
    TRY(set(ctx, schema, "properties", &properties));
    return set_required(ctx, schema, name, false);
}

static const char *party_of(const struct value *property, const char *keyword)
{
    const char *word = text_of(property, keyword);

    return word != NULL && strcmp(word, "user") != 0 ? word : "";
}

static enum err join_values(struct ctx *ctx, const struct value *values, const char **ret_lines)
{
    struct strs texts = {0};
    const char **items;

    if (values == NULL || values->type != VALUE_ARRAY)
        return ERR_OK;
    items = arena_array(ctx->arena, values->array.count + 1, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < values->array.count; i++) {
        if (values->array.items[i].type == VALUE_STRING)
            items[texts.count++] = values->array.items[i].string.text;
    }
    texts.items = items;
    *ret_lines = inputs_join_lines(ctx, &texts);
    return *ret_lines == NULL ? ERR_MEMORY : ERR_OK;
}

enum err console_field_read(struct ctx *ctx, const struct value *schema, struct fields_form *form)
{
    const struct value properties = object_of(schema, "properties");
    const struct value *property = form->name != NULL ? value_get(&properties, form->name) : NULL;
    const char *index;

    if (property == NULL || property->type != VALUE_OBJECT)
        return ERR_OK;
    index = text_of(property, "x-index");
    form->title = text_of(property, "title");
    form->description = text_of(property, "description");
    form->kind = kind_of(property);
    form->required = is_required(schema, form->name) ? "on" : NULL;
    form->unique = is_true(property, "x-unique") ? "on" : NULL;
    form->index = index != NULL ? index : is_true(property, "x-index") ? "yes" : "";
    form->read = party_of(property, "x-read");
    form->write = party_of(property, "x-write");
    return join_values(ctx, value_get(property, "enum"), &form->values);
}
