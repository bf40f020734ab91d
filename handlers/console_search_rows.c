/* Between rows of a form and the text of a filter. */
#include "handlers/console_search.h"

#include <string.h>

#include "app/filter.h"
#include "app/json.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_schema_internal.h"

#define TEXT_MAX ((size_t)64 * 1024)

/* --- rows to text --- */

static enum err query_text(struct request *req, char kind, size_t row, const char **ret_text)
{
    const char name[] = {kind, (char)('1' + row), '\0'};

    TRY(request_query(req, name, ret_text));
    if (*ret_text == NULL)
        *ret_text = "";
    return ERR_OK;
}

/* Whether the text is a number, true or false, which the field takes as such. */
static bool is_literal(struct ctx *ctx, const struct search_field *field, const char *text)
{
    const bool takes_text = field == NULL || (field->field.types & SHAPE_STRING) != 0;
    const char *json = arena_printf(ctx->arena, "{\"v\":%s}", text);
    const struct value *value = NULL;
    struct value object;

    if (takes_text || json == NULL)
        return false;
    if (json_parse(ctx, json, strlen(json), &object) == ERR_OK && object.object.count == 1)
        value = value_get(&object, "v");
    fail_clear(ctx);
    return value != NULL &&
           (value->type == VALUE_INT || value->type == VALUE_REAL || value->type == VALUE_BOOL);
}

/* What cannot be right is left to the reader of filters, which tells what would be. */
static void put_row(struct ctx *ctx, const struct list *fields, const struct search_row *row,
                    struct buf *out)
{
    const bool is_present = strcmp(row->op, "pr") == 0;

    buf_printf(out, "%s %s", row->field, row->op[0] != '\0' ? row->op : "eq");
    if (is_present)
        return;
    buf_putc(out, ' ');
    if (is_literal(ctx, console_search_find(fields, row->field), row->value))
        buf_puts(out, row->value);
    else
        buf_json_string(out, row->value, strlen(row->value));
}

enum err console_search_compose(struct request *req, const struct list *fields,
                                const char **ret_filter)
{
    const char *match = NULL;
    struct buf out;

    TRY(request_query(req, "match", &match));
    buf_init(&out, req->ctx.arena, TEXT_MAX);
    for (size_t i = 0; i < SEARCH_ROWS; i++) {
        struct search_row row;

        TRY(query_text(req, 'f', i, &row.field));
        TRY(query_text(req, 'o', i, &row.op));
        TRY(query_text(req, 'v', i, &row.value));
        if (row.field[0] == '\0')
            continue;
        if (out.size > 0)
            buf_puts(&out, match != NULL && strcmp(match, "any") == 0 ? " or " : " and ");
        put_row(&req->ctx, fields, &row, &out);
    }
    *ret_filter = out.size > 0 ? buf_text(&out) : NULL;
    return buf_ok(&out) ? ERR_OK : ERR_MEMORY;
}

/* --- text to rows --- */

static const char *literal_text(struct ctx *ctx, const struct value *value)
{
    struct number number = {.given = true, .integer = value->integer};
    struct buf out;

    if (value->type == VALUE_STRING)
        return value->string.text;
    if (value->type == VALUE_BOOL)
        return value->boolean ? "true" : "false";
    if (value->type != VALUE_INT && value->type != VALUE_REAL)
        return "";
    number.real = value->type == VALUE_REAL;
    if (number.real)
        number.fraction = value->real;
    buf_init(&out, ctx->arena, 64);
    number_put(&number, &out);
    return buf_text(&out);
}

/* False: a row cannot say it. */
static bool add_row(struct ctx *ctx, const struct list *fields, const struct filter *part,
                    struct search_rows *rows)
{
    const struct search_field *field;
    struct search_row *row;
    const struct value *value = &part->value;

