/* What was typed into a form made from a schema, as a merge patch. */
#include "handlers/pages_schema_internal.h"

#include <string.h>

#include "app/document.h"
#include "app/json.h"
#include "handlers/pages_inputs.h"
#include "handlers/pages_internal.h"
#include "models/tenant.h"

struct reader {
    struct request *req;
    const struct schema_form *form;
    size_t at; /* the next field */
    const struct value *whole;
    struct strs emptied; /* the members of the whole of which nothing is said, though they came */
};

/* What a form says of the members of one object. */
struct said {
    bool filled; /* something was typed, or a box ticked */
    bool sent;   /* an input came at all, even empty */
    size_t stored;
};

/* --- one value --- */

static void set_text(struct value *ret_value, const char *text)
{
    *ret_value = (struct value){.type = VALUE_STRING};
    ret_value->string.text = text;
    ret_value->string.length = strlen(text);
}

/* Any JSON value, else the text itself: the models say what it should have been. */
static enum err parse_json(struct request *req, const char *text, unsigned types,
                           struct value *ret_value)
{
    const char *json = arena_printf(req->ctx.arena, "{\"value\":%s}", text);
    const struct value *value = NULL;
    struct value object;

    if (json == NULL)
        return ERR_MEMORY;
    set_text(ret_value, text);
    if (json_parse(&req->ctx, json, strlen(json), &object) == ERR_OK && object.object.count == 1)
        value = value_get(&object, "value");
    fail_clear(&req->ctx);
    if (value == NULL)
        return ERR_OK;

    const bool is_number = value->type == VALUE_INT || value->type == VALUE_REAL;

    if (is_number || (types & (unsigned)~SHAPE_NUMBER) != 0)
        *ret_value = *value;
    return ERR_OK;
}

static enum err parse_choice(struct request *req, const struct shape *shape, const char *text,
                             struct value *ret_value)
{
    const enum err found = form_choice_value(&req->ctx, shape, text, ret_value);

    if (found == ERR_NOT_FOUND)
        set_text(ret_value, text);
    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

static enum err parse_item(struct request *req, const struct shape *shape, const char *text,
                           struct value *ret_value)
{
    if (shape->values.size > 0 || shape->constant.size > 0)
        return parse_choice(req, shape, text, ret_value);
    if ((shape->types & SHAPE_STRING) == 0)
        return parse_json(req, text, SHAPE_NUMBER, ret_value);
    set_text(ret_value, text);
    return ERR_OK;
}

static enum err parse_lines(struct request *req, const struct shape *items, const char *text,
                            struct value *ret_value)
{
    struct strs lines = {0};

