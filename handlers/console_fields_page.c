/* What the page of custom fields shows: the fields in force, the editor, what was wrong. */
#include "handlers/console_fields_page.h"

#include <string.h>

#include "app/json_line.h"
#include "handlers/console_fields_edit.h"
#include "handlers/console_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_schema.h"
#include "handlers/pages_words.h"
#include "models/custom_index.h"
#include "models/tenant.h"

#define USE             "console-fields"
#define AROUND          2 /* lines before and behind the one that is wrong */
#define EXCERPT_MAX     8192
#define LINE_SHOWN      200 /* bytes */
#define VARS_PER_ROW    9
#define VERSIONS_SHOWN  10
#define REFRESH_SECONDS "5"

/* --- the fields in force --- */

struct rows {
    struct request *req;
    struct template_vars *items;
    size_t count;
    bool has_links;
};

struct level {
    const struct shape *shape;
    const char *path; /* "" or address. */
    enum shape_party read, write;
};

static const char *type_words(struct ctx *ctx, const struct shape *shape)
{
    static const char *const formats[] = {NULL,           "e-mail address", "day",
                                          "day and time", "web address",    "UUID"};
    static const struct {
        unsigned bits;
        const char *words;
    } names[] = {
        {SHAPE_STRING, "text"},       {SHAPE_NUMBER, "number"}, {SHAPE_INTEGER, "whole number"},
        {SHAPE_BOOLEAN, "yes or no"}, {SHAPE_ARRAY, "list"},    {SHAPE_OBJECT, "object"},
        {SHAPE_NULL, "nothing"},
    };
    unsigned types = shape->types;
    struct buf out;

    if (shape->values.size > 0 || shape->constant.size > 0)
        return "one of some values";
    if (types == SHAPE_ANY)
        return "anything";
    if (types == SHAPE_STRING && shape->format != SHAPE_NO_FORMAT)
        return formats[shape->format];
    buf_init(&out, ctx->arena, 256);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((types & names[i].bits) != names[i].bits)
            continue;
        types &= ~names[i].bits;
        buf_puts(&out, out.size > 0 ? " or " : "");
        buf_puts(&out, names[i].words);
    }
    return buf_text(&out);
}

static const char *party_words(enum shape_party party)
{
    return party == SHAPE_SERVER ? "servers" : party == SHAPE_ADMIN ? "administrators" : "users";
}

static enum shape_party later(enum shape_party a, enum shape_party b)
{
    return a > b ? a : b;
}

static enum err add_rows(struct rows *rows, const struct level *level);

static enum err add_row(struct rows *rows, const struct level *level,
                        const struct shape_property *property)
{
    struct ctx *ctx = &rows->req->ctx;
    struct template_var *vars = arena_array(ctx->arena, VARS_PER_ROW, sizeof *vars);
    const char *address = NULL;
    const struct shape *shape = property->shape;
    const char *name = arena_printf(ctx->arena, "%s%s", level->path, property->name);
    const struct level inside = {.shape = shape,
                                 .path = arena_printf(ctx->arena, "%s.", name),
                                 .read = later(level->read, shape->read),
                                 .write = later(level->write, shape->write)};
    size_t n = 0;

    if (vars == NULL || name == NULL || inside.path == NULL)
        return ERR_MEMORY;
    if (rows->has_links && level->path[0] == '\0')
        TRY(console_address(rows->req, "/fields",
                            (const struct console_query[]){{"field", name}, {NULL, NULL}},
                            &address));
#define PUT(variable, value) vars[n++] = (struct template_var){.name = (variable), .text = (value)}
    PUT("field-name", name);
    PUT("field-address", address);
    PUT("field-title", shape->title);
    PUT("field-type", shape->is_encrypted
                          ? arena_printf(ctx->arena, "%s, encrypted", type_words(ctx, shape))
                          : type_words(ctx, shape));
    PUT("is-required", words_when(strs_has(&level->shape->required, property->name)));
    PUT("is-unique", words_when(shape->is_unique));
    PUT("field-index", !shape->is_indexed    ? NULL
                       : shape->ignores_case ? "yes, without case"
                                             : "yes");
    PUT("field-readers", party_words(inside.read));
    PUT("field-writers", party_words(inside.write));
#undef PUT
    rows->items[rows->count++] = (struct template_vars){.vars = vars, .count = n};
    return add_rows(rows, &inside);
}