    if (part->kind != FILTER_COMPARISON || rows->count == SEARCH_ROWS || value->type == VALUE_NULL)
        return false;
    field = console_search_find(fields, part->path);
    if (field == NULL)
        return false;
    row = &rows->rows[rows->count++];
    *row = (struct search_row){.field = field->field.name,
                               .op = filter_operator_name(part->op),
                               .value = literal_text(ctx, value)};
    /* A text where the field takes another type would come back as that. */
    return row->value != NULL &&
           (value->type != VALUE_STRING || !is_literal(ctx, field, row->value));
}

enum err console_search_rows(struct ctx *ctx, const struct list *fields, const char *filter,
                             struct search_rows *ret_rows)
{
    const struct failure failure = ctx->failure;
    const struct filter *tree = NULL, *part;
    struct search_rows rows = {.count = 0};
    bool fits = true;

    *ret_rows = rows;
    if (filter == NULL)
        return ERR_OK;

    const enum err parsed = filter_parse(ctx, filter, &tree);

    ctx->failure = failure;
    if (parsed != ERR_OK)
        return parsed == ERR_FILTER ? ERR_OK : parsed;
    rows.any = tree->kind == FILTER_OR;
    part = tree->kind == FILTER_AND || tree->kind == FILTER_OR ? tree->parts : tree;
    for (; part != NULL && fits; part = part == tree ? NULL : part->next)
        fits = add_row(ctx, fields, part, &rows);
    if (fits)
        *ret_rows = rows;
    return ERR_OK;
}

/* --- inputs --- */

static const struct input_choice operators[] = {
    {"eq", "is"},         {"ne", "is not"},        {"co", "contains"},    {"sw", "begins with"},
    {"ew", "ends with"},  {"gt", "is more than"},  {"ge", "is at least"}, {"lt", "is less than"},
    {"le", "is at most"}, {"pr", "has any value"}, {NULL, NULL},
};
static const struct input_choice of_order[] = {
    {"eq", "is"},           {"ne", "is not"},     {"gt", "is more than"},  {"ge", "is at least"},
    {"lt", "is less than"}, {"le", "is at most"}, {"pr", "has any value"}, {NULL, NULL},
};
static const struct input_choice of_few[] = {
    {"eq", "is"}, {"ne", "is not"}, {"pr", "has any value"}, {NULL, NULL}};
static const struct input_choice truths[] = {{"true", "yes"}, {"false", "no"}, {NULL, NULL}};
static const struct input_choice roles[] = {
    {"user", "user"}, {"admin", "admin"}, {"owner", "owner"}, {NULL, NULL}};

static bool has_choice(const struct input_choice *choices, const char *value)
{
    for (; choices->label != NULL; choices++) {
        if (strcmp(choices->value, value) == 0)
            return true;
    }
    return false;
}

static const struct input_choice *operators_of(const struct search_field *field, const char *op)
{
    const struct input_choice *fitting = operators;

    if (field == NULL)
        return operators;
    if (field->field.types == SHAPE_BOOLEAN || field->field.text == USER_TEXT_ROLE)
        fitting = of_few;
    else if ((field->field.types & SHAPE_STRING) == 0 || field->field.text == USER_TEXT_DAY ||
             field->field.text == USER_TEXT_MOMENT)
        fitting = of_order;
    return has_choice(fitting, op) ? fitting : operators;
}

/* NULL: any text. */
static enum err values_of(struct ctx *ctx, const struct search_field *field,
                          const struct input_choice **ret_choices)
{
    const struct form_choices choices = field != NULL && field->shape != NULL
                                            ? form_look_at_choices(field->shape)
                                            : (struct form_choices){0};
    struct input_choice *made;
    struct strs texts = {0};

    *ret_choices = NULL;
    if (field == NULL)
        return ERR_OK;
    if (field->field.text == USER_TEXT_ROLE || field->field.types == SHAPE_BOOLEAN) {
        *ret_choices = field->field.text == USER_TEXT_ROLE ? roles : truths;
        return ERR_OK;
    }
    if (choices.count == 0 || !choices.strings)
        return ERR_OK;
    TRY(form_choices(ctx, field->shape, &texts));
    made = arena_array(ctx->arena, texts.count + 1, sizeof *made);
    if (made == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < texts.count; i++)
        made[i] = (struct input_choice){texts.items[i], texts.items[i]};
    *ret_choices = made;
    return ERR_OK;
}

