/* Strict JSON in, by jansson: the text is measured first, then parsed into the arena. */
#include "app/json.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * While a text is read here, jansson's memory is the arena's: its tree goes with the request, wiped
 * like everything there, and nothing is freed one by one. jansson 2.14 looks away when memory is
 * out in its scanner (a token gets shorter, or an assertion ends the process), so that moment
 * leaves jansson at once; it holds nothing else then.
 */
struct reading {
    struct arena *arena;
    jmp_buf out_of_memory;
};

static _Thread_local struct reading *reading; /* NULL: libjwt uses jansson too */

static void *take(size_t size)
{
    if (reading == NULL)
        return malloc(size);

    void *block = arena_alloc(reading->arena, size);

    if (block == NULL)
        longjmp(reading->out_of_memory, 1);
    return block;
}

/* Not without wiping: texts carry passwords. */
static void give_back(void *block)
{
    if (reading != NULL)
        return;
    if (block != NULL)
        explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

static void install_memory(void)
{
    json_set_alloc_funcs(take, give_back);
}

/* What a text would cost, counted without recursion and without judging its syntax. */
struct measure {
    size_t depth, deepest;
    size_t members;
    unsigned line;
    size_t column;
};

/* Past the string that begins after its quote. */
static size_t skip_string(const char *text, size_t length, size_t at, struct measure *m)
{
    while (at < length && text[at] != '"') {
        if (text[at] == '\\') {
            at++;
            m->column++;
        }
        at++;
        m->column++;
    }
    m->column++;
    return at + 1;
}

static void count_character(char c, struct measure *m)
{
    m->column++;
    if (c == '{' || c == '[')
        m->deepest = ++m->depth > m->deepest ? m->depth : m->deepest;
    else if ((c == '}' || c == ']') && m->depth > 0)
        m->depth--;
    else if (c == ':')
        m->members++;
    else if (c == '\n') {
        m->line++;
        m->column = 0;
    }
}

/* jansson recurses by the text's nesting, so its depth must be known before it reads. */
static enum err check_cost(struct ctx *ctx, const char *text, size_t length)
{
    struct measure m = {.line = 1};

    for (size_t at = 0; at < length;) {
        char c = text[at++];

        count_character(c, &m);
        if (c == '"')
            at = skip_string(text, length, at, &m);
        if (m.deepest > JSON_MAX_DEPTH)
            return fail(ctx, ERR_JSON, NULL,
                        "Line %u, column %zu: objects and arrays may be nested %d deep at most",
                        m.line, m.column, JSON_MAX_DEPTH);
        if (m.members > JSON_MAX_MEMBERS)
            return fail(ctx, ERR_JSON, NULL,
                        "Line %u, column %zu: the body may have %d members in all at most", m.line,
                        m.column, JSON_MAX_MEMBERS);
    }
    return ERR_OK;
}

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for the parsed JSON");
}

/* jansson's sentence without the piece of the body that it quotes: that may be a secret. */
static enum err fail_syntax(struct ctx *ctx, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    const char *near = strstr(error->text, " near '");
    int shown = near != NULL ? (int)(near - error->text) : (int)strlen(error->text);

    if (code == json_error_numeric_overflow)
        return fail(ctx, ERR_JSON, NULL,
                    "Line %d, column %d: the number is out of range; integers must fit 64 bits "
                    "(-9223372036854775808 to 9223372036854775807), others a double",
                    error->line, error->column);
    if (code == json_error_duplicate_key)
        return fail(ctx, ERR_JSON, NULL,
                    "Line %d, column %d: the same member name stands twice in one object",
                    error->line, error->column);
    if (code == json_error_null_character)
        return fail(ctx, ERR_JSON, NULL, "Line %d, column %d: the character U+0000 is not allowed",
                    error->line, error->column);
    if (code == json_error_end_of_input_expected)
        return fail(ctx, ERR_JSON, NULL,
                    "Line %d, column %d: there is more text after the end of the JSON object",
                    error->line, error->column);
    return fail(ctx, ERR_JSON, NULL, "Line %d, column %d: %.*s", error->line, error->column, shown,
                error->text);
}

