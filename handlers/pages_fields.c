/* Custom fields on the dashboard: rows to read, JSON for everything, and without a schema an input
 * for each simple one (with one: handlers/pages_schema.h). */
#include "handlers/pages.h"

#include <string.h>

#include <bson/bson.h>

#include "app/document.h"
#include "app/json.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_schema.h"
#include "models/custom_schema.h"

#define INPUT_PREFIX "field:"
/* A form has at most FORM_MAX_FIELDS fields; who has more simple ones edits them as JSON. */
#define INPUTS_MAX   60
#define ROWS_MAX \
    (DOCUMENT_MAX_MEMBERS + 300) /* members and items of arrays; more are left to the JSON */
#define JSON_MAX_BYTES ((size_t)256 * 1024)
#define VARS_PER_ROW   4
#define VARS_PER_INPUT 10

static const char *const levels[] = {"0", "1", "2", "3", "4", "5"};

/* --- reading values --- */

static const char *json_of(struct ctx *ctx, const bson_iter_t *at)
{
    struct buf out;

    buf_init(&out, ctx->arena, JSON_MAX_BYTES);
    document_element_to_json(at, &out);
    return buf_text(&out);
}

/* Text for people; numbers exactly as JSON shows them. */
const char *fields_text(struct ctx *ctx, const bson_iter_t *at)
{
    uint32_t length = 0;

    if (!BSON_ITER_HOLDS_UTF8(at))
        return json_of(ctx, at);

    const char *text = bson_iter_utf8(at, &length);

    return arena_strndup(ctx->arena, text, length);
}

const char *fields_words(struct ctx *ctx, const struct shape *shape, const bson_iter_t *at)
{
    if (shape == NULL || !BSON_ITER_HOLDS_BOOL(at))
        return fields_text(ctx, at);
    return bson_iter_bool(at) ? "yes" : "no";
}

static bool is_nested(const bson_iter_t *at)
{
    return BSON_ITER_HOLDS_DOCUMENT(at) || BSON_ITER_HOLDS_ARRAY(at);
}

static bool is_simple(const bson_iter_t *at)
{
    return BSON_ITER_HOLDS_UTF8(at) || BSON_ITER_HOLDS_INT(at) || BSON_ITER_HOLDS_DOUBLE(at) ||
           BSON_ITER_HOLDS_BOOL(at);
}

/* --- rows to read --- */

struct rows {
    struct ctx *ctx;
    struct template_vars *items;
    size_t count;
};

struct row {
    const char *name, *text;
    unsigned level;
    bool is_group;
};

static enum err add_row(struct rows *rows, const struct row *row)
{
    struct template_var *vars = arena_array(rows->ctx->arena, VARS_PER_ROW, sizeof *vars);

    if (vars == NULL || row->name == NULL || (row->text == NULL && !row->is_group))
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "name", .text = row->name};
    vars[1] = (struct template_var){.name = "text", .text = row->text};
    vars[2] = (struct template_var){.name = "level", .text = levels[row->level]};
    vars[3] = (struct template_var){.name = "group", .text = row->is_group ? "yes" : NULL};
    rows->items[rows->count++] = (struct template_vars){.vars = vars, .count = VARS_PER_ROW};
    return ERR_OK;
}

/* "red, green, blue" for an array of simple values, NULL for any other element. */
enum err fields_joined(struct ctx *ctx, const bson_iter_t *array, const char **ret_text)
{
    bson_iter_t at;
    struct buf out;

    *ret_text = NULL;
    if (!BSON_ITER_HOLDS_ARRAY(array) || !bson_iter_recurse(array, &at))
        return ERR_OK;
    buf_init(&out, ctx->arena, JSON_MAX_BYTES);
    while (bson_iter_next(&at)) {
        const char *text = is_nested(&at) ? NULL : fields_text(ctx, &at);

        if (text == NULL)
            return ERR_OK;
        if (out.size > 0)
            buf_puts(&out, ", ");
        buf_puts(&out, text);
    }
    *ret_text = buf_text(&out);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

/* Where a row stands, and what the tenant's schema says of it (NULL: nothing). */
struct stand {
    unsigned level;
    bool is_array;
    const struct shape *shape;
};

static enum err add_rows(struct rows *rows, bson_iter_t *at, const struct stand *stand);

static enum err add_element(struct rows *rows, bson_iter_t *at, const struct stand *stand,
                            const char *name)
{
    struct row row = {.name = name, .level = stand->level};
    const struct stand inside = {
        .level = stand->level + 1, .is_array = BSON_ITER_HOLDS_ARRAY(at), .shape = stand->shape};
    bson_iter_t child;

    if (!is_nested(at)) {
        row.text = fields_words(rows->ctx, stand->shape, at);
        return add_row(rows, &row);
    }
    TRY(fields_joined(rows->ctx, at, &row.text));
    if (row.text != NULL)
        return add_row(rows, &row);
    row.is_group = true;
    TRY(add_row(rows, &row));
    if (inside.level >= sizeof levels / sizeof levels[0] || !bson_iter_recurse(at, &child))
        return ERR_OK;
    return add_rows(rows, &child, &inside);
}

static enum err add_member(struct rows *rows, bson_iter_t *at, const struct stand *stand)
{
    const char *key = bson_iter_key(at);
    const struct shape_property *property =
        stand->shape != NULL ? shape_find(stand->shape, key) : NULL;
    const struct stand here = {.level = stand->level,
                               .shape = property != NULL ? property->shape : NULL};

