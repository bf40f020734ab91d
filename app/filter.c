/* From the text of a filter to its tree: words, then recursive descent. */
#include "app/filter.h"

#include <string.h>
#include <strings.h>

#include "app/json.h"
#include "app/text.h"

#define SHOWN_BYTES 40

enum token_kind { TOKEN_END = 1, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_WORD, TOKEN_STRING, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    const char *start;
    size_t length; /* bytes */
    size_t place;  /* characters */
};

struct parser {
    struct ctx *ctx;
    const char *at;
    size_t place; /* of at */
    struct token token;
    size_t depth, comparisons;
};

/* ---- errors ---- */

enum err filter_refuse(struct ctx *ctx, size_t place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *sentence = arena_vprintf(ctx->arena, format, args);
    va_end(args);
    if (sentence == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a filter");
    return fail(ctx, ERR_FILTER, "filter", "At character %zu: %s", place, sentence);
}

static enum err no_memory(struct parser *parser)
{
    return fail_internal(parser->ctx, ERR_MEMORY, "no memory for a filter");
}

/* What stands there, for people: a long word is cut between two characters. */
static const char *shown(struct parser *parser, const struct token *token)
{
    size_t length = token->length < SHOWN_BYTES ? token->length : SHOWN_BYTES;

    if (token->kind == TOKEN_END)
        return "the filter ends";
    while (length > 0 && length < token->length && ((unsigned char)token->start[length] >> 6) == 2)
        length--;

    const char *text = arena_printf(parser->ctx->arena, "%.*s%s", (int)length, token->start,
                                    length < token->length ? "…" : "");

    return text != NULL ? text : "this";
}

/* "the filter ends where …" reads well too. */
static enum err refuse_token(struct parser *parser, const char *allowed)
{
    const struct token *token = &parser->token;

    return filter_refuse(parser->ctx, token->place, "%s, where %s is expected.",
                         shown(parser, token), allowed);
}

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Anything but what the language itself uses, so that a refusal names the whole of a wrong word. */
static bool is_word(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && strchr("()[]{}\"'`,\\", c) == NULL;
}

/* The quotes included; to the end of the text when the last one is missing. */
static size_t string_length(const char *text)
{
    size_t length = 1;

    while (text[length] != '\0' && text[length] != '"')
        length += text[length] == '\\' && text[length + 1] != '\0' ? 2 : 1;
    return text[length] == '"' ? length + 1 : length;
}

static void advance(struct parser *parser, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        parser->place += ((unsigned char)parser->at[i] >> 6) != 2;
    parser->at += bytes;
}

/* A character that begins no token, whole. */
static size_t other_length(const char *text)
{
    size_t length = 1;

    while (((unsigned char)text[length] >> 6) == 2)
        length++;
    return length;
}

static void next_token(struct parser *parser)
{
    struct token *token = &parser->token;

    while (is_blank(*parser->at))
        advance(parser, 1);
    *token = (struct token){.start = parser->at, .place = parser->place, .length = 1};
    switch (*parser->at) {
    case '\0':
        token->kind = TOKEN_END;
        token->length = 0;
        break;
    case '(':
        token->kind = TOKEN_OPEN;
        break;
    case ')':
        token->kind = TOKEN_CLOSE;
        break;
    case '"':
        token->kind = TOKEN_STRING;
        token->length = string_length(parser->at);
        break;
    default:
        token->kind = is_word(*parser->at) ? TOKEN_WORD : TOKEN_OTHER;
        token->length = other_length(parser->at);
        while (token->kind == TOKEN_WORD && is_word(parser->at[token->length]))
            token->length++;
        break;
    }
    advance(parser, token->length);
}

static bool token_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->length == strlen(word) &&
           strncasecmp(token->start, word, token->length) == 0;
}

/* ---- one comparison ---- */

#define OPERATORS "eq, ne, co, sw, ew, gt, ge, lt, le or pr"

static const char *const operator_names[] = {NULL, "eq", "ne", "co", "sw", "ew",
                                             "gt", "ge", "lt", "le", "pr"};

const char *filter_operator_name(enum filter_operator op)
{
    return operator_names[op];
}

static enum err read_operator(struct parser *parser, struct filter *comparison)
{
    comparison->op_place = parser->token.place;
    for (int i = FILTER_EQ; i <= FILTER_PR; i++) {
        if (token_is(&parser->token, operator_names[i])) {
            comparison->op = (enum filter_operator)i;
            next_token(parser);
            return ERR_OK;
        }
    }
    if (parser->token.kind == TOKEN_OTHER && *parser->token.start == '[')
        return filter_refuse(parser->ctx, parser->token.place,
                             "paths in brackets are not taken; name the member with a dot.");
    return refuse_token(parser, "an operator (" OPERATORS ")");
}

/* jansson judges the literal, within an object of its own: escapes, UTF-8, the range of numbers. */
static enum err read_literal(struct parser *parser, struct value *ret_value)
{
    const struct token *token = &parser->token;
    const char *text =
        arena_printf(parser->ctx->arena, "{\"v\":%.*s}", (int)token->length, token->start);
    struct value object;

    if (text == NULL)
        return no_memory(parser);

    const enum err parsed = json_parse(parser->ctx, text, strlen(text), &object);

    if (parsed != ERR_JSON) {
        TRY(parsed);
        *ret_value = *value_get(&object, "v");
        return ERR_OK;
    }
    fail_clear(parser->ctx);
    if (token->kind == TOKEN_STRING)
        return filter_refuse(parser->ctx, token->place,
                             "%s is no JSON string: it ends with a quotation mark, and in it only "
                             "\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX (not \\u0000) follow a "
                             "backslash.",
                             shown(parser, token));
    if (strchr("-+.0123456789", *token->start) != NULL)
        return filter_refuse(parser->ctx, token->place,
                             "%s is no number that is taken: integers have 64 bits, others are "
                             "written as in JSON.",
                             shown(parser, token));
    return filter_refuse(parser->ctx, token->place,
                         "%s is no value: a text stands in quotation marks (\"…\"); else a number, "
                         "true, false or null.",
                         shown(parser, token));
}

