/* The inputs of a form made from a schema: what each allows, and what was wrong with it. */
#include "handlers/pages_schema_internal.h"

#include <ctype.h>
#include <string.h>

#include "app/page.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define TEXT_MAX ((size_t)16 * 1024)

/* --- what was wrong --- */

/* What follows the field's own pointer; NULL for the pointer of another field. */
static const char *below(const char *pointer, const char *name)
{
    const size_t length = strlen(name);

    if (pointer[0] != '/' || strncmp(pointer + 1, name, length) != 0)
        return NULL;
    pointer += 1 + length;
    return pointer[0] == '\0' || pointer[0] == '/' ? pointer : NULL;
}

/* People count lines from one. */
static long line_of(const char *index)
{
    long line = 0;

    for (; isdigit((unsigned char)*index) && line < 100000; index++)
        line = line * 10 + (*index - '0');
    return line + 1;
}

static const char *sentence(struct ctx *ctx, const struct form_field *field,
                            const struct shape_failure *failure, const char *inside)
{
    if (field->kind == FORM_BOX && !form_allows_false(field->shape))
        return arena_printf(ctx->arena, "%s must be ticked.", field->label);
    if (field->kind == FORM_LINES && inside[0] == '/' && isdigit((unsigned char)inside[1]))
        return arena_printf(ctx->arena, "%s: line %ld %s.", field->label, line_of(inside + 1),
                            failure->message);
    if (inside[0] == '/')
        return arena_printf(ctx->arena, "%s: %s %s.", field->label, inside, failure->message);
    return arena_printf(ctx->arena, "%s %s.", field->label, failure->message);
}

/* Of a group only what is about itself; its members tell of themselves. */
static bool is_about(const struct form_field *field, const char *pointer, const char **ret_inside)
{
    const char *inside = field->name != NULL ? below(pointer, field->name) : NULL;

    *ret_inside = inside;
    return inside != NULL && (field->kind != FORM_GROUP || inside[0] == '\0');
}

static const char *error_of(struct request *req, const struct schema_form *form,
                            const struct form_field *field)
{
    const struct failure *failure = &req->ctx.failure;
    const char *inside = NULL;

    if (!form->is_refused || failure->code != form->code)
        return NULL;
    for (size_t i = 0; i < failure->item_count; i++) {
        if (is_about(field, failure->items[i].pointer, &inside))
            return sentence(&req->ctx, field, &failure->items[i], inside);
    }
    if (failure->item_count == 0 && failure->field != NULL &&
        is_about(field, failure->field, &inside))
        return page_error_text(&req->ctx, form->code);
    return NULL;
}

static const struct form_field *field_at(const struct schema_form *form, const char *pointer)
{
    const char *inside;

    for (size_t i = 0; i < form->count; i++) {
        if (is_about(&form->fields[i], pointer, &inside))
            return &form->fields[i];
    }
    return NULL;
}

static void put_failure(struct buf *out, const struct schema_form *form,
                        const struct shape_failure *failure, size_t *named)
{
    if (field_at(form, failure->pointer) != NULL)
        return;
    if (out->size > 0)
        buf_putc(out, ' ');
    buf_printf(out, "%s %s.", failure->pointer, failure->message);
    (*named)++;
}

const char *schema_form_message(struct request *req, const struct schema_form *form)
{
    const struct failure *failure = &req->ctx.failure;
    size_t named = 0, strange = 0;
    struct buf out;

    if (!form->is_refused || failure->code != form->code || failure->field == NULL ||
        below(failure->field, "custom_fields") == NULL)
        return NULL;
    buf_init(&out, req->ctx.arena, TEXT_MAX);
    for (size_t i = 0; i < form->count; i++) {
        if (error_of(req, form, &form->fields[i]) != NULL)
            buf_printf(&out, "%s%s", named++ > 0 ? ", " : "Nothing was saved. Please look at: ",
                       form->fields[i].label);
    }
    if (named > 0)
        buf_putc(&out, '.');
    for (size_t i = 0; i < failure->item_count; i++)
        put_failure(&out, form, &failure->items[i], &strange);
    return named + strange > 0 && buf_ok(&out) ? buf_text(&out)
                                               : page_error_text(&req->ctx, form->code);
}