static enum err add_rows(struct rows *rows, const struct level *level)
{
    const size_t count = level->shape->property_count;
    const struct shape_property **ordered = NULL;

    TRY(shape_ordered(&rows->req->ctx, level->shape, &ordered));
    for (size_t i = 0; i < count && rows->count < SHAPE_MAX_PROPERTIES; i++)
        TRY(add_row(rows, level, ordered[i]));
    return ERR_OK;
}

/* A link would lose what stands in the editor. */
static enum err make_rows(struct request *req, const struct fields_page *page,
                          const struct shape *shape, struct template_var *ret_var)
{
    struct rows rows = {.req = req, .has_links = !page->is_sent};

    *ret_var = (struct template_var){.name = "rows"};
    if (shape == NULL)
        return ERR_OK;
    rows.items = arena_array(req->ctx.arena, SHAPE_MAX_PROPERTIES + 1, sizeof *rows.items);
    if (rows.items == NULL)
        return ERR_MEMORY;
    TRY(add_rows(&rows, &(struct level){.shape = shape, .path = ""}));
    ret_var->items = rows.items;
    ret_var->item_count = rows.count;
    return ERR_OK;
}

/* The last ones, newest first: numbers of versions have no holes that matter here. */
static enum err make_versions(struct ctx *ctx, struct template_var *ret_var)
{
    const int64_t newest = ctx->tenant->schema_version;
    struct template_vars *items = arena_array(ctx->arena, VERSIONS_SHOWN, sizeof *items);
    size_t count = 0;

    if (items == NULL)
        return ERR_MEMORY;
    for (int64_t version = newest; version > 0 && count < VERSIONS_SHOWN; version--) {
        struct template_var *var = ARENA_NEW(ctx->arena, struct template_var);

        if (var == NULL)
            return ERR_MEMORY;
        *var = (struct template_var){.name = "old-version",
                                     .text = arena_printf(ctx->arena, "%lld", (long long)version)};
        items[count++] = (struct template_vars){.vars = var, .count = 1};
    }
    *ret_var = (struct template_var){.name = "versions", .items = items, .item_count = count};
    return ERR_OK;
}

/* --- what is wrong with the text --- */

/* Of JSON the reader tells the line, of a schema the pointer does. 0: it is about no line. */
static unsigned line_of(const struct fields_page *page, const struct failure *failure)
{
    static const char word[] = "Line ";
    unsigned line = 0;

    if (page->code == ERR_SCHEMA && failure->field != NULL)
        return json_line(page->draft, failure->field);
    if (page->code != ERR_JSON || failure->detail == NULL ||
        strncmp(failure->detail, word, strlen(word)) != 0)
        return 0;
    for (const char *c = failure->detail + strlen(word); *c >= '0' && *c <= '9' && line < 100000;
         c++)
        line = line * 10 + (unsigned)(*c - '0');
    return line;
}

/* The lines around it, with their numbers. */
static const char *excerpt(struct ctx *ctx, const char *text, unsigned wrong)
{
    struct buf out;
    unsigned line = 1;

    buf_init(&out, ctx->arena, EXCERPT_MAX);
    for (const char *at = text; *at != '\0' && line <= wrong + AROUND; line++) {
        const size_t length = strcspn(at, "\n");
        size_t shown = length < LINE_SHOWN ? length : LINE_SHOWN;

        while (shown < length && ((unsigned char)at[shown] >> 6) == 2) /* within a character */
            shown--;
        if (line + AROUND >= wrong)
            buf_printf(&out, "%s%4u  %.*s%s\n", line == wrong ? ">" : " ", line, (int)shown, at,
                       shown < length ? "…" : "");
        at += length + (at[length] == '\n');
    }
    return buf_text(&out);
}

