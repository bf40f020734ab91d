/* The console's settings: one input for each, with what holds when it is left to the default. */
#include "handlers/console.h"

#include <stdlib.h>
#include <string.h>

#include "handlers/console_forms.h"
#include "handlers/console_internal.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_words.h"
#include "handlers/tenants.h"
#include "models/tenant.h"

#define USE          "console-settings"
#define LINES_BYTES  16384
#define MAX_SETTINGS 64

/* Words for people; a setting that is not here is shown by its own name. */
static const struct label {
    const char *name, *label;
    bool is_seconds;
} labels[] = {
    {"self_registration", "Anybody may register", false},
    {"discoverable", "Named in the public list", false},
    {"password_min_length", "Shortest password", false},
    {"password_blocklist", "Refuse common passwords", false},
    {"session_ttl", "A browser stays signed in for", true},
    {"access_token_ttl", "Access tokens live for", true},
    {"id_token_ttl", "ID tokens are good for", true},
    {"refresh_token_ttl", "Unused refresh tokens live for", true},
    {"refresh_token_max_ttl", "The sign-in of an app ends after", true},
    {"refresh_grace", "Grace for spent refresh tokens", true},
    {"require_access_key", "Client API needs an access key", false},
    {"require_if_match", "Changes need If-Match", false},
    {"allowed_origins", "Allowed origins", false},
    {"resources", "Services that tokens may be for", false},
    {"users_may_register_clients", "Users may register applications", false},
    {"require_pkce", "Confidential applications need PKCE", false},
    {"email_verification", "E-mail verification", false},
    {"mfa", "Second factor", false},
};

#define LABEL_COUNT (sizeof labels / sizeof labels[0])

struct settings_page {
    struct user me;
    struct tenant_settings stored, defaults, in_force;
    enum err code; /* of the form that was refused */
};

/* --- values as text --- */

static const struct label *label_of(const char *name)
{
    for (size_t i = 0; i < LABEL_COUNT; i++) {
        if (strcmp(labels[i].name, name) == 0)
            return &labels[i];
    }
    return NULL;
}

static const void *at(const struct field *field, const struct tenant_settings *settings)
{
    return (const char *)settings + field->offset;
}

static bool is_set(const struct field *field, const struct tenant_settings *settings)
{
    if (field->has_offset != 0)
        return *(const bool *)((const char *)settings + field->has_offset);
    if (field->type == FT_ENUM)
        return *(const int *)at(field, settings) != 0;
    return field->type == FT_STRS && ((const struct strs *)at(field, settings))->count > 0;
}

/* As the form sends it; "" when it is not set. */
static const char *text_of(struct ctx *ctx, const struct field *field,
                           const struct tenant_settings *settings)
{
    if (!is_set(field, settings))
        return "";
    if (field->type == FT_INT)
        return arena_printf(ctx->arena, "%lld", (long long)*(const int64_t *)at(field, settings));
    if (field->type == FT_BOOL)
        return *(const bool *)at(field, settings) ? "true" : "false";
    if (field->type == FT_ENUM)
        return field->values[*(const int *)at(field, settings)];
    return inputs_join_lines(ctx, at(field, settings));
}

/* As people read it. */
static const char *words_of(struct ctx *ctx, const struct field *field,
                            const struct tenant_settings *settings)
{
    const struct label *label = label_of(field->name);

    if (!is_set(field, settings))
        return "none";
    if (field->type == FT_INT && label != NULL && label->is_seconds)
        return words_span(ctx, *(const int64_t *)at(field, settings));
    if (field->type == FT_BOOL)
        return *(const bool *)at(field, settings) ? "yes" : "no";
    return text_of(ctx, field, settings);
}

/* --- showing --- */

static enum err make_choices(struct ctx *ctx, const struct field *field, const char *standard,
                             const struct input_choice **ret_choices)
{
    struct input_choice *choices = arena_array(ctx->arena, 16, sizeof *choices);
    size_t n = 0;

    if (choices == NULL)
        return ERR_MEMORY;
    choices[n++] = (struct input_choice){"", arena_printf(ctx->arena, "default (%s)", standard)};
    if (field->type == FT_BOOL) {
        choices[n++] = (struct input_choice){"true", "yes"};
        choices[n++] = (struct input_choice){"false", "no"};
    }
    for (size_t i = 1; field->type == FT_ENUM && n < 15 && field->values[i] != NULL; i++)
        choices[n++] = (struct input_choice){field->values[i], field->values[i]};
    *ret_choices = choices;
    return choices[0].label == NULL ? ERR_MEMORY : ERR_OK;
}