/* --- what an input allows --- */

static const char *number_text(struct ctx *ctx, const struct number *number)
{
    struct buf out;

    buf_init(&out, ctx->arena, 64);
    number_put(number, &out);
    return buf_text(&out);
}

/* The tighter word of both, as far as a browser has one: its limits include themselves. */
static const char *limit_text(struct ctx *ctx, const struct shape *shape, int inclusive, int open,
                              int64_t step)
{
    const bool whole = (shape->types & SHAPE_FRACTION) == 0;
    struct number limit = shape->limits[inclusive];

    if (!limit.given) {
        limit = shape->limits[open];
        if (limit.given && whole && !limit.real && limit.integer != INT64_MAX &&
            limit.integer != INT64_MIN)
            limit.integer += step;
    }
    if (!limit.given || (whole && limit.real))
        return NULL;
    return number_text(ctx, &limit);
}

static void allow_numbers(struct ctx *ctx, const struct form_field *field, struct input *input,
                          struct input_more *more)
{
    const struct shape *shape = field->shape;
    const struct number *of = &shape->limits[SHAPE_MULTIPLE];
    const struct number *least = &shape->limits[SHAPE_MINIMUM];

    more->min = limit_text(ctx, shape, SHAPE_MINIMUM, SHAPE_ABOVE, 1);
    more->max = limit_text(ctx, shape, SHAPE_MAXIMUM, SHAPE_BELOW, -1);
    more->step = (shape->types & SHAPE_FRACTION) == 0 ? "1" : "any";
    if (!of->given)
        return;
    /* A browser counts steps from the minimum. */
    if (least->given && number_is_multiple(least, of))
        more->step = number_text(ctx, of);
    else if (input->hint == NULL)
        input->hint = arena_printf(ctx->arena, "A multiple of %s.", number_text(ctx, of));
}

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == ' ' || c == '@';
}

/* Regular expressions that mean the same to every browser: letters, digits, classes of them,
 * groups, repeats. */
static bool is_common_pattern(const char *text)
{
    bool in_class = false;
    size_t at_class = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        const char c = text[i];

        if (!in_class && c == '[') {
            in_class = true;
            at_class = i + (text[i + 1] == '^');
            i = at_class;
        } else if (in_class && c == ']') {
            in_class = i == at_class + 1;
            if (in_class)
                return false;
        } else if (in_class && c == '-') {
            if (!isalnum((unsigned char)text[i - 1]) || !isalnum((unsigned char)text[i + 1]))
                return false;
        } else if (!is_plain(c) && (in_class || strchr("^$.-(){},*+?|", c) == NULL ||
                                    (c == '(' && text[i + 1] == '?'))) {
            return false;
        }
    }
    return !in_class;
}

static size_t utf16_length(const char *text)
{
    size_t units = 0;

    for (; text != NULL && *text != '\0'; text++)
        units += ((unsigned char)*text & 0xc0) == 0x80 ? 0U
                 : (unsigned char)*text >= 0xf0        ? 2U
                                                       : 1U;
    return units;
}

static void allow_text(struct ctx *ctx, const struct form_field *field, struct input *input,
                       struct input_more *more)
{
    const struct shape *shape = field->shape;
    const int64_t most = shape->counts[SHAPE_MAX_LENGTH];