static const char *trial_words(struct ctx *ctx, const struct custom_trial *trial)
{
    if (trial == NULL || !trial->is_over)
        return NULL;
    return console_fields_verdict(ctx, trial->failing, trial->checked);
}

static const char *message_for(struct request *req, const struct fields_page *page)
{
    if (page->code == ERR_OK)
        return NULL;
    if (page->code == ERR_PRECONDITION)
        return "Another version was published meanwhile. Nothing was published: compare it with "
               "yours, then publish again.";
    if (page->code == ERR_SCHEMA_UNMET)
        return "Nothing was published: not all users fit this schema.";
    if (page->code == ERR_SCHEMA || page->code == ERR_JSON)
        return "Nothing was done: the schema below has a mistake.";
    return page->code == ERR_VALIDATION ? "Nothing was done. Please look at the marked field."
                                        : page_error_text(&req->ctx, page->code);
}

/* --- the form of one field --- */

static enum err make_inputs(struct request *req, const struct fields_page *page,
                            struct template_var *ret_var)
{
    const struct fields_form *field = &page->field;
    const struct input inputs[] = {
        {INPUT_TEXT, "name", "field-name", "Name", NULL, "As programs call it, such as department.",
         field->name, NULL, NULL, 200, false},
        {INPUT_TEXT, "title", "field-title", "Title", "optional", "As people read it.",
         field->title, NULL, NULL, 200, false},
        {INPUT_TEXT, "description", "field-description", "Description", "optional",
         "Stands below the input.", field->description, NULL, NULL, 1000, false},
        {INPUT_CHOICE, "kind", "field-kind", "Holds", NULL, NULL,
         field->kind != NULL ? field->kind : "text", NULL, console_field_kinds, 0, false},
        {INPUT_LINES, "values", "field-values", "Values to choose from", "one a line", NULL,
         field->values, NULL, NULL, 0, false},
        {INPUT_CHOICE, "index", "field-index", "Index for searching and sorting", NULL, NULL,
         field->index, NULL, console_field_indexes, 0, false},
        {INPUT_CHECK, "required", "field-required", "Every user must have it", NULL, NULL,
         field->required, NULL, NULL, 0, false},
        {INPUT_CHECK, "unique", "field-unique", "No two users may have the same", NULL, NULL,
         field->unique, NULL, NULL, 0, false},
        {INPUT_CHOICE, "read", "field-read", "Seen by", NULL, NULL, field->read, NULL,
         console_field_parties, 0, false},
        {INPUT_CHOICE, "write", "field-write", "Written by", NULL, NULL, field->write, NULL,
         console_field_parties, 0, false},
    };
    const bool is_refused = page->code == ERR_VALIDATION;

    return inputs_make(req,
                       &(struct input_form){"field-inputs", inputs,
                                            sizeof inputs / sizeof inputs[0], is_refused,
                                            page->code},
                       ret_var);
}

/* --- the page --- */