static enum err read_value(struct parser *parser, struct filter *comparison)
{
    comparison->value_place = parser->token.place;
    if (parser->token.kind != TOKEN_STRING && parser->token.kind != TOKEN_WORD)
        return refuse_token(parser, "a value (\"text\", a number, true, false or null)");
    TRY(read_literal(parser, &comparison->value));
    next_token(parser);
    return ERR_OK;
}

static enum err parse_comparison(struct parser *parser, struct filter *ret_filter)
{
    const struct token *token = &parser->token;

    if (token->kind != TOKEN_WORD)
        return refuse_token(parser, "a field, \"not\" or \"(\"");
    if (++parser->comparisons > FILTER_MAX_COMPARISONS)
        return filter_refuse(parser->ctx, token->place, "a filter has at most %d comparisons.",
                             FILTER_MAX_COMPARISONS);
    ret_filter->kind = FILTER_COMPARISON;
    ret_filter->place = token->place;
    ret_filter->path = arena_strndup(parser->ctx->arena, token->start, token->length);
    if (ret_filter->path == NULL)
        return no_memory(parser);
    next_token(parser);
    TRY(read_operator(parser, ret_filter));
    return ret_filter->op == FILTER_PR ? ERR_OK : read_value(parser, ret_filter);
}

/* ---- what joins them ---- */

static enum err parse_or(struct parser *parser, const struct filter **ret_filter);

static enum err parse_group(struct parser *parser, const struct filter **ret_filter)
{
    const size_t place = parser->token.place;

    if (++parser->depth > FILTER_MAX_DEPTH)
        return filter_refuse(parser->ctx, place, "parentheses are nested %d deep at most.",
                             FILTER_MAX_DEPTH);
    next_token(parser);
    TRY(parse_or(parser, ret_filter));
    if (parser->token.kind != TOKEN_CLOSE)
        return refuse_token(
            parser,
            arena_printf(parser->ctx->arena,
                         "\"and\", \"or\" or the \")\" that belongs to character %zu", place));
    parser->depth--;
    next_token(parser);
    return ERR_OK;
}

static enum err parse_term(struct parser *parser, const struct filter **ret_filter)
{
    struct filter *term = NULL;

    if (parser->token.kind == TOKEN_OPEN)
        return parse_group(parser, ret_filter);
    term = ARENA_NEW(parser->ctx->arena, struct filter);
    if (term == NULL)
        return no_memory(parser);
    *ret_filter = term;
    if (!token_is(&parser->token, "not"))
        return parse_comparison(parser, term);
    term->kind = FILTER_NOT;
    term->place = parser->token.place;
    next_token(parser);
    if (parser->token.kind != TOKEN_OPEN)
        return refuse_token(parser, "\"(\" after \"not\"");
    return parse_group(parser, &term->parts);
}

typedef enum err (*parse_fn)(struct parser *parser, const struct filter **ret_filter);

struct level {
    enum filter_kind kind;
    const char *word;
    parse_fn part;
};

/* One part, or several with the word between them. A part is copied: it may stand in a tree of its
 * own already, whose next is another's. */
static enum err parse_level(struct parser *parser, const struct level *level,
                            const struct filter **ret_filter)
{
    struct filter *whole = NULL, *last = NULL;

    TRY(level->part(parser, ret_filter));
    while (token_is(&parser->token, level->word)) {
        const struct filter *part = NULL;

        if (whole == NULL) {
            whole = ARENA_NEW(parser->ctx->arena, struct filter);
            last = arena_memdup(parser->ctx->arena, *ret_filter, sizeof **ret_filter);
            if (whole == NULL || last == NULL)
                return no_memory(parser);
            *whole =
                (struct filter){.kind = level->kind, .parts = last, .place = (*ret_filter)->place};
        }
        next_token(parser);
        TRY(level->part(parser, &part));

        struct filter *copy = arena_memdup(parser->ctx->arena, part, sizeof *part);

        if (copy == NULL)
            return no_memory(parser);
        last->next = copy;
        last = copy;
    }
    if (whole != NULL)
        *ret_filter = whole;
    return ERR_OK;
}

static enum err parse_and(struct parser *parser, const struct filter **ret_filter)
{
    static const struct level level = {FILTER_AND, "and", parse_term};

    return parse_level(parser, &level, ret_filter);
}

static enum err parse_or(struct parser *parser, const struct filter **ret_filter)
{
    static const struct level level = {FILTER_OR, "or", parse_and};

    return parse_level(parser, &level, ret_filter);
}

enum err filter_parse(struct ctx *ctx, const char *text, const struct filter **ret_filter)
{
    struct parser parser = {.ctx = ctx, .at = text, .place = 1};
    const size_t length = strlen(text);

    if (length > FILTER_MAX_BYTES)
        return fail(ctx, ERR_FILTER, "filter",
                    "The filter has %zu bytes; at most %d are taken. Split it, or ask by a field "
                    "that says the same in one comparison.",
                    length, FILTER_MAX_BYTES);
    if (!text_is_utf8(text, length))
        return fail(ctx, ERR_FILTER, "filter", "The filter must be UTF-8.");
    next_token(&parser);
    TRY(parse_or(&parser, ret_filter));
    if (parser.token.kind != TOKEN_END)
        return refuse_token(&parser, "\"and\", \"or\" or the end of the filter");
    return ERR_OK;
}