    if (shape->counts[SHAPE_MIN_LENGTH] > 0)
        more->min_length = shape->counts[SHAPE_MIN_LENGTH];
    /* Browsers count in UTF-16: what fits already must stay editable. */
    if (most > 0 && (int64_t)utf16_length(field->shown) <= most)
        input->max_length = most;
    /* Browsers hold the whole of a text against a pattern, we look for it anywhere. */
    if (shape->pattern_text != NULL && is_common_pattern(shape->pattern_text)) {
        more->pattern = arena_printf(ctx->arena, ".*(?:%s).*", shape->pattern_text);
        more->pattern_words = arena_printf(ctx->arena, "The pattern is %s", shape->pattern_text);
    }
}

static const enum input_kind input_kinds[] = {
    [FORM_LEFT_OUT] = INPUT_TEXT, [FORM_GROUP] = INPUT_GROUP, [FORM_END] = INPUT_GROUP_END,
    [FORM_TEXT] = INPUT_TEXT,     [FORM_LONG] = INPUT_LINES,  [FORM_EMAIL] = INPUT_EMAIL,
    [FORM_URL] = INPUT_URL,       [FORM_DATE] = INPUT_DATE,   [FORM_MOMENT] = INPUT_MOMENT,
    [FORM_NUMBER] = INPUT_NUMBER, [FORM_BOX] = INPUT_CHECK,   [FORM_CHOICE] = INPUT_CHOICE,
    [FORM_RADIO] = INPUT_RADIO,   [FORM_LINES] = INPUT_LINES, [FORM_BOXES] = INPUT_GROUP,
    [FORM_JSON] = INPUT_CODE,
};

/* What browsers know of a person, by the names that such fields usually have. */
static const char *autocomplete_of(const struct schema_form *form, const char *key)
{
    static const char *const words[][2] = {
        {"given_name", "given-name"},
        {"first_name", "given-name"},
        {"family_name", "family-name"},
        {"last_name", "family-name"},
        {"nickname", "nickname"},
        {"phone", "tel"},
        {"phone_number", "tel"},
        {"birthdate", "bday"},
        {"birthday", "bday"},
        {"date_of_birth", "bday"},
        {"organization", "organization"},
        {"company", "organization"},
        {"job_title", "organization-title"},
        {"street", "street-address"},
        {"street_address", "street-address"},
        {"city", "address-level2"},
        {"locality", "address-level2"},
        {"region", "address-level1"},
        {"state", "address-level1"},
        {"postal_code", "postal-code"},
        {"zip", "postal-code"},
        {"country", "country"},
        {"website", "url"},
        {"language", "language"},
    };

    for (size_t i = 0; form->is_own && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i][0], key) == 0)
            return words[i][1];
    }
    return NULL;
}

/* --- rows --- */

struct rows {
    struct request *req;
    const struct schema_form *form;
    struct input *inputs;
    struct input_more *more;
    size_t count;
};

static enum err make_choices(struct ctx *ctx, const struct form_field *field, struct input *input)
{
    const bool must = field->kind == FORM_RADIO;
    struct input_choice *choices;
    struct strs texts = {0};
    size_t n = 0;

    TRY(form_choices(ctx, field->shape, &texts));
    choices = arena_array(ctx->arena, texts.count + 2, sizeof *choices);
    if (choices == NULL)
        return ERR_MEMORY;
    if (!must)
        choices[n++] = (struct input_choice){"", field->required ? "Please choose" : "No answer"};
    for (size_t i = 0; i < texts.count; i++)
        choices[n++] = (struct input_choice){texts.items[i], texts.items[i]};
    input->choices = choices;
    return ERR_OK;
}

static const char *sign_text(bool is_on)
{
    return is_on ? "yes" : "no";
}

/* Shown, not sent: a control that only shows text whatever the field's own would be. */
static void make_read_only(const struct form_field *field, struct input *input,
                           struct input_more *more)
{
    if (field->kind == FORM_BOX)
        input->value = sign_text(strcmp(field->shown, "true") == 0);
    if (field->kind != FORM_GROUP && field->kind != FORM_END)
        input->kind = strpbrk(field->shown, "\r\n") != NULL ? INPUT_LINES : INPUT_TEXT;
    input->note = "read only";
    input->required = false;
    *more = (struct input_more){.read_only = true};
}