static const char *hint_of(struct ctx *ctx, const struct field *field, const char *standard)
{
    const struct label *label = label_of(field->name);
    const char *doc = field->doc != NULL ? field->doc : "";

    if (field->type == FT_INT)
        return arena_printf(ctx->arena, "%s Default: %s%s.", doc, standard,
                            label != NULL && label->is_seconds ? "; type seconds" : "");
    if (field->type == FT_STRS)
        return arena_printf(ctx->arena, "%s One on each line. Default: %s.", doc, standard);
    return doc;
}

static enum err make_input(struct ctx *ctx, const struct settings_page *page,
                           const struct field *field, struct input *ret_input)
{
    const struct label *label = label_of(field->name);
    const char *standard = words_of(ctx, field, &page->defaults);
    const bool is_choice = field->type == FT_BOOL || field->type == FT_ENUM;

    if (standard == NULL)
        return ERR_MEMORY;
    *ret_input = (struct input){
        .kind = is_choice               ? INPUT_CHOICE
                : field->type == FT_INT ? INPUT_NUMBER
                                        : INPUT_LINES,
        .name = field->name,
        .id = arena_printf(ctx->arena, "setting-%s", field->name),
        .label = label != NULL ? label->label : field->name,
        .note = is_set(field, &page->stored) ? "changed" : NULL,
        .hint = hint_of(ctx, field, standard),
        .value = text_of(ctx, field, &page->stored),
    };
    if (ret_input->id == NULL || ret_input->hint == NULL || ret_input->value == NULL)
        return ERR_MEMORY;
    return is_choice ? make_choices(ctx, field, standard, &ret_input->choices) : ERR_OK;
}

/* Labelled ones in the order of the labels, then the others; objects are the API's alone. */
static size_t in_order(const struct field **ret_fields)
{
    const struct schema *schema = &tenant_settings_schema;
    size_t count = 0;

    for (size_t i = 0; i < LABEL_COUNT; i++) {
        const int index = schema_field_index(schema, labels[i].name);

        if (index >= 0)
            ret_fields[count++] = &schema->fields[index];
    }
    for (size_t i = 0; i < schema->field_count && count < MAX_SETTINGS; i++) {
        if (label_of(schema->fields[i].name) == NULL && schema->fields[i].type != FT_DOC)
            ret_fields[count++] = &schema->fields[i];
    }
    return count;
}

/* What holds, for those who may look but not change. */
static enum err make_facts(struct request *req, const struct settings_page *view,
                           struct template_var *ret_var)
{
    const struct field *fields[MAX_SETTINGS];
    const size_t count = in_order(fields);
    struct template_vars *items = arena_array(req->ctx.arena, count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct label *label = label_of(fields[i]->name);
        struct template_var *vars = arena_array(req->ctx.arena, 2, sizeof *vars);

        if (vars == NULL)
            return ERR_MEMORY;
        vars[0] = (struct template_var){.name = "label",
                                        .text = label != NULL ? label->label : fields[i]->name};
        vars[1] = (struct template_var){.name = "value",
                                        .text = words_of(&req->ctx, fields[i], &view->in_force)};
        items[i] = (struct template_vars){.vars = vars, .count = 2};
    }
    *ret_var = (struct template_var){.name = "facts", .items = items, .item_count = count};
    return ERR_OK;
}

static enum err make_inputs(struct request *req, const struct settings_page *view,
                            struct template_var *ret_var, bool *ret_beside)
{
    const struct field *fields[MAX_SETTINGS];
    const size_t count = in_order(fields);
    struct input *inputs = arena_array(req->ctx.arena, count + 1, sizeof *inputs);

    if (inputs == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(make_input(&req->ctx, view, fields[i], &inputs[i]));
    *ret_beside = inputs_name_failure(req, inputs, count);
    return inputs_make(
        req, &(struct input_form){"inputs", inputs, count, view->code != ERR_OK, view->code},
        ret_var);
}

/* What is stored, what would hold without it, and what holds. discoverable stands beside the
 * others in the tenant and is always there: a tenant is named unless it said no. */
static void read_settings(struct request *req, struct settings_page *view)
{
    struct tenant plain = *req->ctx.tenant;
    struct ctx without = req->ctx;

    view->stored = req->ctx.tenant->settings;
    view->stored.has_discoverable = !req->ctx.tenant->discoverable;
    view->stored.discoverable = false;
    plain.settings = (struct tenant_settings){0};
    plain.discoverable = true;
    without.tenant = &plain;
    tenant_settings_in_force(&without, &view->defaults);
    tenant_settings_in_force(&req->ctx, &view->in_force);
}

static enum err show(struct request *req, struct response *res, struct settings_page *view)
{
    struct template_var inputs = {0}, facts = {0};
    const char *token = NULL;
    bool beside = false;

    read_settings(req, view);
    TRY(pages_session_token(req, USE, &token));
    TRY(make_inputs(req, view, &inputs, &beside));
    TRY(make_facts(req, view, &facts));

