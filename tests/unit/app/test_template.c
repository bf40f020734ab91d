/* Templates: escaping (HT-15), sections, partials, and errors that say where (R004-05). */
#include "app/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/config.h"
#include "app/embed.h"
#include "support/unit.h"

#define VARS(...)                                                       \
    &(const struct template_vars)                                       \
    {                                                                   \
        .vars = (const struct template_var[]){__VA_ARGS__},             \
        .count = COUNT_OF(((const struct template_var[]){__VA_ARGS__})) \
    }
#define TEXT(n, t)               \
    {                            \
        .name = (n), .text = (t) \
    }

static enum err render(struct work *work, const char *text, const struct template_vars *vars,
                       const char **ret_text)
{
    const struct bytes bytes = {.data = (const uint8_t *)text, .size = strlen(text)};
    struct buf out;

    buf_init(&out, &work->arena, 64 * 1024);
    const enum err err = template_render_text(&work->ctx, "test", &bytes, vars, &out);
    *ret_text = err == ERR_OK ? buf_text(&out) : NULL;
    return err;
}

static void renders(struct work *work, const char *text, const struct template_vars *vars,
                    const char *expected)
{
    const char *got = NULL;

    assert_int_equal(render(work, text, vars, &got), ERR_OK);
    assert_string_equal(got, expected);
}

/* The sentence of the error names template, line and problem. */
static void breaks(struct work *work, const char *text, const struct template_vars *vars,
                   const char *sentence)
{
    const char *got = NULL;

    fail_clear(&work->ctx);
    assert_int_equal(render(work, text, vars, &got), ERR_INTERNAL);
    assert_string_equal(work->ctx.failure.internal, sentence);
}

/* --- values --- */

static void test_values(void **state)
{
    struct work *work = *state;
    const struct template_vars *vars =
        VARS(TEXT("a", "one"), TEXT("b-2", "two"), TEXT("none", NULL));

    renders(work, "", vars, "");
    renders(work, "plain { text } }} here", vars, "plain { text } }} here");
    renders(work, "{{a}} and {{ b-2 }}", vars, "one and two");
    renders(work, "[{{none}}]", vars, "[]");
    renders(work, "{\"a\":{\"b\":1}}", vars, "{\"a\":{\"b\":1}}");
}

/* HT-15: no text that a user chose can leave its place in content or in a quoted attribute. */
static void test_payloads_stay_text(void **state)
{
    static const char *const payloads[] = {
        "<script>alert(1)</script>",
        "\"><script>alert(1)</script>",
        "'><img src=x onerror=alert(1)>",
        "\" onmouseover=\"alert(1)",
        "' autofocus onfocus='alert(1)",
        "</textarea><script>alert(1)</script>",
        "</title><svg/onload=alert(1)>",
        "</style><script>alert(1)</script>",
        "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
        "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\">",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;script&#62;alert(1)&#60;/script&#62;",
        "{{#a}}{{&a}}{{/a}}",
        "{{>head}}",
        "<",
        ">",
        "\"",
        "'",
        "&",
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        const char *got = NULL;

        assert_int_equal(render(work, "{{x}}", VARS(TEXT("x", payloads[i])), &got), ERR_OK);
        assert_null(strpbrk(got, "<>\"'"));
        for (const char *and = strchr(got, '&'); and != NULL; and = strchr(and+1, '&')) {
            assert_true(strncmp(and, "&amp;", 5) == 0 || strncmp(and, "&lt;", 4) == 0 ||
                        strncmp(and, "&gt;", 4) == 0 || strncmp(and, "&quot;", 6) == 0 ||
                        strncmp(and, "&#39;", 5) == 0);
        }
    }
    renders(work, "<p title=\"{{x}}\">", VARS(TEXT("x", "\" onclick=\"f()")),
            "<p title=\"&quot; onclick=&quot;f()\">");
    /* A value is never read as a template. */
    renders(work, "{{x}}", VARS(TEXT("x", "{{y}}"), TEXT("y", "secret")), "{{y}}");
}

static void test_raw_needs_the_mark(void **state)
{
    struct work *work = *state;

    renders(work, "{{&x}}", VARS({.name = "x", .text = "<b>&</b>", .raw = true}), "<b>&</b>");
    breaks(work, "{{&x}}", VARS(TEXT("x", "<b>")),
           "template test.html:1: may not be inserted raw: \"x\"");
}

/* --- sections --- */