    return add_element(rows, at, &here, schema_form_label(rows->ctx, here.shape, key));
}

static enum err add_rows(struct rows *rows, bson_iter_t *at, const struct stand *stand)
{
    const struct stand item = {.level = stand->level,
                               .shape = stand->shape != NULL ? stand->shape->items : NULL};

    for (unsigned n = 1; rows->count < ROWS_MAX && bson_iter_next(at); n++)
        TRY(stand->is_array ? add_element(rows, at, &item, arena_printf(rows->ctx->arena, "%u", n))
                            : add_member(rows, at, stand));
    return ERR_OK;
}

/* --- inputs --- */

static const char *kind_of(const bson_iter_t *at)
{
    if (BSON_ITER_HOLDS_BOOL(at))
        return "true or false";
    return BSON_ITER_HOLDS_UTF8(at) ? "text" : "number";
}

static const char *when(bool is_so)
{
    return is_so ? "yes" : NULL;
}

/* What was typed survives a refused form; else the stored value. */
static const char *input_text(struct request *req, const bson_iter_t *at, const char *field)
{
    const struct value *typed = req->input != NULL ? value_get(req->input, field) : NULL;

    return typed != NULL && typed->type == VALUE_STRING ? typed->string.text
                                                        : fields_text(&req->ctx, at);
}

static bool is_wrong(const struct request *req, const char *field, const char *key)
{
    return pages_is_typed(req, field) && pages_field_failed(req, key);
}

static enum err make_input(struct request *req, const bson_iter_t *at, size_t number,
                           struct template_vars *ret_item)
{
    struct arena *arena = req->ctx.arena;
    struct template_var *vars = arena_array(arena, VARS_PER_INPUT, sizeof *vars);
    const char *field = arena_printf(arena, INPUT_PREFIX "%s", bson_iter_key(at));
    const char *id = arena_printf(arena, "field-%zu", number);
    const char *text = field != NULL ? input_text(req, at, field) : NULL;
    const bool is_bool = BSON_ITER_HOLDS_BOOL(at);

    if (vars == NULL || id == NULL || text == NULL)
        return ERR_MEMORY;

    const bool is_lines = !is_bool && strchr(text, '\n') != NULL;

    vars[0] = (struct template_var){.name = "id", .text = id};
    vars[1] = (struct template_var){.name = "field", .text = field};
    vars[2] = (struct template_var){.name = "name", .text = bson_iter_key(at)};
    vars[3] = (struct template_var){.name = "text", .text = text};
    vars[4] = (struct template_var){.name = "kind", .text = kind_of(at)};
    vars[5] = (struct template_var){.name = "is-true",
                                    .text = when(is_bool && strcmp(text, "true") == 0)};
    /* One of three controls: a choice, several lines, one line. */
    vars[6] = (struct template_var){.name = "is-choice", .text = when(is_bool)};
    vars[7] = (struct template_var){.name = "is-lines", .text = when(is_lines)};
    vars[8] = (struct template_var){.name = "is-line", .text = when(!is_bool && !is_lines)};
    vars[9] = (struct template_var){.name = "is-wrong",
                                    .text = when(is_wrong(req, field, bson_iter_key(at)))};
    *ret_item = (struct template_vars){.vars = vars, .count = VARS_PER_INPUT};
    return ERR_OK;
}

static enum err make_inputs(struct request *req, const bson_t *document, struct fields_view *view)
{
    struct template_vars *items = arena_array(req->ctx.arena, INPUTS_MAX, sizeof *items);
    bson_iter_t at;