/* Nothing has to be said where nothing may stand; nor where it stands already. */
static bool must_be_filled(const struct form_field *field)
{
    const bool stands_empty = field->is_stored && field->shown != NULL && field->shown[0] == '\0';

    return field->required && !field->may_be_empty && !stands_empty;
}

static enum err add_row(struct rows *rows, const struct form_field *field, struct input **ret_input,
                        struct input_more **ret_more)
{
    struct ctx *ctx = &rows->req->ctx;
    struct input *input = &rows->inputs[rows->count];
    const char *hint = field->shape != NULL ? field->shape->description : NULL;

    *input = (struct input){
        .kind = input_kinds[field->kind],
        .name = field->name,
        .id = arena_printf(ctx->arena, "%s-%zu", rows->form->id, rows->count),
        .label = field->label,
        .note = (field->demanded && !field->may_be_empty) || field->kind == FORM_END ? NULL
                                                                                     : "optional",
        .hint = hint,
        .value = field->shown,
        .autocomplete = field->key != NULL ? autocomplete_of(rows->form, field->key) : NULL,
        .required = must_be_filled(field),
    };
    *ret_input = input;
    *ret_more = &rows->more[rows->count++];
    return input->id == NULL ? ERR_MEMORY : ERR_OK;
}

/* Where hours and days need a place on earth. */
static enum err add_moment(struct rows *rows, const struct form_field *field, struct input *input,
                           struct input_more *more)
{
    static const struct input_choice offsets[] = {
#define OFFSET(text) {text, "UTC" text}
        OFFSET("-12:00"), OFFSET("-11:00"), OFFSET("-10:00"), OFFSET("-09:30"), OFFSET("-09:00"),
        OFFSET("-08:00"), OFFSET("-07:00"), OFFSET("-06:00"), OFFSET("-05:00"), OFFSET("-04:00"),
        OFFSET("-03:30"), OFFSET("-03:00"), OFFSET("-02:00"), OFFSET("-01:00"), {"+00:00", "UTC"},
        OFFSET("+01:00"), OFFSET("+02:00"), OFFSET("+03:00"), OFFSET("+03:30"), OFFSET("+04:00"),
        OFFSET("+04:30"), OFFSET("+05:00"), OFFSET("+05:30"), OFFSET("+05:45"), OFFSET("+06:00"),
        OFFSET("+06:30"), OFFSET("+07:00"), OFFSET("+08:00"), OFFSET("+08:45"), OFFSET("+09:00"),
        OFFSET("+09:30"), OFFSET("+10:00"), OFFSET("+10:30"), OFFSET("+11:00"), OFFSET("+12:00"),
        OFFSET("+12:45"), OFFSET("+13:00"), OFFSET("+14:00"), {NULL, NULL},
#undef OFFSET
    };
    struct arena *arena = rows->req->ctx.arena;
    struct moment moment = {.offset = "+00:00"};
    struct input *zone = &rows->inputs[rows->count];

    if (field->shown != NULL && moment_split(field->shown, &moment)) {
        input->value = arena_strdup(arena, moment.local);
        more->step = strchr(moment.local, '.') != NULL       ? "0.001"
                     : strcmp(moment.local + 16, ":00") == 0 ? NULL
                                                             : "1";
    }
    *zone = (struct input){
        .kind = INPUT_CHOICE,
        .name = arena_printf(arena, "%s" OFFSET_SUFFIX, field->name),
        .id = arena_printf(arena, "%s-%zu", rows->form->id, rows->count),
        .label = arena_printf(arena, "Time zone of %s", field->label),
        .value = arena_strdup(arena, moment.offset),
        .choices = offsets,
    };
    rows->count++;
    return input->value == NULL && field->shown != NULL ? ERR_MEMORY : ERR_OK;
}

