/* Patterns by PCRE2, with all of its memory in arenas. */
#include "app/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "app/arena.h"

/* About a millisecond; what people mean by a pattern stays below a hundredth of it. */
#define STEP_BUDGET   50000
#define MATCH_LIMIT   200000
#define DEPTH_LIMIT   2000
#define HEAP_LIMIT    512 /* KiB */
#define NESTING_LIMIT 20
#define PROBLEM_BYTES 120

struct pattern {
    const pcre2_code *code;
};

struct matcher {
    struct ctx *ctx;
    pcre2_match_data *data;
    pcre2_match_context *context;
    int64_t steps;
    size_t position;
};

/* ---- memory ---- */

static void *take(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void give(void *memory, void *arena)
{
    (void)memory;
    (void)arena;
}

static enum err no_memory(struct ctx *ctx)
{
    return fail_internal(ctx, ERR_MEMORY, "no memory for a pattern");
}

/* ---- what is allowed ---- */

/* After a backslash anywhere: what would hide a bracket behind it from check_syntax. */
static const char *check_hiding(const char *at)
{
    const bool is_letter = (at[1] >= 'A' && at[1] <= 'Z') || (at[1] >= 'a' && at[1] <= 'z');

    return *at == 'Q' || *at == 'E' || (*at == 'c' && !is_letter)
               ? "has an escape that is not allowed"
               : NULL;
}

/* After a backslash outside of a class: references to what a group matched need exponential time
 * in general, and \C would split characters. */
static const char *check_escape(const char *at)
{
    if ((*at >= '1' && *at <= '9') || *at == 'k' || *at == 'g')
        return "must not refer back to a group";
    if (*at == 'C' || *at == 'K')
        return "has an escape that is not allowed";
    return NULL;
}

static const char *check_group(const char *at)
{
    if (*at == '*')
        return "must not begin a group with (*";
    if (*at == '?' && at[1] != ':' && at[1] != '=' && at[1] != '!')
        return "may have only the groups (…), (?:…), (?=…) and (?!…)";
    return NULL;
}

static const char *check_repeat(const char *at)
{
    while ((*at >= '0' && *at <= '9') || *at == ',') {
        char *end = NULL;

        if (*at == ',') {
            at++;
            continue;
        }
        if (strtoull(at, &end, 10) > PATTERN_MAX_REPEAT)
            return "may repeat at most 1000 times in {n,m}";
        at = end;
    }
    return NULL;
}

static const char *check_syntax(const char *text)
{
    bool in_class = false;
    const char *problem = NULL;

    if (strlen(text) > PATTERN_MAX_BYTES)
        return "may have at most 256 bytes";
    for (const char *at = text; *at != '\0' && problem == NULL; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
            problem = check_hiding(at);
            if (problem == NULL && !in_class)
                problem = check_escape(at);
        } else if (in_class) {
            in_class = *at != ']';
        } else if (*at == '[') {
            in_class = true;
        } else if (*at == '(') {
            problem = check_group(at + 1);
        } else if (*at == '{') {
            problem = check_repeat(at + 1);
        }
    }
    return problem;
}

/* ---- compiling ---- */

static enum err compile(struct ctx *ctx, const char *text, pcre2_code **ret_code,
                        const char **ret_problem)
{
    /* As ECMA 262 reads them: $ is the very end, [] nothing, \u00e9 a character. */
    const uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_ALLOW_EMPTY_CLASS | PCRE2_ALT_BSUX | PCRE2_AUTO_CALLOUT |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    pcre2_general_context *memory = pcre2_general_context_create(take, give, ctx->arena);
    pcre2_compile_context *context = memory != NULL ? pcre2_compile_context_create(memory) : NULL;
    PCRE2_UCHAR message[PROBLEM_BYTES];
    PCRE2_SIZE offset = 0;
    int error = 0;

    if (context == NULL)
        return no_memory(ctx);
    pcre2_set_parens_nest_limit(context, NESTING_LIMIT);
    *ret_code = pcre2_compile((PCRE2_SPTR)text, strlen(text), options, &error, &offset, context);
    if (*ret_code != NULL)
        return ERR_OK;
    /* "failed to allocate heap memory" */
    if (error == 121 || ctx->arena->ran_out)
        return no_memory(ctx);
    pcre2_get_error_message(error, message, sizeof message);
    *ret_problem = arena_printf(ctx->arena, "is not a valid pattern at character %zu: %s",
                                (size_t)offset, (const char *)message);
    return *ret_problem != NULL ? ERR_OK : no_memory(ctx);
}

enum err pattern_compile(struct ctx *ctx, const char *text, struct pattern **ret_pattern,
                         const char **ret_problem)
{
    pcre2_code *code = NULL;

    *ret_pattern = NULL;
    *ret_problem = check_syntax(text);
    if (*ret_problem != NULL)
        return ERR_OK;
    TRY(compile(ctx, text, &code, ret_problem));
    if (code == NULL)
        return ERR_OK;
    *ret_pattern = ARENA_NEW(ctx->arena, struct pattern);
    if (*ret_pattern == NULL)
        return no_memory(ctx);
    (*ret_pattern)->code = code;
    return ERR_OK;
}

/* ---- matching ---- */

/* Called before each item of the pattern: PCRE2's own limit begins anew at every character of the
 * text, and does not see how far one item looks. */
static int count_step(pcre2_callout_block *block, void *arg)
{
    struct matcher *matcher = arg;
    const size_t at = block->current_position;
    const size_t moved = at > matcher->position ? at - matcher->position : matcher->position - at;

    matcher->position = at;
    matcher->steps += 1 + (int64_t)(moved / 16);
    return matcher->steps > STEP_BUDGET ? PCRE2_ERROR_MATCHLIMIT : 0;
}

enum err matcher_new(struct ctx *ctx, struct matcher **ret_matcher)
{
    struct matcher *matcher = ARENA_NEW(ctx->arena, struct matcher);
    pcre2_general_context *memory = pcre2_general_context_create(take, give, ctx->arena);

    if (matcher == NULL || memory == NULL)
        return no_memory(ctx);
    matcher->ctx = ctx;
    matcher->data = pcre2_match_data_create(1, memory);
    matcher->context = pcre2_match_context_create(memory);
    if (matcher->data == NULL || matcher->context == NULL)
        return no_memory(ctx);
    pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
    pcre2_set_depth_limit(matcher->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(matcher->context, HEAP_LIMIT);
    pcre2_set_callout(matcher->context, count_step, matcher);
    *ret_matcher = matcher;
    return ERR_OK;
}

enum err pattern_match(struct matcher *matcher, const struct pattern *pattern, const char *text,
                       size_t length, enum match *ret_match)
{
    int found;

    *ret_match = MATCH_TOO_LONG;
    if (length > PATTERN_MAX_SUBJECT)
        return ERR_OK;
    matcher->steps = 0;
    matcher->position = 0;
    found = pcre2_match(pattern->code, (PCRE2_SPTR)text, length, 0, PCRE2_NO_UTF_CHECK,
                        matcher->data, matcher->context);
    if (found == PCRE2_ERROR_NOMEMORY)
        return no_memory(matcher->ctx);
    if (found >= 0)
        *ret_match = MATCH_YES;
    else
        *ret_match = found == PCRE2_ERROR_NOMATCH ? MATCH_NO : MATCH_TOO_COSTLY;
    return ERR_OK;
}