static void test_conditions(void **state)
{
    struct work *work = *state;
    const struct template_vars *vars = VARS(TEXT("yes", "1"), TEXT("no", NULL), TEXT("empty", ""));

    renders(work, "{{#yes}}a{{/yes}}{{^yes}}b{{/yes}}", vars, "a");
    renders(work, "{{#no}}a{{/no}}{{^no}}b{{/no}}", vars, "b");
    renders(work, "{{#empty}}a{{/empty}}{{^empty}}b{{/empty}}", vars, "b");
    renders(work, "{{#yes}}{{#no}}x{{/no}}{{#yes}}y{{/yes}}{{/yes}}", vars, "y");
}

static void test_lists(void **state)
{
    struct work *work = *state;
    const struct template_vars items[] = {*VARS(TEXT("n", "1")), *VARS(TEXT("n", "<2>"))};
    const struct template_vars *vars = VARS({.name = "list", .items = items, .item_count = 2},
                                            {.name = "none", .items = items, .item_count = 0},
                                            TEXT("n", "outer"), TEXT("out", "o"));

    renders(work, "{{#list}}{{n}}{{out}},{{/list}}{{n}}", vars, "1o,&lt;2&gt;o,outer");
    renders(work, "{{#none}}x{{/none}}{{^none}}nothing{{/none}}", vars, "nothing");
    renders(work, "{{#list}}[{{#list}}{{n}}{{/list}}]{{/list}}", vars, "[1&lt;2&gt;][1&lt;2&gt;]");
    breaks(work, "{{list}}", vars, "template test.html:1: is a list, not a text: \"list\"");
}

static void test_tags_alone_leave_no_line(void **state)
{
    struct work *work = *state;
    const struct template_vars *vars = VARS(TEXT("yes", "1"), TEXT("no", NULL));

    renders(work, "a\n  {{#yes}}\nb\n  {{/yes}}\nc\n", vars, "a\nb\nc\n");
    renders(work, "a\n{{#no}}\nb\n{{/no}}\nc\n", vars, "a\nc\n");
    renders(work, "{{#yes}}\n{{/yes}}", vars, "");
    renders(work, "{{#yes}}\n{{/yes}}\n{{#yes}}\nx\n{{/yes}}\n", vars, "x\n");
    renders(work, "a {{#yes}}\nb{{/yes}}\n", vars, "a \nb\n");
    renders(work, "{{yes}}\n", vars, "1\n");
}

/* --- errors --- */

static void test_errors_say_where(void **state)
{
    struct work *work = *state;
    const struct template_vars *vars = VARS(TEXT("a", "1"));

    breaks(work, "one\ntwo {{nme}}", vars, "template test.html:2: there is no value named \"nme\"");
    breaks(work, "\n\n{{#a}}\nx", vars, "template test.html:3: a section is not closed: \"a\"");
    breaks(work, "{{#a}}x\n{{/b}}", vars, "template test.html:2: closes another section: \"b\"");
    breaks(work, "x{{/a}}", vars, "template test.html:1: closes a section that is not open: \"a\"");
    breaks(work, "{{a", vars, "template test.html:1: a tag is not closed with }}");
    breaks(work, "{{}}", vars, "template test.html:1: a tag without a name");
    breaks(work, "{{A}}", vars, "template test.html:1: bad name in a tag after");
    breaks(work, "{{a b}}", vars, "template test.html:1: bad name in a tag after \"a\"");
    breaks(work, "{{>nothing-there}}", vars, "there is no template nothing-there.html");
    breaks(work, "{{>../../etc/passwd}}", vars, "template test.html:1: bad name in a tag after");
}

static void test_depth_is_bounded(void **state)
{
    struct work *work = *state;
    char text[4096] = "";
    const char *got = NULL;

    for (int i = 0; i < 40; i++)
        memcpy(text + (size_t)i * 6, "{{#a}}", 6);
    for (int i = 0; i < 40; i++)
        memcpy(text + 240 + (size_t)i * 6, "{{/a}}", 7);
    assert_int_equal(render(work, text, VARS(TEXT("a", "1")), &got), ERR_INTERNAL);
    assert_non_null(strstr(work->ctx.failure.internal, "too many sections"));
}

static void test_a_page_is_bounded(void **state)
{
    struct work *work = *state;
    const struct bytes text = {.data = (const uint8_t *)"{{a}}{{a}}", .size = 10};
    struct buf out;

    buf_init(&out, &work->arena, 10);
    assert_int_equal(
        template_render_text(&work->ctx, "test", &text, VARS(TEXT("a", "1234567")), &out),
        ERR_MEMORY);
}