    TRY(inputs_split_lines(&req->ctx, text, &lines));
    *ret_value = (struct value){.type = VALUE_ARRAY};
    ret_value->array.items =
        arena_array(req->ctx.arena, lines.count + 1, sizeof *ret_value->array.items);
    if (ret_value->array.items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < lines.count; i++)
        TRY(parse_item(req, items, lines.items[i], &ret_value->array.items[i]));
    ret_value->array.count = lines.count;
    return ERR_OK;
}

static enum err parse(struct request *req, const struct form_field *field, const char *text,
                      struct value *ret_value)
{
    if (field->kind == FORM_NUMBER)
        return parse_json(req, text, SHAPE_NUMBER, ret_value);
    if (field->kind == FORM_CHOICE || field->kind == FORM_RADIO)
        return parse_choice(req, field->shape, text, ret_value);
    if (field->kind == FORM_LINES || field->kind == FORM_BOXES)
        return parse_lines(req, field->shape->items, text, ret_value);
    if (field->kind == FORM_JSON)
        return parse_json(req, text, SHAPE_ANY, ret_value);
    set_text(ret_value, text);
    return ERR_OK;
}

/* --- what was typed --- */

static enum err typed_moment(struct request *req, const struct form_field *field,
                             const char **ret_text)
{
    const char *local = pages_typed(req, field->name);
    const char *name = arena_printf(req->ctx.arena, "%s" OFFSET_SUFFIX, field->name);
    const char *offset = name != NULL ? pages_typed(req, name) : NULL;
    struct moment was;

    *ret_text = "";
    if (offset == NULL)
        return ERR_MEMORY;
    if (local[0] == '\0')
        return ERR_OK;

    const char *seconds = strlen(local) == strlen("2026-01-31T09:30") ? ":00" : "";

    /* What the inputs held is what is stored, however that was written. */
    if (field->shown != NULL && moment_split(field->shown, &was) &&
        strncmp(was.local, local, strlen(local)) == 0 && strcmp(was.offset, offset) == 0 &&
        strspn(was.local + strlen(local), ":0.") == strlen(was.local + strlen(local))) {
        *ret_text = field->shown;
        return ERR_OK;
    }
    if (strcmp(offset, "+00:00") == 0 || offset[0] == '\0')
        offset = "Z";
    *ret_text = arena_printf(req->ctx.arena, "%s%s%s", local, seconds, offset);
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err typed_boxes(struct request *req, const struct form_field *field,
                            const char **ret_text)
{
    struct ctx *ctx = &req->ctx;
    struct strs texts = {0}, ticked = {0};
    const char **items;

    TRY(form_choices(ctx, field->shape->items, &texts));
    items = arena_array(ctx->arena, texts.count + 1, sizeof *items);
    ticked.items = items;
    for (size_t i = 0; items != NULL && i < texts.count; i++) {
        const char *name = arena_printf(ctx->arena, "%s" BOX_SUFFIX, field->name, i);

        if (name == NULL)
            return ERR_MEMORY;
        if (pages_typed(req, name)[0] != '\0')
            items[ticked.count++] = texts.items[i];
    }
    *ret_text = items != NULL ? inputs_join_lines(ctx, &ticked) : NULL;
    return *ret_text == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err typed_text(struct request *req, const struct form_field *field,
                           const char **ret_text)
{
    if (field->kind == FORM_MOMENT)
        return typed_moment(req, field, ret_text);
    if (field->kind == FORM_BOXES)
        return typed_boxes(req, field, ret_text);
    TRY(fields_unix_lines(req, pages_typed(req, field->name), ret_text));
    if (field->kind == FORM_LINES && strspn(*ret_text, " \t\n") == strlen(*ret_text))
        *ret_text = "";
    return ERR_OK;
}

/* --- members --- */

static void put(struct value *object, const char *key, const struct value *value)
{
    struct member *member = &object->object.members[object->object.count++];

    *member = (struct member){.name = key, .value = *value};
}

/* An empty box says false where there is something to take back, or something must be said. */
static void read_box(struct reader *reader, const struct form_field *field, struct value *patch)
{
    const bool is_on = pages_typed(reader->req, field->name)[0] != '\0';
    const bool was_on = field->shown != NULL && strcmp(field->shown, "true") == 0;
    const struct value said = {.type = VALUE_BOOL, .boolean = is_on};
    const struct value nothing = {.type = VALUE_NULL};

    if (field->is_stored && is_on == was_on)
        return;
    if (is_on || (form_allows_false(field->shape) && (field->demanded || field->shown != NULL)))
        put(patch, field->key, &said);
    else if (field->is_stored)
        put(patch, field->key, &nothing);
}

/* Boxes that are not ticked are never sent. */
static bool is_sent(const struct request *req, const struct form_field *field)
{
    return field->kind == FORM_BOX || field->kind == FORM_BOXES || pages_is_typed(req, field->name);
}

static enum err read_field(struct reader *reader, const struct form_field *field,
                           struct value *patch, struct said *said)
{
    const char *text = NULL;
    struct value value = {.type = VALUE_NULL};

    said->sent = said->sent || is_sent(reader->req, field);
    if (field->kind == FORM_BOX) {
        said->filled = said->filled || pages_typed(reader->req, field->name)[0] != '\0';
        read_box(reader, field, patch);
        return ERR_OK;
    }
    TRY(typed_text(reader->req, field, &text));
    said->filled = said->filled || text[0] != '\0';
    if (field->is_stored && strcmp(field->shown != NULL ? field->shown : "", text) == 0)
        return ERR_OK;
    if (text[0] != '\0')
        TRY(parse(reader->req, field, text, &value));
    else if (field->may_be_empty)
        value.type = VALUE_ARRAY;
    else if (!field->is_stored)
        return ERR_OK;
    put(patch, field->key, &value);
    return ERR_OK;
}

static enum err read_members(struct reader *reader, struct value *patch, struct said *said);

/* A group that nothing is typed into is not there: boxes alone do not make an object that nobody
 * must have. */
static enum err read_group(struct reader *reader, const struct form_field *group,
                           struct value *patch, struct said *said)
{
    struct value inner = {0};
    struct said within = {0};

    TRY(read_members(reader, &inner, &within));
    said->filled = said->filled || within.filled;
    said->sent = said->sent || within.sent;
    if (group->read_only)
        return ERR_OK;
    if (!within.filled && !group->demanded && within.stored == group->members) {
        if (group->is_stored)
            put(patch, group->key, &(struct value){.type = VALUE_NULL});
        return ERR_OK;
    }
    if (inner.object.count > 0 || (group->required && !group->is_stored))
        put(patch, group->key, &inner);
    return ERR_OK;
}

/* Of the group that begins here. */
static size_t members_ahead(const struct reader *reader)
{
    size_t inside = 1, count = 0;

    for (size_t i = reader->at; i < reader->form->count && inside > 0; i++) {
        const enum form_kind kind = reader->form->fields[i].kind;

        count += inside == 1 && kind != FORM_END;
        inside += kind == FORM_GROUP;
        inside -= kind == FORM_END;
    }
    return count;
}

static enum err read_member(struct reader *reader, const struct form_field *field,
                            struct value *patch, struct said *said)
{
    struct said here = {.stored = field->is_stored && !field->read_only};
    const size_t before = patch->object.count;

    if (field->kind == FORM_GROUP)
        TRY(read_group(reader, field, patch, &here));
    else if (!field->read_only)
        TRY(read_field(reader, field, patch, &here));
    if (here.sent && patch == reader->whole && patch->object.count == before)
        reader->emptied.items[reader->emptied.count++] = field->key;
    said->filled = said->filled || here.filled;
    said->sent = said->sent || here.sent;
    said->stored += here.stored;
    return ERR_OK;
}

static enum err read_members(struct reader *reader, struct value *patch, struct said *said)
{
    *patch = (struct value){.type = VALUE_OBJECT};
    patch->object.members = arena_array(reader->req->ctx.arena, members_ahead(reader) + 1,
                                        sizeof *patch->object.members);
    if (patch->object.members == NULL)
        return ERR_MEMORY;
    while (reader->at < reader->form->count) {
        const struct form_field *field = &reader->form->fields[reader->at++];

        if (field->kind == FORM_END)
            return ERR_OK;
        TRY(read_member(reader, field, patch, said));
    }
    return ERR_OK;
}

enum err schema_form_is_stale(struct request *req)
{
    return fail(&req->ctx, ERR_CONFLICT, NULL,
                "What this form shows has changed meanwhile. Nothing was saved: please look "
                "through it and send it again.");
}

static enum err read_form(struct request *req, const struct schema_form *form,
                          struct value *ret_patch, struct strs *ret_emptied)
{
    struct reader reader = {.req = req, .form = form, .whole = ret_patch};
    const char *state = pages_typed(req, "fields_state");
    struct said said = {0};

    *ret_patch = (struct value){.type = VALUE_OBJECT};
    if (state[0] == '\0')
        return ERR_OK;
    if (form->state == NULL || strcmp(state, form->state) != 0)
        return schema_form_is_stale(req);
    reader.emptied.items =
        arena_array(req->ctx.arena, form->count + 1, sizeof *reader.emptied.items);
    if (reader.emptied.items == NULL)
        return ERR_MEMORY;
    TRY(read_members(&reader, ret_patch, &said));
    *ret_emptied = reader.emptied;
    return ERR_OK;
}

enum err schema_form_read(struct request *req, const struct schema_form *form,
                          struct value *ret_patch)
{
    struct strs unchanged = {0};

    return read_form(req, form, ret_patch, &unchanged);
}

enum err schema_form_read_new(struct request *req, const struct schema_form *form,
                              struct bytes *ret_fields, struct strs *ret_emptied)
{
    struct value typed;

    TRY(read_form(req, form, &typed, ret_emptied));
    return document_from_value(&req->ctx, "custom_fields", &typed, ret_fields);
}
