/* The template language: one pass over the text, sections and partials by recursion. */
#include "app/template.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 64

/* One template being rendered; partials have one of their own. */
struct render {
    struct ctx *ctx;
    struct buf *out;
    const char *name;
    const char *start; /* of the whole text, for line numbers */
    const char *end;
    unsigned depth;
};

struct tag {
    const char *begin; /* of what the tag replaces, with its line when it stands alone */
    const char *end;
    const char *open; /* of "{{", for line numbers */
    char kind;        /* # ^ / > & or 0 for a plain value */
    char name[NAME_MAX_LENGTH + 1];
};

static unsigned line_of(const struct render *render, const char *at)
{
    unsigned line = 1;

    for (const char *c = render->start; c < at; c++)
        line += *c == '\n';
    return line;
}

static enum err broken(const struct render *render, const char *at, const char *problem,
                       const char *name)
{
    return fail_internal(render->ctx, ERR_INTERNAL, "template %s.html:%u: %s%s%s%s", render->name,
                         line_of(render, at), problem, name[0] != '\0' ? " \"" : "", name,
                         name[0] != '\0' ? "\"" : "");
}

/* --- reading tags --- */

static const char *find_pair(const char *from, const char *end, char c)
{
    for (; from + 1 < end; from++) {
        if (from[0] == c && from[1] == c)
            return from;
    }
    return NULL;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static enum err read_name(const struct render *render, const char *from, const char *close,
                          struct tag *tag)
{
    size_t length = 0;

    while (from < close && *from == ' ')
        from++;
    while (close > from && close[-1] == ' ')
        close--;
    for (; from < close; from++) {
        if (!is_name_char(*from) || length == NAME_MAX_LENGTH) {
            tag->name[length] = '\0';
            return broken(render, tag->open, "bad name in a tag after", tag->name);
        }
        tag->name[length++] = *from;
    }
    tag->name[length] = '\0';
    return length > 0 ? ERR_OK : broken(render, tag->open, "a tag without a name", "");
}

/* A section or partial alone on its line takes the line's blanks and end with it. */
static void widen_alone(const struct render *render, struct tag *tag)
{
    const char *before = tag->open;
    const char *after = tag->end;

    while (before > render->start && before[-1] == ' ')
        before--;
    if (before > render->start && before[-1] != '\n')
        return;
    while (after < render->end && *after == ' ')
        after++;
    if (after < render->end && *after != '\n')
        return;
    tag->begin = before;
    tag->end = after < render->end ? after + 1 : after;
}

/* The next tag at or after from; *ret_found is false when there is none before end. */
static enum err next_tag(const struct render *render, const char *from, const char *end,
                         struct tag *ret_tag, bool *ret_found)
{
    const char *open = find_pair(from, end, '{');

    *ret_found = open != NULL;
    if (open == NULL)
        return ERR_OK;

    const char *close = find_pair(open + 2, end, '}');
    struct tag tag = {.begin = open, .open = open};

    if (close == NULL)
        return broken(render, open, "a tag is not closed with }}", "");
    tag.end = close + 2;

    const char *inside = open + 2;

    if (inside < close && strchr("#^/>&", *inside) != NULL)
        tag.kind = *inside++;
    TRY(read_name(render, inside, close, &tag));
    if (tag.kind != '\0' && tag.kind != '&')
        widen_alone(render, &tag);
    *ret_tag = tag;
    return ERR_OK;
}

/* The tag that closes the section opened by section. */
static enum err find_close(const struct render *render, const struct tag *section, const char *end,
                           struct tag *ret_close)
{
    const char *from = section->end;
    unsigned open = 1;

    for (;;) {
        struct tag tag;
        bool found = false;

        TRY(next_tag(render, from, end, &tag, &found));
        if (!found)
            return broken(render, section->open, "a section is not closed:", section->name);
        if (tag.kind == '#' || tag.kind == '^')
            open++;
        if (tag.kind == '/' && --open == 0) {
            *ret_close = tag;
            return strcmp(tag.name, section->name) == 0
                       ? ERR_OK
                       : broken(render, tag.open, "closes another section:", tag.name);
        }
        from = tag.end;
    }
}

/* --- rendering --- */

static enum err find_var(const struct render *render, const struct tag *tag,
                         const struct template_vars *scope, const struct template_var **ret_var)
{
    for (; scope != NULL; scope = scope->outer) {
        for (size_t i = 0; i < scope->count; i++) {
            if (strcmp(scope->vars[i].name, tag->name) == 0) {
                *ret_var = &scope->vars[i];
                return ERR_OK;
            }
        }
    }
    return broken(render, tag->open, "there is no value named", tag->name);
}

static enum err render_range(const struct render *render, const char *from, const char *end,
                             const struct template_vars *scope);
static enum err render_named(const struct render *outer, const char *name,
                             const struct template_vars *scope);

static enum err render_section(const struct render *outer, const struct tag *tag,
                               const char *body_end, const struct template_vars *scope)
{
    struct render render = *outer;
    const struct template_var *var = NULL;

    if (++render.depth > TEMPLATE_MAX_DEPTH)
        return broken(outer, tag->open, "too many sections within each other at", tag->name);
    TRY(find_var(outer, tag, scope, &var));

    const bool is_set =
        var->items != NULL ? var->item_count > 0 : var->text != NULL && var->text[0] != '\0';

    if (tag->kind == '^')
        return is_set ? ERR_OK : render_range(&render, tag->end, body_end, scope);
    if (!is_set)
        return ERR_OK;
    if (var->items == NULL)
        return render_range(&render, tag->end, body_end, scope);
    for (size_t i = 0; i < var->item_count; i++) {
        const struct template_vars item = {
            .vars = var->items[i].vars, .count = var->items[i].count, .outer = scope};

        TRY(render_range(&render, tag->end, body_end, &item));
    }
    return ERR_OK;
}

static enum err render_value(const struct render *render, const struct tag *tag,
                             const struct template_vars *scope)
{
    const struct template_var *var = NULL;

    TRY(find_var(render, tag, scope, &var));
    if (tag->kind == '&' && !var->raw)
        return broken(render, tag->open, "may not be inserted raw:", tag->name);
    if (var->items != NULL)
        return broken(render, tag->open, "is a list, not a text:", tag->name);
    if (var->text == NULL)
        return ERR_OK;
    if (tag->kind == '&')
        buf_puts(render->out, var->text);
    else
        buf_html(render->out, var->text);
    return ERR_OK;
}

static enum err render_tag(const struct render *render, const struct tag *tag, const char *end,
                           const struct template_vars *scope, const char **ret_next)
{
    struct tag close = {0};

    *ret_next = tag->end;
    switch (tag->kind) {
    case '#':
    case '^':
        TRY(find_close(render, tag, end, &close));
        *ret_next = close.end;
        return render_section(render, tag, close.begin, scope);
    case '/':
        return broken(render, tag->open, "closes a section that is not open:", tag->name);
    case '>':
        return render_named(render, tag->name, scope);
    default:
        return render_value(render, tag, scope);
    }
}

static enum err render_range(const struct render *render, const char *from, const char *end,
                             const struct template_vars *scope)
{
    while (from < end) {
        struct tag tag;
        bool found = false;

        TRY(next_tag(render, from, end, &tag, &found));
        /* The line of a tag alone may begin before from when two such tags touch. */
        const char *text_end = found ? tag.begin : end;

        if (text_end > from)
            buf_add(render->out, from, (size_t)(text_end - from));
        if (found)
            TRY(render_tag(render, &tag, end, scope, &from));
        else
            from = end;
        if (!buf_ok(render->out))
            return fail_internal(render->ctx, ERR_MEMORY, "template %s.html: the page is too large",
                                 render->name);
    }
    return ERR_OK;
}

static enum err render_named(const struct render *outer, const char *name,
                             const struct template_vars *scope)
{
    struct render render = *outer;
    struct template_file file;
    char path[NAME_MAX_LENGTH + sizeof ".html"];

    if (++render.depth > TEMPLATE_MAX_DEPTH)
        return fail_internal(render.ctx, ERR_INTERNAL,
                             "template %s.html: too many partials within each other", name);
    (void)snprintf(path, sizeof path, "%s.html", name);

    const enum err found = template_file(render.ctx, path, &file);

    if (found == ERR_NOT_FOUND)
        return fail_internal(render.ctx, ERR_INTERNAL, "there is no template %s", path);
    TRY(found);
    render.name = name;
    render.start = (const char *)file.content.data;
    render.end = render.start + file.content.size;
    return render_range(&render, render.start, render.end, scope);
}

enum err template_render(struct ctx *ctx, const char *name, const struct template_vars *vars,
                         struct buf *out)
{
    const struct render none = {.ctx = ctx, .out = out};

    return render_named(&none, name, vars);
}

enum err template_render_text(struct ctx *ctx, const char *name, const struct bytes *text,
                              const struct template_vars *vars, struct buf *out)
{
    const char *start = text->size > 0 ? (const char *)text->data : "";
    const struct render render = {
        .ctx = ctx, .out = out, .name = name, .start = start, .end = start + text->size};

    return render_range(&render, render.start, render.end, vars);
}