static enum err convert(struct ctx *ctx, json_t *json, struct value *ret_value);

static enum err convert_array(struct ctx *ctx, json_t *json, struct value *ret_value)
{
    size_t count = json_array_size(json);
    struct value *items = arena_array(ctx->arena, count, sizeof *items);

    if (items == NULL)
        return no_memory(ctx);
    for (size_t i = 0; i < count; i++)
        TRY(convert(ctx, json_array_get(json, i), &items[i]));
    ret_value->type = VALUE_ARRAY;
    ret_value->array.items = items;
    ret_value->array.count = count;
    return ERR_OK;
}

static enum err convert_object(struct ctx *ctx, json_t *json, struct value *ret_value)
{
    size_t count = json_object_size(json);
    struct member *members = arena_array(ctx->arena, count, sizeof *members);
    size_t i = 0;
    const char *name;
    json_t *item;

    if (members == NULL)
        return no_memory(ctx);
    json_object_foreach(json, name, item)
    {
        members[i].name = name;
        TRY(convert(ctx, item, &members[i].value));
        i++;
    }
    ret_value->type = VALUE_OBJECT;
    ret_value->object.members = members;
    ret_value->object.count = count;
    return ERR_OK;
}

static enum err convert(struct ctx *ctx, json_t *json, struct value *ret_value)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return convert_object(ctx, json, ret_value);
    case JSON_ARRAY:
        return convert_array(ctx, json, ret_value);
    case JSON_STRING:
        ret_value->type = VALUE_STRING;
        ret_value->string.text = json_string_value(json);
        ret_value->string.length = json_string_length(json);
        return ERR_OK;
    case JSON_INTEGER:
        ret_value->type = VALUE_INT;
        ret_value->integer = json_integer_value(json);
        return ERR_OK;
    case JSON_REAL:
        ret_value->type = VALUE_REAL;
        ret_value->real = json_real_value(json);
        return ERR_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        ret_value->type = VALUE_BOOL;
        ret_value->boolean = json_is_true(json);
        return ERR_OK;
    case JSON_NULL:
        ret_value->type = VALUE_NULL;
        return ERR_OK;
    }
    return fail_internal(ctx, ERR_INTERNAL, "JSON value of an unknown type");
}

static bool is_blank(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
        at++;
    return at == length;
}

/* *ret_json lives in the arena; NULL: the text is no JSON. */
static enum err load(struct ctx *ctx, const char *text, size_t length, json_t **ret_json,
                     json_error_t *ret_error)
{
    struct reading here = {.arena = ctx->arena};

    if (setjmp(here.out_of_memory) != 0) {
        reading = NULL;
        return no_memory(ctx);
    }
    reading = &here;
    *ret_json = json_loadb(text, length, JSON_REJECT_DUPLICATES, ret_error);
    reading = NULL;
    return ERR_OK;
}

enum err json_parse(struct ctx *ctx, const char *text, size_t length, struct value *ret_value)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t error;
    json_t *json = NULL;

    if (pthread_once(&once, install_memory) != 0)
        return fail_internal(ctx, ERR_INTERNAL, "pthread_once failed");
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return fail(ctx, ERR_JSON, NULL, "The body begins with a byte order mark; send it without");
    if (is_blank(text, length))
        return fail(ctx, ERR_JSON, NULL, "The body is empty; it must be a JSON object");
    TRY(check_cost(ctx, text, length));

    TRY(load(ctx, text, length, &json, &error));
    if (json == NULL)
        return fail_syntax(ctx, &error);
    if (!json_is_object(json))
        return fail(ctx, ERR_JSON, NULL, "The body must be a JSON object, not an array");
    *ret_value = (struct value){0};
    return convert(ctx, json, ret_value);
}
