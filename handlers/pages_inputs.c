/* Inputs of forms for templates/input.html. */
#include "handlers/pages_inputs.h"

#include <string.h>

#include "app/buf.h"
#include "app/page.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define VARS        31
#define LINES_BYTES 65536

/* The types of those that are one line; the others are no <input>, or a box. */
static const char *const line_types[] = {
    [INPUT_TEXT] = "text",
    [INPUT_EMAIL] = "email",
    [INPUT_PASSWORD] = "password",
    [INPUT_NUMBER] = "number",
    [INPUT_DATE] = "date",
    [INPUT_URL] = "url",
    [INPUT_MOMENT] = "datetime-local",
    [INPUT_GROUP_END] = NULL,
};

/* What was typed; where nothing came of an input, because the form that was sent did not have it
 * yet, what is stored. A box that is not ticked never comes. */
static const char *shown_value(struct request *req, const struct input *input, bool is_refused)
{
    if (input->kind == INPUT_PASSWORD || input->name == NULL)
        return NULL;
    return is_refused && (input->kind == INPUT_CHECK || pages_is_typed(req, input->name))
               ? pages_typed(req, input->name)
               : input->value;
}

static enum err make_choices(struct request *req, const struct input *input, const char *value,
                             struct template_var *ret_var)
{
    size_t count = 0;

    *ret_var = (struct template_var){.name = "choices"};
    while (input->choices != NULL && input->choices[count].label != NULL)
        count++;

    struct template_vars *items = arena_array(req->ctx.arena, count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct input_choice *choice = &input->choices[i];
        struct template_var *vars = arena_array(req->ctx.arena, 3, sizeof *vars);

        if (vars == NULL)
            return ERR_MEMORY;
        vars[0] = (struct template_var){.name = "choice-value", .text = choice->value};
        vars[1] = (struct template_var){.name = "choice-label", .text = choice->label};
        vars[2] = (struct template_var){
            .name = "is-chosen",
            .text = words_when(strcmp(value != NULL ? value : "", choice->value) == 0)};
        items[i] = (struct template_vars){.vars = vars, .count = 3};
    }
    ret_var->items = items;
    ret_var->item_count = count;
    return ERR_OK;
}

/* The elements that explain an input to who hears it. */
static const char *described_by(struct ctx *ctx, const struct input *input, bool failed)
{
    if (failed && input->hint != NULL)
        return arena_printf(ctx->arena, "%s-error %s-hint", input->id, input->id);
    if (!failed && input->hint == NULL)
        return NULL;
    return arena_printf(ctx->arena, "%s-%s", input->id, failed ? "error" : "hint");
}

/* One input, with what is known about it. */
struct shown_input {
    const struct input *input;
    const struct input_more *more; /* never NULL */
    const char *error;             /* NULL: nothing was wrong with it */
    const char *value;
    bool has_focus;
};

static const char *number_text(struct ctx *ctx, int64_t number)
{
    return number > 0 ? arena_printf(ctx->arena, "%lld", (long long)number) : NULL;
}

static size_t put_vars(struct ctx *ctx, const struct shown_input *shown, struct template_var *vars)
{
    const struct input *input = shown->input;
    const enum input_kind kind = input->kind;
    const bool is_group = kind == INPUT_GROUP || kind == INPUT_GROUP_END;
    const bool is_on = kind == INPUT_CHECK && shown->value != NULL && shown->value[0] != '\0';
    size_t n = 0;

#define PUT(variable, value) vars[n++] = (struct template_var){.name = (variable), .text = (value)}
    PUT("input-id", input->id);
    PUT("input-name", shown->more->read_only ? NULL : input->name);
    PUT("input-label", input->label);
    PUT("input-note", input->note);
    PUT("input-hint", input->hint);
    PUT("input-value", shown->value);
    PUT("input-type", line_types[kind]);
    PUT("input-autocomplete", input->autocomplete != NULL ? input->autocomplete : "off");
    PUT("input-max", number_text(ctx, input->max_length));
    PUT("input-min-length", number_text(ctx, shown->more->min_length));
    PUT("input-least", shown->more->min);
    PUT("input-most", shown->more->max);
    PUT("input-step", shown->more->step);
    PUT("input-pattern", shown->more->pattern);
    PUT("input-pattern-words", shown->more->pattern_words);
    PUT("input-described", described_by(ctx, input, shown->error != NULL));
    PUT("input-error", shown->error);
    PUT("is-required", words_when(input->required));
    PUT("is-read-only", words_when(shown->more->read_only));
    PUT("is-line", words_when(line_types[kind] != NULL));
    PUT("is-lines", words_when(kind == INPUT_LINES || kind == INPUT_CODE));
    PUT("is-code", words_when(kind == INPUT_CODE));
    PUT("is-choice", words_when(kind == INPUT_CHOICE));
    PUT("is-radio", words_when(kind == INPUT_RADIO));
    PUT("is-check", words_when(kind == INPUT_CHECK));
    PUT("is-group", words_when(kind == INPUT_GROUP));
    PUT("is-group-end", words_when(kind == INPUT_GROUP_END));
    PUT("is-input", words_when(!is_group));
    PUT("is-on", words_when(is_on));
    PUT("has-focus", words_when(shown->has_focus));
#undef PUT
    return n;
}