static enum err field_choices(struct ctx *ctx, const struct list *fields,
                              const struct input_choice **ret_choices)
{
    const struct search_field *items = fields->items;
    struct input_choice *choices = arena_array(ctx->arena, fields->count + 2, sizeof *choices);

    if (choices == NULL)
        return ERR_MEMORY;
    choices[0] = (struct input_choice){"", "–"};
    for (size_t i = 0; i < fields->count; i++)
        choices[i + 1] = (struct input_choice){items[i].field.name, items[i].label};
    *ret_choices = choices;
    return ERR_OK;
}

/* What all rows are made of. */
struct row_maker {
    struct request *req;
    const struct list *fields;
    const struct input_choice *names; /* of the fields */
};

/* What is no day could not be shown by the input for one. */
static bool takes_day(const struct search_field *field, const struct search_row *row)
{
    return field != NULL && field->field.text == USER_TEXT_DAY &&
           (row->value[0] == '\0' || shape_format_check(SHAPE_DATE, row->value) == NULL);
}

static enum err make_row(const struct row_maker *maker, const struct search_row *row, size_t number,
                         struct template_vars *ret_item)
{
    struct ctx *ctx = &maker->req->ctx;
    const struct search_field *field = console_search_find(maker->fields, row->field);
    const struct input_choice *values = NULL;
    struct template_var *vars = arena_array(ctx->arena, 2, sizeof *vars);
    const char *n = arena_printf(ctx->arena, "%zu", number);
    struct input inputs[3];

    if (vars == NULL || n == NULL)
        return ERR_MEMORY;
    TRY(values_of(ctx, field, &values));
    if (values != NULL && !has_choice(values, row->value))
        values = NULL;
    inputs[0] = (struct input){.kind = INPUT_CHOICE,
                               .name = arena_printf(ctx->arena, "f%s", n),
                               .id = arena_printf(ctx->arena, "search-field-%s", n),
                               .label = "Field",
                               .value = row->field,
                               .choices = maker->names};
    inputs[1] = (struct input){.kind = INPUT_CHOICE,
                               .name = arena_printf(ctx->arena, "o%s", n),
                               .id = arena_printf(ctx->arena, "search-op-%s", n),
                               .label = "How",
                               .value = row->op,
                               .choices = operators_of(field, row->op)};
    inputs[2] = (struct input){.kind = values != NULL          ? INPUT_CHOICE
                                       : takes_day(field, row) ? INPUT_DATE
                                                               : INPUT_TEXT,
                               .name = arena_printf(ctx->arena, "v%s", n),
                               .id = arena_printf(ctx->arena, "search-value-%s", n),
                               .label = "Value",
                               .value = row->value,
                               .choices = values};
    vars[0] = (struct template_var){.name = "condition", .text = n};
    TRY(inputs_make(maker->req, &(struct input_form){"condition-inputs", inputs, 3, false, ERR_OK},
                    &vars[1]));
    *ret_item = (struct template_vars){.vars = vars, .count = 2};
    return ERR_OK;
}

enum err console_search_inputs(struct request *req, const struct list *fields,
                               const struct search_rows *rows, struct template_var *ret_var)
{
    const size_t count = rows->count < SEARCH_ROWS ? rows->count + 1 : SEARCH_ROWS;
    struct template_vars *items = arena_array(req->ctx.arena, count, sizeof *items);
    const struct search_row empty = {"", "eq", ""};
    struct row_maker maker = {.req = req, .fields = fields};

    if (items == NULL)
        return ERR_MEMORY;
    TRY(field_choices(&req->ctx, fields, &maker.names));
    for (size_t i = 0; i < count; i++)
        TRY(make_row(&maker, i < rows->count ? &rows->rows[i] : &empty, i + 1, &items[i]));
    *ret_var = (struct template_var){.name = "conditions", .items = items, .item_count = count};
    return ERR_OK;
}