    if (items == NULL)
        return ERR_MEMORY;
    view->inputs = items;
    if (!bson_iter_init(&at, document))
        return ERR_OK;
    while (view->input_count < INPUTS_MAX && bson_iter_next(&at)) {
        if (!is_simple(&at))
            continue;
        TRY(make_input(req, &at, view->input_count, &items[view->input_count]));
        view->input_count++;
    }
    return ERR_OK;
}

/* --- indented JSON --- */

static void new_line(struct buf *out, unsigned depth)
{
    buf_putc(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        buf_puts(out, "  ");
}

/* Our writer escapes what is special in HTML. The page does that by itself, so people see the
 * character. */
static size_t copy_escape(struct buf *out, const char *at)
{
    static const char escapes[][7] = {"\\u003c", "\\u003e", "\\u0026"};
    static const char characters[] = "<>&";

    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (strncmp(at, escapes[i], 6) == 0) {
            buf_putc(out, characters[i]);
            return 6;
        }
    }
    buf_add(out, at, at[1] != '\0' ? 2 : 1);
    return at[1] != '\0' ? 2 : 1;
}

/* Copies a string with its quotes; returns what follows it. */
static const char *copy_string(struct buf *out, const char *at)
{
    buf_putc(out, *at++);
    while (*at != '"' && *at != '\0') {
        if (*at == '\\')
            at += copy_escape(out, at);
        else
            buf_putc(out, *at++);
    }
    buf_putc(out, '"');
    return *at == '"' ? at + 1 : at;
}

/* Compact JSON of ours with line ends and indentation; every value stays the same. */
static void indent(struct buf *out, const char *at)
{
    unsigned depth = 0;

    while (*at != '\0') {
        const char c = *at;

        if (c == '"') {
            at = copy_string(out, at);
            continue;
        }
        at++;
        if ((c == '}' || c == ']') && depth > 0)
            new_line(out, --depth);
        buf_putc(out, c);
        if (c == ':')
            buf_putc(out, ' ');
        if (c == ',')
            new_line(out, depth);
        if ((c == '{' || c == '[') && (*at == '}' || *at == ']'))
            buf_putc(out, *at++);
        else if (c == '{' || c == '[')
            new_line(out, ++depth);
    }
}

static enum err indented(struct ctx *ctx, const char *compact, const char **ret_json)
{
    struct buf pretty;

    if (compact == NULL)
        return ERR_MEMORY;
    buf_init(&pretty, ctx->arena, JSON_MAX_BYTES);
    indent(&pretty, compact);
    *ret_json = buf_text(&pretty);
    return *ret_json == NULL ? ERR_MEMORY : ERR_OK;
}

enum err fields_pretty(struct ctx *ctx, const bson_iter_t *at, const char **ret_json)
{
    return indented(ctx, json_of(ctx, at), ret_json);
}

enum err fields_pretty_document(struct ctx *ctx, const struct bytes *document,
                                const char **ret_json)
{
    struct buf compact;

    buf_init(&compact, ctx->arena, JSON_MAX_BYTES);
    document_to_json(document, &compact);
    return indented(ctx, buf_text(&compact), ret_json);
}

static enum err find_shape(struct ctx *ctx, const struct shape **ret_shape)
{
    const enum err found = custom_schema_shape(ctx, ret_shape);

    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

enum err fields_view(struct request *req, const struct user *user, struct fields_view *ret_view)
{
    struct rows rows = {.ctx = &req->ctx};
    struct stand root = {0};
    struct fields_view view = {0};
    bson_iter_t at;
    bson_t document;

    rows.items = arena_array(req->ctx.arena, ROWS_MAX, sizeof *rows.items);
    if (rows.items == NULL)
        return ERR_MEMORY;
    if (!document_view(&user->custom_fields, &document))
        return fail_internal(&req->ctx, ERR_INTERNAL, "custom_fields are no valid document");
    TRY(find_shape(&req->ctx, &root.shape));
    if (bson_iter_init(&at, &document))
        TRY(add_rows(&rows, &at, &root));
    view.rows = rows.items;
    view.row_count = rows.count;
    if (root.shape == NULL)
        TRY(make_inputs(req, &document, &view));
    TRY(fields_pretty_document(&req->ctx, &user->custom_fields, &view.json));
    *ret_view = view;
    return ERR_OK;
}

/* --- what the inputs say --- */

static enum err parse_number(struct request *req, const char *name, const char *text,
                             struct value *ret_value)
{
    const char *json = arena_printf(req->ctx.arena, "{\"number\":%s}", text);
    const struct value *number;
    struct value object;

