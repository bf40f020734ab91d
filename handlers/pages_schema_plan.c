/* Which fields a form has, with which kind of input, and what they hold. */
#include "handlers/pages_schema_internal.h"

#include <ctype.h>
#include <string.h>

#include <bson/bson.h>

#include "app/document.h"
#include "handlers/pages_internal.h"
#include "models/custom_schema.h"
#include "models/tenant.h"

#define TEXT_MAX   ((size_t)256 * 1024)
#define LONG_TEXT  256 /* a maxLength from which on a text gets several lines */
#define RADIOS_MAX 4
#define BOXES_MAX  30
#define FIELDS_MAX (2 * SHAPE_MAX_PROPERTIES + 1) /* a group has two ends */

/* --- which input --- */

static enum form_kind kind_of_text(const struct shape *shape)
{
    switch (shape->format) {
    case SHAPE_EMAIL:
        return FORM_EMAIL;
    case SHAPE_URI:
        return FORM_URL;
    case SHAPE_DATE:
        return FORM_DATE;
    case SHAPE_DATE_TIME:
        return FORM_MOMENT;
    case SHAPE_UUID:
    case SHAPE_NO_FORMAT:
        break;
    }
    return shape->counts[SHAPE_MAX_LENGTH] >= LONG_TEXT && shape->pattern == NULL ? FORM_LONG
                                                                                  : FORM_TEXT;
}

static enum form_kind kind_of_choice(const struct form_choices *choices, bool required)
{
    if (!choices->scalars)
        return FORM_JSON;
    if (choices->booleans)
        return FORM_BOX;
    return required && choices->count <= RADIOS_MAX ? FORM_RADIO : FORM_CHOICE;
}

static enum form_kind kind_of_shape(const struct shape *shape, bool required);

static enum form_kind kind_of_array(const struct shape *shape)
{
    if (shape->items == NULL)
        return FORM_JSON;

    const enum form_kind item = kind_of_shape(shape->items, false);

    if (item == FORM_CHOICE && shape->unique_items &&
        form_look_at_choices(shape->items).count <= BOXES_MAX)
        return FORM_BOXES;
    return item == FORM_CHOICE || item == FORM_TEXT || item == FORM_EMAIL || item == FORM_URL ||
                   item == FORM_DATE || item == FORM_MOMENT || item == FORM_NUMBER
               ? FORM_LINES
               : FORM_JSON;
}

static enum form_kind kind_of_shape(const struct shape *shape, bool required)
{
    const unsigned types = shape->types & (unsigned)~SHAPE_NULL;
    const struct form_choices choices = form_look_at_choices(shape);

    if (choices.count > 0)
        return kind_of_choice(&choices, required);
    if (types == SHAPE_BOOLEAN)
        return FORM_BOX;
    if (types != 0 && (types & (unsigned)~SHAPE_NUMBER) == 0)
        return FORM_NUMBER;
    if (types == SHAPE_STRING)
        return kind_of_text(shape);
    if (types == SHAPE_ARRAY)
        return kind_of_array(shape);
    return types == SHAPE_OBJECT && shape->property_count > 0 ? FORM_GROUP : FORM_JSON;
}

/* --- what it holds --- */

/* As the inputs of an enum write it. */
static const char *held_text(struct ctx *ctx, const struct form_choices *of,
                             const bson_iter_t *value)
{
    return form_choice_text(ctx, value, of->strings && BSON_ITER_HOLDS_UTF8(value));
}