    const char *message = view->code == ERR_PRECONDITION
                              ? "Somebody changed the settings meanwhile. Nothing was saved: look "
                                "at them and make the change again."
                              : console_refusal(req, view->code, beside);
    const struct template_var vars[] = {
        inputs,
        facts,
        {.name = "form-token", .text = token},
        {.name = "version",
         .text = arena_printf(req->ctx.arena, "%lld", (long long)req->ctx.tenant->version)},
    };
    struct page page = {.template_name = "console-settings",
                        .title = "Settings",
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0]};

    return console_respond(req, res,
                           &(struct console_view){.user = &view->me,
                                                  .here = "settings",
                                                  .message = message,
                                                  .status = view->code != ERR_OK
                                                                ? error_info(view->code)->status
                                                                : 200},
                           &page);
}

enum err handle_console_settings(struct request *req, struct response *res)
{
    struct settings_page view = {0};
    const enum err entered = console_enter(req, ROLE_ADMIN, &view.me);

    return entered != ERR_OK ? pages_to_login(req, res, entered) : show(req, res, &view);
}

/* --- the form --- */

/* A list as its lines; empty lines are nothing. */
static enum err split_lines(struct ctx *ctx, const char *text, struct value *ret_value)
{
    char *rest = arena_strdup(ctx->arena, text);
    struct value *items = arena_array(ctx->arena, strlen(text) / 2 + 2, sizeof *items);
    size_t count = 0;

    if (rest == NULL || items == NULL)
        return ERR_MEMORY;
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");
        const size_t length = strcspn(line, "\r");

        line[length] = '\0';
        if (length == 0)
            continue;
        items[count] = (struct value){.type = VALUE_STRING, .plain = true};
        items[count].string.text = line;
        items[count++].string.length = length;
    }
    *ret_value = (struct value){.type = VALUE_ARRAY};
    ret_value->array.items = items;
    ret_value->array.count = count;
    return ERR_OK;
}

static enum err to_value(struct ctx *ctx, const struct field *field, const char *typed,
                         struct value *ret_value)
{
    *ret_value = (struct value){.type = VALUE_NULL};
    if (strspn(typed, " \r\n") == strlen(typed))
        return ERR_OK;
    if (field->type == FT_STRS)
        return split_lines(ctx, typed, ret_value);
    *ret_value = (struct value){.type = VALUE_STRING, .plain = true};
    ret_value->string.text = typed;
    ret_value->string.length = strlen(typed);
    return ERR_OK;
}

static const char *without_returns(struct ctx *ctx, const char *text)
{
    struct buf out;

    buf_init(&out, ctx->arena, LINES_BYTES);
    for (; *text != '\0'; text++) {
        if (*text != '\r')
            buf_putc(&out, *text);
    }
    return buf_text(&out);
}

/* The settings that the form changes: what was left as it was shown is none. */
static enum err changes(struct request *req, const struct settings_page *view,
                        struct value *ret_object)
{
    const struct schema *schema = &tenant_settings_schema;
    struct member *members = arena_array(req->ctx.arena, schema->field_count, sizeof *members);
    size_t count = 0;

    if (members == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const char *stored = text_of(&req->ctx, field, &view->stored), *typed;

        if (value_get(req->input, field->name) == NULL)
            continue;
        typed = without_returns(&req->ctx, pages_typed(req, field->name));
        if (stored == NULL || typed == NULL)
            return ERR_MEMORY;
        if (strcmp(typed, stored) == 0)
            continue;
        members[count].name = field->name;
        TRY(to_value(&req->ctx, field, typed, &members[count++].value));
    }
    *ret_object = (struct value){.type = VALUE_OBJECT};
    ret_object->object.members = members;
    ret_object->object.count = count;
    return ERR_OK;
}

static enum err save(struct request *req, struct settings_page *view, bool *ret_changed)
{
    struct settings_form in;
    struct value object;

    TRY(pages_check_session_form(req, USE, pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    read_settings(req, view);
    TRY(changes(req, view, &object));
    *ret_changed = object.object.count > 0;
    if (!*ret_changed)
        return ERR_OK;
    return settings_apply(req, &object, in.version != NULL ? strtoll(in.version, NULL, 10) : 0);
}

enum err handle_console_settings_form(struct request *req, struct response *res)
{
    struct settings_page view = {0};
    bool changed = false;
    const enum err entered = console_enter(req, ROLE_OWNER, &view.me);

    if (entered != ERR_OK)
        return pages_to_login(req, res, entered);
    view.code = save(req, &view, &changed);
    if (view.code == ERR_OK)
        return console_redirect(
            req, res, changed ? "/settings?notice=settings-saved" : "/settings?notice=unchanged");
    return pages_shows(view.code) ? show(req, res, &view) : view.code;
}