    if (json == NULL)
        return ERR_MEMORY;
    if (json_parse(&req->ctx, json, strlen(json), &object) == ERR_OK && object.object.count == 1) {
        number = value_get(&object, "number");
        if (number != NULL && (number->type == VALUE_INT || number->type == VALUE_REAL)) {
            *ret_value = *number;
            return ERR_OK;
        }
    }
    fail_clear(&req->ctx);
    return fail(&req->ctx, ERR_CUSTOM_FIELDS, name, "\"%s\" must be a number such as 42 or 3.5.",
                name);
}

/* Forms send line ends as CR LF; the text had LF. */
enum err fields_unix_lines(struct request *req, const char *text, const char **ret_text)
{
    struct buf out;

    buf_init(&out, req->ctx.arena, JSON_MAX_BYTES);
    for (; *text != '\0'; text++) {
        if (text[0] == '\r' && text[1] == '\n')
            continue;
        buf_putc(&out, *text);
    }
    *ret_text = buf_text(&out);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

bool fields_inputs_are_sent(const struct request *req)
{
    for (size_t i = 0; req->input != NULL && i < req->input->object.count; i++) {
        if (strncmp(req->input->object.members[i].name, INPUT_PREFIX, strlen(INPUT_PREFIX)) == 0)
            return true;
    }
    return false;
}

/* A typed text as a value of the type that is stored. */
static enum err value_from(struct request *req, const bson_iter_t *stored, const char *text,
                           struct value *ret_value)
{
    *ret_value = (struct value){0};
    if (BSON_ITER_HOLDS_BOOL(stored)) {
        ret_value->type = VALUE_BOOL;
        ret_value->boolean = strcmp(text, "true") == 0;
        return ERR_OK;
    }
    if (!BSON_ITER_HOLDS_UTF8(stored))
        return parse_number(req, bson_iter_key(stored), text, ret_value);
    ret_value->type = VALUE_STRING;
    ret_value->string.text = text;
    ret_value->string.length = strlen(text);
    return ERR_OK;
}

/* Adds the member to the patch when it names a simple field and says something new. */
static enum err add_change(struct request *req, const bson_t *document, const struct member *typed,
                           struct value *patch)
{
    const char *name = typed->name + strlen(INPUT_PREFIX), *text = NULL;
    struct member *change = &patch->object.members[patch->object.count];
    bson_iter_t at;

    if (typed->value.type != VALUE_STRING || !bson_iter_init_find(&at, document, name) ||
        !is_simple(&at))
        return ERR_OK;
    TRY(fields_unix_lines(req, typed->value.string.text, &text));

    const char *stored = fields_text(&req->ctx, &at);

    if (stored == NULL)
        return ERR_MEMORY;
    if (strcmp(stored, text) == 0)
        return ERR_OK;
    *change = (struct member){.name = name};
    TRY(value_from(req, &at, text, &change->value));
    patch->object.count++;
    return ERR_OK;
}

enum err fields_from_inputs(struct request *req, const struct user *user,
                            struct bytes *ret_document, bool *ret_changed)
{
    const size_t count = req->input->object.count;
    struct value patch = {.type = VALUE_OBJECT};
    bson_t document;

    *ret_changed = false;
    patch.object.members = arena_array(req->ctx.arena, count + 1, sizeof *patch.object.members);
    if (patch.object.members == NULL)
        return ERR_MEMORY;
    if (!document_view(&user->custom_fields, &document))
        return fail_internal(&req->ctx, ERR_INTERNAL, "custom_fields are no valid document");
    for (size_t i = 0; i < count; i++) {
        const struct member *typed = &req->input->object.members[i];

        if (strncmp(typed->name, INPUT_PREFIX, strlen(INPUT_PREFIX)) == 0)
            TRY(add_change(req, &document, typed, &patch));
    }
    if (patch.object.count == 0)
        return ERR_OK;
    *ret_changed = true;
    return document_merge(&req->ctx, "custom_fields", &user->custom_fields, &patch, ret_document);
}

enum err fields_from_json(struct request *req, const char *json, struct bytes *ret_document)
{
    const char *text = json != NULL ? json : "{}";
    struct value object;

    TRY(json_parse(&req->ctx, text, strlen(text), &object));
    return document_from_value(&req->ctx, "custom_fields", &object, ret_document);
}