static bool has_line(const char *lines, const char *line)
{
    const size_t length = strlen(line);

    for (const char *at = lines; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, length) == 0 && strchr("\n", at[length]) != NULL)
            return true;
    }
    return false;
}

/* The group stands already: a box for each value, and the end. */
static enum err add_boxes(struct rows *rows, const struct form_field *field)
{
    struct arena *arena = rows->req->ctx.arena;
    struct strs texts = {0};

    TRY(form_choices(&rows->req->ctx, field->shape->items, &texts));
    for (size_t i = 0; i < texts.count; i++) {
        struct input *box = &rows->inputs[rows->count];

        *box = (struct input){
            .kind = INPUT_CHECK,
            .name = arena_printf(arena, "%s" BOX_SUFFIX, field->name, i),
            .id = arena_printf(arena, "%s-%zu", rows->form->id, rows->count),
            .label = texts.items[i],
            .value = has_line(field->shown, texts.items[i]) ? "on" : NULL,
        };
        if (box->name == NULL || box->id == NULL)
            return ERR_MEMORY;
        rows->count++;
    }
    rows->inputs[rows->count++] = (struct input){.kind = INPUT_GROUP_END};
    return ERR_OK;
}

/* A box that nobody has to tick is an answer either way. */
static void make_box(const struct form_field *field, struct input *input)
{
    input->value = field->shown != NULL && strcmp(field->shown, "true") == 0 ? "on" : NULL;
    input->required = field->required && !form_allows_false(field->shape);
    input->note = field->demanded ? NULL : "optional";
}

static enum err add_field(struct rows *rows, const struct form_field *field)
{
    struct ctx *ctx = &rows->req->ctx;
    struct input_more *more = NULL;
    struct input *input = NULL;

    TRY(add_row(rows, field, &input, &more));
    if (field->kind == FORM_END)
        return ERR_OK;
    if (field->read_only) {
        make_read_only(field, input, more);
        return ERR_OK;
    }
    more->error = error_of(rows->req, rows->form, field);
    if (field->kind == FORM_MOMENT)
        return add_moment(rows, field, input, more);
    if (field->kind == FORM_BOXES)
        return add_boxes(rows, field);
    if (field->kind == FORM_CHOICE || field->kind == FORM_RADIO)
        return make_choices(ctx, field, input);
    if (field->kind == FORM_NUMBER)
        allow_numbers(ctx, field, input, more);
    else if (field->kind == FORM_TEXT || field->kind == FORM_LONG || field->kind == FORM_EMAIL ||
             field->kind == FORM_URL)
        allow_text(ctx, field, input, more);
    else if (field->kind == FORM_BOX)
        make_box(field, input);
    else if (field->kind == FORM_LINES && input->hint == NULL)
        input->hint = "One a line.";
    return ERR_OK;
}

static size_t rows_of(struct ctx *ctx, const struct form_field *field)
{
    struct strs texts = {0};

    if (field->kind == FORM_BOXES && form_choices(ctx, field->shape->items, &texts) == ERR_OK)
        return texts.count + 2;
    return 2;
}

enum err schema_form_show(struct request *req, const struct schema_form *form,
                          struct template_var *ret_var)
{
    struct rows rows = {.req = req, .form = form};
    size_t most = 1;

    for (size_t i = 0; i < form->count; i++)
        most += rows_of(&req->ctx, &form->fields[i]);
    rows.inputs = arena_array(req->ctx.arena, most, sizeof *rows.inputs);
    rows.more = arena_array(req->ctx.arena, most, sizeof *rows.more);
    if (rows.inputs == NULL || rows.more == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < form->count; i++)
        TRY(add_field(&rows, &form->fields[i]));
    return inputs_make_more(
        req,
        &(struct input_form){SCHEMA_INPUTS, rows.inputs, rows.count, form->is_refused, form->code},
        rows.more, ret_var);
}
