/* Inputs of forms for templates/input.html. */
#include "handlers/pages_inputs.h"

#include <string.h>

#include "app/buf.h"
#include "app/page.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"

#define VARS        19
#define LINES_BYTES 65536

static const char *type_of(enum input_kind kind)
{
    switch (kind) {
    case INPUT_EMAIL:
        return "email";
    case INPUT_PASSWORD:
        return "password";
    case INPUT_NUMBER:
        return "number";
    case INPUT_DATE:
        return "date";
    case INPUT_TEXT:
    case INPUT_LINES:
    case INPUT_CHOICE:
    case INPUT_CHECK:
    case INPUT_UNSET:
        break;
    }
    return "text";
}

static const char *shown_value(struct request *req, const struct input *input, bool is_refused)
{
    if (input->kind == INPUT_PASSWORD)
        return NULL;
    return is_refused ? pages_typed(req, input->name) : input->value;
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

static enum err make_one(struct request *req, const struct input *input,
                         const struct input_form *form, bool is_first_failed,
                         struct template_vars *ret_item)
{
    struct ctx *ctx = &req->ctx;
    const bool failed = form->is_refused && pages_field_failed(req, input->name);
    const char *value = shown_value(req, input, form->is_refused);
    const bool is_line =
        input->kind != INPUT_LINES && input->kind != INPUT_CHOICE && input->kind != INPUT_CHECK;
    struct template_var *vars = arena_array(ctx->arena, VARS, sizeof *vars);
    size_t n = 0;

    if (vars == NULL)
        return ERR_MEMORY;
#define PUT(variable, value) vars[n++] = (struct template_var){.name = (variable), .text = (value)}
    PUT("input-id", input->id);
    PUT("input-name", input->name);
    PUT("input-label", input->label);
    PUT("input-note", input->note);
    PUT("input-hint", input->hint);
    PUT("input-value", value);
    PUT("input-type", type_of(input->kind));
    PUT("input-autocomplete", input->autocomplete != NULL ? input->autocomplete : "off");
    PUT("input-max", input->max_length > 0
                         ? arena_printf(ctx->arena, "%lld", (long long)input->max_length)
                         : NULL);
    PUT("input-described", described_by(ctx, input, failed));
    PUT("input-error", failed ? page_error_text(ctx, form->code) : NULL);
    PUT("is-required", words_when(input->required));
    PUT("is-line", words_when(is_line));
    PUT("is-lines", words_when(input->kind == INPUT_LINES));
    PUT("is-choice", words_when(input->kind == INPUT_CHOICE));
    PUT("is-check", words_when(input->kind == INPUT_CHECK));
    PUT("is-on", words_when(input->kind == INPUT_CHECK && value != NULL && value[0] != '\0'));
    PUT("has-focus", words_when(failed && is_first_failed));
#undef PUT
    TRY(make_choices(req, input, value, &vars[n++]));
    *ret_item = (struct template_vars){.vars = vars, .count = n};
    return ERR_OK;
}

enum err inputs_make(struct request *req, const struct input_form *form,
                     struct template_var *ret_var)
{
    struct template_vars *items = arena_array(req->ctx.arena, form->count + 1, sizeof *items);
    bool is_first = true;

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < form->count; i++) {
        TRY(make_one(req, &form->inputs[i], form, is_first, &items[i]));
        if (form->is_refused && pages_field_failed(req, form->inputs[i].name))
            is_first = false;
    }
    *ret_var = (struct template_var){.name = form->name, .items = items, .item_count = form->count};
    return ERR_OK;
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