static enum err make_one(struct request *req, const struct shown_input *shown,
                         struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(req->ctx.arena, VARS, sizeof *vars);
    size_t n;

    if (vars == NULL)
        return ERR_MEMORY;
    n = put_vars(&req->ctx, shown, vars);
    TRY(make_choices(req, shown->input, shown->value, &vars[n++]));
    *ret_item = (struct template_vars){.vars = vars, .count = n};
    return ERR_OK;
}

/* NULL, or the sentence beside the input. */
static const char *error_of(struct request *req, const struct input_form *form,
                            const struct input *input, const struct input_more *more)
{
    if (!form->is_refused)
        return NULL;
    if (more != NULL)
        return more->error;
    return pages_field_failed(req, input->name) ? page_error_text(&req->ctx, form->code) : NULL;
}

enum err inputs_make_more(struct request *req, const struct input_form *form,
                          const struct input_more *more, struct template_var *ret_var)
{
    static const struct input_more nothing = {0};
    struct template_vars *items = arena_array(req->ctx.arena, form->count + 1, sizeof *items);
    bool is_first = true;

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < form->count; i++) {
        const struct input *input = &form->inputs[i];
        const struct input_more *of = more != NULL ? &more[i] : NULL;
        const char *error = error_of(req, form, input, of);
        const bool is_sent = of == NULL || !of->read_only;
        const struct shown_input shown = {
            .input = input,
            .more = of != NULL ? of : &nothing,
            .error = error,
            .value = shown_value(req, input, form->is_refused && is_sent),
            .has_focus = error != NULL && is_first,
        };

        TRY(make_one(req, &shown, &items[i]));
        is_first = is_first && !shown.has_focus;
    }
    *ret_var = (struct template_var){.name = form->name, .items = items, .item_count = form->count};
    return ERR_OK;
}

enum err inputs_make(struct request *req, const struct input_form *form,
                     struct template_var *ret_var)
{
    return inputs_make_more(req, form, NULL, ret_var);
}

const char *inputs_join_lines(struct ctx *ctx, const struct strs *lines)
{
    struct buf out;

    buf_init(&out, ctx->arena, LINES_BYTES);
    for (size_t i = 0; i < lines->count; i++) {
        buf_puts(&out, i > 0 ? "\n" : "");
        buf_puts(&out, lines->items[i]);
    }
    return buf_text(&out);
}

enum err inputs_split_lines(struct ctx *ctx, const char *text, struct strs *ret_lines)
{
    char *rest = arena_strdup(ctx->arena, text);
    const char **items = arena_array(ctx->arena, strlen(text) / 2 + 2, sizeof *items);
    size_t count = 0;

    if (rest == NULL || items == NULL)
        return ERR_MEMORY;
    while (rest != NULL) {
        char *line = strsep(&rest, "\r\n");
        size_t length;

        line += strspn(line, " \t");
        length = strlen(line);
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
            line[--length] = '\0';
        if (length > 0)
            items[count++] = line;
    }
    *ret_lines = (struct strs){.items = items, .count = count};
    return ERR_OK;
}

bool inputs_name_failure(const struct request *req, const struct input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pages_field_failed(req, inputs[i].name))
            return true;
    }
    return false;
}