/* What is in force, for everybody who may look. */
static enum err add_in_force(struct request *req, const struct fields_page *view, struct page *page)
{
    struct ctx *ctx = &req->ctx;
    const struct shape *shape = NULL;
    struct template_var rows, versions;
    struct custom_schema stored = {0};
    struct list indexes = {0};
    const enum err found = custom_schema_find(ctx, &stored);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_OK)
        TRY(custom_schema_shape(ctx, &shape));
    TRY(make_rows(req, view, shape, &rows));
    TRY(make_versions(ctx, &versions));
    TRY(custom_index_list(ctx, shape, &indexes));

    const struct template_var vars[] = {
        rows,
        versions,
        {.name = "has-rows", .text = words_when(rows.item_count > 0)},
        {.name = "has-schema", .text = words_when(shape != NULL)},
        {.name = "version",
         .text = arena_printf(ctx->arena, "%lld", (long long)ctx->tenant->schema_version)},
        {.name = "published", .text = words_moment(ctx, stored.created_at)},
        {.name = "index-count", .text = words_count(ctx, (int64_t)indexes.count, "index")},
        {.name = "other-fields", .text = words_when(shape == NULL || !shape->closed)},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

static enum err add_editor(struct request *req, const struct fields_page *view, struct page *page)
{
    struct ctx *ctx = &req->ctx;
    const struct failure failure = ctx->failure;
    const unsigned line = line_of(view, &failure);
    const bool is_wrong = view->code == ERR_SCHEMA || view->code == ERR_JSON;
    struct custom_trial *trial = view->trial;
    const struct list failures = {.items = trial != NULL ? trial->sample : NULL,
                                  .count = trial != NULL ? trial->sample_count : 0};
    struct template_var sample, inputs;
    const char *token = NULL;

    TRY(make_inputs(req, view, &inputs));
    TRY(console_fields_sample(req, &failures, "sample", &sample));
    TRY(pages_session_token(req, USE, &token));

    const struct template_var vars[] = {
        inputs,
        sample,
        {.name = "form-token", .text = token},
        {.name = "draft", .text = view->draft},
        {.name = "done", .text = view->done},
        {.name = "wrong", .text = is_wrong ? page_error_text(ctx, view->code) : NULL},
        {.name = "wrong-line",
         .text = line > 0 && view->code == ERR_SCHEMA ? arena_printf(ctx->arena, "Line %u", line)
                                                      : NULL},
        {.name = "excerpt", .text = line > 0 ? excerpt(ctx, view->draft, line) : NULL},
        {.name = "trial", .text = trial_words(ctx, trial)},
        {.name = "trial-failed", .text = words_when(trial != NULL && trial->failing > 0)},
    };

    return pages_add_vars(req, page, vars, sizeof vars / sizeof vars[0]);
}

/* Without the notice that it came with. */
static enum err come_anew(struct request *req, struct response *res)
{
    const char *address = NULL, *refresh;

    TRY(console_address(req, "/fields", (const struct console_query[]){{NULL, NULL}}, &address));
    refresh = arena_printf(req->ctx.arena, "%s;url=%s", REFRESH_SECONDS, address);
    if (refresh == NULL)
        return ERR_MEMORY;
    response_header(res, "Refresh", refresh);
    return ERR_OK;
}

enum err console_fields_respond(struct request *req, struct response *res,
                                const struct fields_page *view)
{
    struct page page = {.template_name = "console-fields", .title = "User fields"};
    const char *message = message_for(req, view);
    bool is_publishing = false;

    TRY(add_editor(req, view, &page));
    TRY(add_in_force(req, view, &page));
    TRY(console_fields_progress(req, &page, &is_publishing));

    /* Nothing can be published now, and the page comes anew by itself: no place for edits. */
    const bool is_editable = view->me->role == ROLE_OWNER && (view->is_sent || !is_publishing);
    const struct template_var vars[] = {
        {.name = "is-editable", .text = words_when(is_editable)},
        {.name = "may-cancel", .text = words_when(view->me->role == ROLE_OWNER)},
        {.name = "is-readable", .text = words_when(!is_editable && !is_publishing)},
    };

    TRY(pages_add_vars(req, &page, vars, sizeof vars / sizeof vars[0]));
    if (is_publishing && !view->is_sent)
        TRY(come_anew(req, res));
    return console_respond(
        req, res,
        &(struct console_view){.user = view->me,
                               .here = "fields",
                               .message = message,
                               .status = view->code != ERR_OK ? error_info(view->code)->status : 0},
        &page);
}