/* --- files --- */

/* R004-05: the operator's directory replaces single files, and adds some. */
static void test_override(void **state)
{
    struct work *work = *state;
    char directory[] = "/tmp/test_template_XXXXXX", path[64];
    struct config config = {0};
    struct app app = {.db = NULL};
    struct template_file file;
    struct buf out;

    assert_non_null(mkdtemp(directory));
    config.pages_override_dir = directory;
    atomic_init(&app.config, &config);
    work->ctx.app = &app;
    (void)snprintf(path, sizeof path, "%s/message.html", directory);

    FILE *written = fopen(path, "w");

    assert_non_null(written);
    (void)fputs("ours {{a}}", written);
    (void)fclose(written);

    buf_init(&out, &work->arena, 1024);
    assert_int_equal(template_render(&work->ctx, "message", VARS(TEXT("a", "<1>")), &out), ERR_OK);
    assert_string_equal(buf_text(&out), "ours &lt;1&gt;");
    assert_int_equal(template_file(&work->ctx, "static/style.css", &file), ERR_OK);
    assert_ptr_equal(file.content.data, embed_find("static/style.css")->data);

    static const char *const outside[] = {"../message.html",
                                          "/etc/passwd",
                                          "static/../x.css",
                                          ".hidden.css",
                                          "static/.x.css",
                                          "a\\b.css",
                                          "",
                                          "message.exe",
                                          "message"};

    for (size_t i = 0; i < COUNT_OF(outside); i++)
        assert_int_equal(template_file(&work->ctx, outside[i], &file), ERR_NOT_FOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* The two scripts that there are, which the policies of their pages name by digest and by nonce
 * (page.h). */
static bool is_the_playgrounds(const struct embedded_file *file, const char *found)
{
    static const char script[] =
        "<script src=\"{{script}}\" nonce=\"{{script-nonce}}\" defer></script>";
    const char *at = memmem(file->data, file->size, script, sizeof script - 1);
    const char *after = at != NULL ? at + 1 : NULL;

    return strcmp(file->path, "playground.html") == 0 && strcmp(found, "<script") == 0 &&
           after != NULL &&
           memmem(file->data, (size_t)(at - (const char *)file->data), found, strlen(found)) ==
               NULL &&
           memmem(after, file->size - (size_t)(after - (const char *)file->data), found,
                  strlen(found)) == NULL;
}

static bool is_the_script(const struct embedded_file *file, const char *text, const char *found)
{
    const char *at = strstr(text, found);

    return strcmp(file->path, "form-post.html") == 0 && at != NULL &&
           strncmp(at, "<script>{{&submit-script}}</script>", found[0] == '<' ? 35 : 0) == 0 &&
           strstr(at + 1, found) == NULL;
}

/* No page may ask anything of another origin or hold script or style: the policy forbids it
 * (HT-11). */
static void test_built_in_pages_fit_the_policy(void **state)
{
    static const char *const forbidden[] = {"<script", "style=\"",    "<style", " onclick",
                                            " onload", "javascript:", "//cdn",  "{{&"};
    struct work *work = *state;
    size_t pages = 0;

    for (size_t i = 0; i < embedded_file_count; i++) {
        const struct embedded_file *file = &embedded_files[i];
        const char *text = arena_strndup(&work->arena, (const char *)file->data, file->size);

        assert_non_null(text);
        if (strstr(file->path, ".html") == NULL)
            continue;
        pages++;
        for (size_t k = 0; k < COUNT_OF(forbidden); k++) {
            if (strstr(text, forbidden[k]) != NULL && !is_the_script(file, text, forbidden[k]) &&
                !is_the_playgrounds(file, forbidden[k]))
                fail_msg("%s holds %s", file->path, forbidden[k]);
        }
    }
    assert_true(pages >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_values),
        WORK_TEST(test_payloads_stay_text),
        WORK_TEST(test_raw_needs_the_mark),
        WORK_TEST(test_conditions),
        WORK_TEST(test_lists),
        WORK_TEST(test_tags_alone_leave_no_line),
        WORK_TEST(test_errors_say_where),
        WORK_TEST(test_depth_is_bounded),
        WORK_TEST(test_a_page_is_bounded),
        WORK_TEST(test_override),
        WORK_TEST(test_built_in_pages_fit_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