/* NULL: the lines of a form could not give these items back. */
static enum err lines_text(struct ctx *ctx, const struct shape *items, const bson_iter_t *array,
                           const char **ret_text)
{
    const struct form_choices choices = form_look_at_choices(items);
    bson_iter_t item;
    struct buf out;

    *ret_text = NULL;
    if (!BSON_ITER_HOLDS_ARRAY(array) || !bson_iter_recurse(array, &item))
        return ERR_OK;
    buf_init(&out, ctx->arena, TEXT_MAX);
    while (bson_iter_next(&item)) {
        const char *text = form_is_scalar(&item) ? held_text(ctx, &choices, &item) : NULL;

        if (text == NULL || !form_fits_line(text))
            return ERR_OK;
        buf_puts(&out, out.size > 0 ? "\n" : "");
        buf_puts(&out, text);
    }
    *ret_text = buf_text(&out);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

/* The calendar of browsers begins with the year 1: their inputs would lose it. */
static bool is_year_0(const char *text)
{
    return strncmp(text, "0000-", 5) == 0;
}

bool moment_split(const char *text, struct moment *ret_moment)
{
    const size_t length = strlen(text), whole = strlen("2026-01-31T09:30:00");
    size_t local = whole;

    if (length <= whole || text[10] != 'T' || strncmp(text + 17, "60", 2) == 0 || is_year_0(text))
        return false;
    if (text[local] == '.')
        local += 1 + strspn(text + local + 1, "0123456789");
    if (local >= sizeof ret_moment->local)
        return false;

    const char *offset = strcmp(text + local, "Z") == 0 ? "+00:00" : text + local;

    if (strlen(offset) != 6 || strchr("+-", offset[0]) == NULL)
        return false;
    memcpy(ret_moment->local, text, local);
    ret_moment->local[local] = '\0';
    memcpy(ret_moment->offset, offset, sizeof ret_moment->offset);
    return true;
}

static enum err hold_choice(struct ctx *ctx, struct form_field *field, const bson_iter_t *value)
{
    const struct form_choices choices = form_look_at_choices(field->shape);

    field->shown = held_text(ctx, &choices, value);
    return field->shown == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err hold_text(struct ctx *ctx, struct form_field *field, const bson_iter_t *value)
{
    struct moment moment;

    field->shown = BSON_ITER_HOLDS_NULL(value) ? "" : fields_text(ctx, value);
    if (field->shown == NULL)
        return ERR_MEMORY;
    if ((field->kind == FORM_MOMENT && !moment_split(field->shown, &moment)) ||
        (field->kind == FORM_DATE && is_year_0(field->shown)))
        field->kind = FORM_TEXT;
    if (field->kind == FORM_TEXT && strpbrk(field->shown, "\r\n") != NULL)
        field->kind = FORM_LONG;
    return ERR_OK;
}

/* An input that cannot hold what is stored gives way to one that can. */
static enum err hold(struct ctx *ctx, struct form_field *field, const bson_iter_t *value)
{
    if (field->kind == FORM_CHOICE || field->kind == FORM_RADIO)
        return hold_choice(ctx, field, value);
    if (field->kind == FORM_LINES || field->kind == FORM_BOXES)
        TRY(lines_text(ctx, field->shape->items, value, &field->shown));
    else if (field->kind != FORM_JSON)
        return hold_text(ctx, field, value);
    if (field->shown != NULL)
        return ERR_OK;
    field->kind = FORM_JSON;
    return fields_pretty(ctx, value, &field->shown);
}

/* "favourite_color" is "Favourite color" where the schema has no title. */
const char *schema_form_label(struct ctx *ctx, const struct shape *shape, const char *key)
{
    char *label;

    if (shape == NULL)
        return key;
    if (shape->title != NULL && shape->title[0] != '\0')
        return shape->title;
    label = arena_strdup(ctx->arena, key);
    for (char *c = label; c != NULL && *c != '\0'; c++) {
        if (*c == '_' || *c == '-')
            *c = ' ';
    }
    if (label != NULL)
        label[0] = (char)toupper((unsigned char)label[0]);
    return label;
}

/* --- the walk --- */

struct planner {
    struct ctx *ctx;
    const struct schema_form *form;
    struct form_field *fields;
    size_t count;
};

/* One object, and what is so of all in it. */
struct around {
    const struct shape *shape;
    const char *name;          /* of its input */
    const bson_iter_t *stored; /* an object; or NULL */
    bool required, read_only;
    bool has_defaults; /* a new one begins with the defaults of its members */
};

static bool is_asked(const struct planner *planner, const struct shape *shape, bool *ret_read_only)
{
    const enum shape_party party = planner->form->party;
    const bool is_seen = shape->read <= party;

    *ret_read_only = *ret_read_only || shape->write > party;
    return is_seen && (planner->form->stored != NULL || !*ret_read_only);
}

/* "a/b" is one key: RFC 6901. */
static const char *name_of(struct ctx *ctx, const char *around, const char *key)
{
    struct buf out;

    buf_init(&out, ctx->arena, TEXT_MAX);
    buf_puts(&out, around);
    buf_pointer(&out, key, strlen(key));
    return buf_text(&out);
}

static const bson_iter_t *member_of(const bson_iter_t *object, const char *key, bson_iter_t *space)
{
    return object != NULL && BSON_ITER_HOLDS_DOCUMENT(object) && bson_iter_recurse(object, space) &&
                   bson_iter_find(space, key)
               ? space
               : NULL;
}

static const bson_iter_t *default_of(const struct shape *shape, bson_iter_t *space)
{
    bson_t view;

    return shape->standard.size > 0 && document_view(&shape->standard, &view) &&
                   bson_iter_init_find(space, &view, "v")
               ? space
               : NULL;
}

static enum err plan_members(struct planner *planner, const struct around *around);

static enum err plan_group(struct planner *planner, const struct around *around,
                           const struct form_field *of, const bson_iter_t *value)
{
    struct form_field *group = &planner->fields[planner->count++];
    bson_iter_t item;

    *group = *of;
    if (value != NULL && BSON_ITER_HOLDS_DOCUMENT(value) && bson_iter_recurse(value, &item)) {
        while (bson_iter_next(&item))
            group->members++;
    }
    TRY(plan_members(planner,
                     &(struct around){.shape = of->shape,
                                      .name = of->name,
                                      .stored = value,
                                      .required = of->required,
                                      .read_only = of->read_only,
                                      .has_defaults = around->has_defaults && of->demanded}));
    if (&planner->fields[planner->count - 1] == group) {
        planner->count--;
        return ERR_OK;
    }
    planner->fields[planner->count++] = (struct form_field){.kind = FORM_END};
    return ERR_OK;
}

static enum err plan_field(struct planner *planner, const struct around *around,
                           const struct shape_property *property)
{
    const struct shape *shape = property->shape;
    struct form_field field = {.shape = shape, .key = property->name};
    bson_iter_t space;
    const bson_iter_t *value = member_of(around->stored, property->name, &space);

    field.read_only = around->read_only;
    if (!is_asked(planner, shape, &field.read_only))
        return ERR_OK;
    field.is_stored = value != NULL && planner->form->stored != NULL;
    field.demanded = strs_has(&around->shape->required, property->name);
    field.required = field.demanded && around->required;
    if (value == NULL && around->has_defaults)
        value = default_of(shape, &space);
    field.kind = kind_of_shape(shape, field.required);
    field.name = name_of(planner->ctx, around->name, property->name);
    field.label = schema_form_label(planner->ctx, shape, property->name);
    if (field.name == NULL || field.label == NULL)
        return ERR_MEMORY;
    if (field.kind == FORM_GROUP)
        return plan_group(planner, around, &field, value);
    if (value != NULL)
        TRY(hold(planner->ctx, &field, value));
    field.may_be_empty = field.demanded && shape->counts[SHAPE_MIN_ITEMS] <= 0 &&
                         (field.kind == FORM_LINES || field.kind == FORM_BOXES);
    if ((field.kind == FORM_JSON && !field.required) || (field.read_only && value == NULL))
        return ERR_OK;
    planner->fields[planner->count++] = field;
    return ERR_OK;
}

static enum err plan_members(struct planner *planner, const struct around *around)
{
    const struct shape *shape = around->shape;
    const struct shape_property **ordered = NULL;

    TRY(shape_ordered(planner->ctx, shape, &ordered));
    for (size_t i = 0; i < shape->property_count; i++)
        TRY(plan_field(planner, around, ordered[i]));
    return ERR_OK;
}

/* Of all that the form shows (FNV-1a: it guards against forgetting, not against anybody). */
static uint64_t sum_of(const struct schema_form *form)
{
    uint64_t sum = 14695981039346656037u;

    for (size_t i = 0; i < form->count; i++) {
        const char *shown = form->fields[i].shown != NULL ? form->fields[i].shown : "";

        for (const char *c = shown; *c != '\0'; c++)
            sum = (sum ^ (unsigned char)*c) * 1099511628211u;
        sum = (sum ^ i) * 1099511628211u;
    }
    return sum;
}

enum err schema_form_begin(struct request *req, struct schema_form *form)
{
    struct ctx *ctx = &req->ctx;
    struct planner planner = {.ctx = ctx, .form = form};
    struct around root = {.name = "custom_fields", .required = true};
    AUTO(bson_destroy) bson_t *wrapped = NULL;
    bson_iter_t stored;
    bson_t view;

    const enum err found = custom_schema_shape(ctx, &form->shape);

    if (found == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(found);
    planner.fields = arena_array(ctx->arena, FIELDS_MAX, sizeof *planner.fields);
    if (planner.fields == NULL)
        return ERR_MEMORY;
    root.shape = form->shape;
    root.has_defaults = form->stored == NULL;
    if (form->stored != NULL) {
        wrapped = bson_new();
        if (!document_view(form->stored, &view) || !bson_append_document(wrapped, "v", 1, &view) ||
            !bson_iter_init_find(&stored, wrapped, "v"))
            return fail_internal(ctx, ERR_INTERNAL, "custom_fields are no valid document");
        root.stored = &stored;
    }
    TRY(plan_members(&planner, &root));
    form->fields = planner.fields;
    form->count = planner.count;
    form->state = arena_printf(ctx->arena, "%lld-%016llx", (long long)ctx->tenant->schema_version,
                               (unsigned long long)sum_of(form));
    return form->state == NULL ? ERR_MEMORY : ERR_OK;
}

bool schema_form_has(const struct schema_form *form, const char *key)
{
    static const char root[] = "custom_fields/";

    for (size_t i = 0; i < form->count; i++) {
        const struct form_field *field = &form->fields[i];

        /* Of a member of the whole the name has one stroke: those within are escaped. */
        if (field->key != NULL && strcmp(field->key, key) == 0 &&
            strchr(field->name + strlen(root), '/') == NULL)
            return true;
    }
    return false;
}
