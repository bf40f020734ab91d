/* Lines of NDJSON: ends, blanks, the mark, and what is no line that may be read (IN-1). */
#include "app/lines.h"

#include <string.h>

#include "app/buf.h"
#include "support/unit.h"

/* "1:text", "4!problem" … of everything, in pieces of step bytes. */
static const char *cut(struct work *work, const char *text, size_t size, size_t step)
{
    struct lines lines;
    struct line line;
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    assert_true(lines_init(&lines, &work->arena, 0, 0));
    for (size_t at = 0; at < size || at == 0; at += step) {
        const size_t part = size - at < step ? size - at : step;

        lines_feed(&lines, text + at, part, at + part >= size);
        while (lines_next(&lines, &line)) {
            buf_printf(&out, "%lld%c", (long long)line.number, line.problem != NULL ? '!' : ':');
            if (line.length < 100)
                buf_add(&out, line.text, line.length);
            buf_puts(&out, line.problem != NULL ? line.problem : "|");
        }
    }
    assert_int_equal(lines.offset, size);
    return buf_text(&out);
}

static void test_ends_and_blanks(void **state)
{
    static const char text[] = "\xef\xbb\xbf{1}\r\n\n \t\r\n{2}\n{3}";
    static const size_t steps[] = {1, 2, 5, 100};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        assert_string_equal(cut(*state, text, sizeof text - 1, steps[i]), "1:{1}|4:{2}|5:{3}|");
    assert_string_equal(cut(*state, "", 0, 1), "");
    assert_string_equal(cut(*state, "\n\n", 2, 1), "");
    assert_string_equal(cut(*state, "x\n", 2, 1), "1:x|");
}

static void test_bytes_that_are_no_text(void **state)
{
    assert_string_equal(cut(*state, "a\xff\nb\0c\nd", 8, 3),
                        "1!is no valid UTF-8, or has a NUL character."
                        "2!is no valid UTF-8, or has a NUL character.3:d|");
}

static void test_long_lines(void **state)
{
    struct work *work = *state;
    const size_t size = 300000;
    char *text = arena_alloc(&work->arena, size);

    memset(text, 'x', size);
    text[LINES_MAX] = text[2 * LINES_MAX + 2] = '\n';
    text[size - 2] = '\n';
    assert_string_equal(cut(work, text, size, 4096),
                        "1:|2!is longer than 64 KiB.3!is longer than 64 KiB.4:x|");
    assert_string_equal(cut(work, text, size, size),
                        "1:|2!is longer than 64 KiB.3!is longer than 64 KiB.4:x|");
}

/* What was read to the end of a line can be gone on with from there. */
static void test_going_on(void **state)
{
    struct work *work = *state;
    struct lines lines;
    struct line line;

    assert_true(lines_init(&lines, &work->arena, 7, 100));
    lines_feed(&lines, "\xef\xbb\xbf{}\n", 6, true);
    assert_true(lines_next(&lines, &line));
    assert_int_equal(line.number, 8);
    assert_int_equal(line.length, 5);
    assert_int_equal(lines.offset, 106);
    assert_false(lines_next(&lines, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends_and_blanks, work_setup, work_teardown),
        cmocka_unit_test_setup_teardown(test_bytes_that_are_no_text, work_setup, work_teardown),
        cmocka_unit_test_setup_teardown(test_long_lines, work_setup, work_teardown),
        cmocka_unit_test_setup_teardown(test_going_on, work_setup, work_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
