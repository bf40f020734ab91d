/*
 * The language of filters: trees as RFC 7644 orders them, bounds, and refusals that say where, what
 * was seen and what could stand there (R003-05).
 */
#include "support/unit.h"

#include "app/buf.h"
#include "app/filter.h"

static void write_value(const struct value *value, struct buf *out)
{
    switch (value->type) {
    case VALUE_NULL:
        buf_puts(out, "null");
        break;
    case VALUE_BOOL:
        buf_puts(out, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        buf_int(out, value->integer);
        break;
    case VALUE_REAL:
        buf_printf(out, "%g", value->real);
        break;
    case VALUE_STRING:
        buf_printf(out, "'%s'", value->string.text);
        break;
    case VALUE_UNSET:
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        fail_msg("a value of type %d", (int)value->type);
    }
}

static void write(const struct filter *filter, struct buf *out)
{
    static const char *const words[] = {NULL, NULL, "and", "or", "not"};

    buf_putc(out, '(');
    if (filter->kind == FILTER_COMPARISON) {
        buf_printf(out, "%s %s", filter->path, filter_operator_name(filter->op));
        if (filter->op != FILTER_PR) {
            buf_putc(out, ' ');
            write_value(&filter->value, out);
        }
    } else {
        buf_puts(out, words[filter->kind]);
    }
    for (const struct filter *part = filter->parts; part != NULL; part = part->next)
        write(part, out);
    buf_putc(out, ')');
}

static void becomes(struct work *work, const char *text, const char *tree)
{
    const struct filter *filter = NULL;
    struct buf out;

    assert_int_equal(filter_parse(&work->ctx, text, &filter), ERR_OK);
    buf_init(&out, &work->arena, 4096);
    write(filter, &out);
    assert_string_equal(buf_text(&out), tree);
}

static void test_trees(void **state)
{
    static const struct {
        const char *text, *tree;
    } cases[] = {
        {"name eq \"x\"", "(name eq 'x')"},
        {"  name\tEQ  \"x\"\n", "(name eq 'x')"},
        {"a pr", "(a pr)"},
        {"a Pr aNd b pR", "(and(a pr)(b pr))"},
        {"a pr or b pr and c pr", "(or(a pr)(and(b pr)(c pr)))"},
        {"a pr and b pr or c pr", "(or(and(a pr)(b pr))(c pr))"},
        {"(a pr or b pr) and c pr", "(and(or(a pr)(b pr))(c pr))"},
        {"a pr and b pr and c pr", "(and(a pr)(b pr)(c pr))"},
        {"a pr and (b pr and c pr)", "(and(a pr)(and(b pr)(c pr)))"},
        {"not (a pr)", "(not(a pr))"},
        {"NOT(a pr or b pr) and c pr", "(and(not(or(a pr)(b pr)))(c pr))"},
        {"((((a pr))))", "(a pr)"},
        {"(a pr) or (a pr)", "(or(a pr)(a pr))"},
        {"custom_fields.a.b co \"and or not ( ) \\\" \\u00e9\"",
         "(custom_fields.a.b co 'and or not ( ) \" é')"},
        {"custom_fields.größe ge -1.5e3", "(custom_fields.größe ge -1500)"},
        {"a eq 9223372036854775807", "(a eq 9223372036854775807)"},
        {"a eq true or a ne false or a eq null", "(or(a eq true)(a ne false)(a eq null))"},
        {"and eq 1", "(and eq 1)"},
        {"not.x eq 1", "(not.x eq 1)"},
        {"a eq\"x\"", "(a eq 'x')"},
        {"a sw \"\"", "(a sw '')"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        becomes(*state, cases[i].text, cases[i].tree);
}

static void refuses(struct work *work, const char *text, const char *place, const char *words)
{
    const struct filter *filter = NULL;

    fail_clear(&work->ctx);
    assert_int_equal(filter_parse(&work->ctx, text, &filter), ERR_FILTER);
    assert_string_equal(work->ctx.failure.field, "filter");
    if (strstr(work->ctx.failure.detail, place) == NULL ||
        strstr(work->ctx.failure.detail, words) == NULL)
        fail_msg("%s: %s", text, work->ctx.failure.detail);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *place, *words;
    } cases[] = {
        {"", "At character 1: the filter ends, where a field", "\"not\" or \"(\""},
        {"   ", "At character 4:", "a field"},
        {"name", "At character 5: the filter ends", "eq, ne, co"},
        {"name is \"x\"", "At character 6: is, where an operator", "le or pr"},
        {"name eq", "At character 8: the filter ends", "a value"},
        {"name eq x", "At character 9: x is no value", "quotation marks"},
        {"größe eq True", "At character 10: True is no value", "true, false or null"},
        {"name eq 'x'", "At character 9: '", "a value"},
        {"name eq \"x", "At character 9: \"x is no JSON string", "ends with a quotation mark"},
        {"name eq \"\\u0000\"", "At character 9:", "not \\u0000"},
        {"name eq \"\\x\"", "At character 9:", "is no JSON string"},
        {"name eq 99999999999999999999", "At character 9:", "64 bits"},
        {"name eq 1e999", "At character 9:", "is no number"},
        {"name eq 01", "At character 9:", "is no number"},
        {"name eq 1:2", "At character 9:", "is no number"},
        {"name eq (1)", "At character 9: (, where a value", ""},
        {"name eq \"x\" name pr", "At character 13: name", "the end of the filter"},
        {"name pr)", "At character 8: )", "\"and\", \"or\" or the end"},
        {"(name pr", "At character 9: the filter ends", "belongs to character 1"},
        {"name pr and", "At character 12: the filter ends", "a field"},
        {"not name pr", "At character 5: name", "\"(\" after \"not\""},
        {"emails[type eq \"w\"] pr", "At character 7:", "brackets"},
        {"{\"$gt\": 1}", "At character 1: {", "a field"},
        {"name eq {\"$gt\": 1}", "At character 9: {", "a value"},
        {"name pr; x", "At character 6: pr;", "an operator"},
        {"name eq \"\xff\"", "", "UTF-8"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refuses(*state, cases[i].text, cases[i].place, cases[i].words);
}

/* count times the word, then the end. */
static const char *repeat(struct work *work, const char *word, size_t count, const char *end)
{
    struct buf out;

    buf_init(&out, &work->arena, (size_t)1024 * 1024);
    for (size_t i = 0; i < count; i++)
        buf_puts(&out, word);
    buf_puts(&out, end);
    return buf_text(&out);
}

static void test_bounds(void **state)
{
    struct work *work = *state;
    const struct filter *filter = NULL;
    const char *closing = repeat(work, ")", FILTER_MAX_DEPTH, "");

    assert_int_equal(filter_parse(&work->ctx,
                                  repeat(work, "(", FILTER_MAX_DEPTH,
                                         arena_printf(&work->arena, "a pr%s", closing)),
                                  &filter),
                     ERR_OK);
    refuses(work, repeat(work, "(", FILTER_MAX_DEPTH + 1, "a pr"), "At character 33", "32 deep");
    refuses(work, repeat(work, "(", 1000, ""), "At character 33", "32 deep");
    refuses(work, repeat(work, "not(", 1000, ""), "At character 132", "32 deep");

    assert_int_equal(filter_parse(&work->ctx,
                                  repeat(work, "a pr or ", FILTER_MAX_COMPARISONS - 1, "a pr"),
                                  &filter),
                     ERR_OK);
    refuses(work, repeat(work, "a pr or ", FILTER_MAX_COMPARISONS, "a pr"), "At character 801",
            "100 comparisons");

    assert_int_equal(
        filter_parse(&work->ctx, repeat(work, " ", FILTER_MAX_BYTES - 4, "a pr"), &filter), ERR_OK);
    refuses(work, repeat(work, " ", FILTER_MAX_BYTES - 3, "a pr"), "4097 bytes", "4096");
    refuses(work, repeat(work, "(", 100000, ""), "100000 bytes", "4096");
}

/* A long word is shown by its beginning, whole characters alone. */
static void test_long_words(void **state)
{
    struct work *work = *state;

    refuses(work, repeat(work, "ä", 1000, ""), "At character 1001: the filter ends", "");
    refuses(work, arena_printf(&work->arena, "a %s", repeat(work, "ä", 1000, "")),
            "At character 3: ääääääääääääääääääää…,", "an operator");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_trees),
        WORK_TEST(test_refusals),
        WORK_TEST(test_bounds),
        WORK_TEST(test_long_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
