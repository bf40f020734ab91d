/* Text of people: R004-08 (names unique whatever their spelling). */
#include "app/text.h"

#include <stdio.h>

#include "app/buf.h"
#include "support/unit.h"

static char *repeat(struct work *work, const char *text, size_t count)
{
    struct buf buf;

    buf_init(&buf, &work->arena, 100000);
    for (size_t i = 0; i < count; i++)
        buf_puts(&buf, text);
    return buf.data;
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(text_is_utf8("", 0));
    assert_true(text_is_utf8("J\xc3\xb6rg \xf0\x9f\x98\x80", 10));
    assert_false(text_is_utf8("a\0b", 3));
    assert_false(text_is_utf8("\xc3", 1));
    assert_false(text_is_utf8("\xc0\x80", 2));
    assert_false(text_is_utf8("\xed\xa0\x80", 3));
    assert_false(text_is_utf8("\xf4\x90\x80\x80", 4));
    assert_int_equal(text_code_points(""), 0);
    assert_int_equal(text_code_points("J\xc3\xb6rg \xf0\x9f\x98\x80"), 6);
}

static void test_trim(void **state)
{
    static const struct {
        const char *text, *trimmed;
    } rows[] = {
        {"", ""},
        {"a", "a"},
        {" \t\n a b \r\v", "a b"},
        {"   ", ""},
        {"\xc2\xa0\xe3\x80\x80x\xe2\x80\x89\xc2\x85", "x"},
        {"\xc3\xa9 ", "\xc3\xa9"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t length;
        const char *text = text_trim(rows[i].text, strlen(rows[i].text), &length);

        assert_int_equal(length, strlen(rows[i].trimmed));
        assert_memory_equal(text, rows[i].trimmed, length);
    }
}

static void test_canonical(void **state)
{
    static const struct {
        const char *a, *b;
    } same[] = {
        {"Ana@Example.COM", "ana@example.com"},
        {"  ana ", "ana"},
        {"J\xc3\xb6rg", "jo\xcc\x88rg"},
        {"J\xc3\x96RG", "j\xc3\xb6rg"},
        {"\xe1\xba\x9b\xcc\xa3", "\xc5\xbf\xcc\xa3\xcc\x87"},
        {"\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1"},
        {"\xce\x91\xce\x92", "\xce\xb1\xce\xb2"},
        {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd"},
    };
    static const struct {
        const char *a, *b;
    } different[] = {
        {"ana", "anna"},
        {"jorg", "j\xc3\xb6rg"},
        {"\xd0\xb0na", "ana"}, /* Cyrillic a */
        {"a b", "ab"},
    };
    struct work *work = *state;
    const char *a;
    const char *b;

    for (size_t i = 0; i < COUNT_OF(same); i++) {
        assert_int_equal(text_canonical(&work->ctx, same[i].a, &a), ERR_OK);
        assert_int_equal(text_canonical(&work->ctx, same[i].b, &b), ERR_OK);
        assert_string_equal(a, b);
    }
    for (size_t i = 0; i < COUNT_OF(different); i++) {
        assert_int_equal(text_canonical(&work->ctx, different[i].a, &a), ERR_OK);
        assert_int_equal(text_canonical(&work->ctx, different[i].b, &b), ERR_OK);
        assert_string_not_equal(a, b);
    }
    assert_int_equal(text_canonical(&work->ctx, " \t", &a), ERR_OK);
    assert_string_equal(a, "");
}

/* The form under the unique index must be its own canonical form. */
static void test_canonical_is_idempotent(void **state)
{
    struct work *work = *state;
    uint64_t seed = 2;

    for (int round = 0; round < 3000; round++) {
        char text[4 * 200 + 1];
        const char *once;
        const char *twice;

        random_text(&seed, random_below(&seed, round % 10 == 0 ? 200 : 8), text);
        assert_int_equal(text_canonical(&work->ctx, text, &once), ERR_OK);
        assert_true(text_is_utf8(once, strlen(once)));
        assert_int_equal(text_canonical(&work->ctx, once, &twice), ERR_OK);
        assert_string_equal(once, twice);
        arena_reset(&work->arena);
    }
    /* Every code point alone. */
    for (uint32_t c = 1; c < 0x20000; c++) {
        char text[5] = {0};
        const char *once;
        const char *twice;

        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        if (c < 0x80) {
            text[0] = (char)c;
        } else if (c < 0x800) {
            text[0] = (char)(0xc0 | c >> 6);
            text[1] = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            text[0] = (char)(0xe0 | c >> 12);
            text[1] = (char)(0x80 | (c >> 6 & 0x3f));
            text[2] = (char)(0x80 | (c & 0x3f));
        } else {
            text[0] = (char)(0xf0 | c >> 18);
            text[1] = (char)(0x80 | (c >> 12 & 0x3f));
            text[2] = (char)(0x80 | (c >> 6 & 0x3f));
            text[3] = (char)(0x80 | (c & 0x3f));
        }
        assert_int_equal(text_canonical(&work->ctx, text, &once), ERR_OK);
        assert_int_equal(text_canonical(&work->ctx, once, &twice), ERR_OK);
        if (strcmp(once, twice) != 0)
            fail_msg("U+%04X", c);
        arena_reset(&work->arena);
    }
}

static void test_nfc(void **state)
{
    struct work *work = *state;
    const char *text;

    assert_int_equal(text_nfc(&work->ctx, "Jo\xcc\x88rg ", &text), ERR_OK);
    assert_string_equal(text, "J\xc3\xb6rg ");
    assert_int_equal(text_nfc(&work->ctx, "", &text), ERR_OK);
    assert_string_equal(text, "");
    char *longest = repeat(work, "o\xcc\x88", 5000);
    assert_int_equal(text_nfc(&work->ctx, longest, &text), ERR_OK);
    assert_int_equal(strlen(text), 10000);
}

static void test_slugify(void **state)
{
    static const struct {
        const char *name, *slug;
    } rows[] = {
        {"AI Platform", "ai-platform"},
        {"  Caf\xc3\xa9 M\xc3\xbcller & S\xc3\xb6hne!  ", "cafe-muller-sohne"},
        {"Bob's Shop", "bobs-shop"},
        {"Stra\xc3\x9f"
         "e",
         "strasse"},
        {"a--b__c..d", "a-b-c-d"},
        {"\xe7\x94\xa8\xe6\x88\xb7", "tenant"},
        {"", "tenant"},
        {"---", "tenant"},
        {"\xe7\x94\xa8 x \xe6\x88\xb7", "x"},
        {"\xc5\x81\xc3\xb3\x64\xc5\xba", "odz"},
        {"123", "123"},
    };
    struct work *work = *state;
    const char *slug;
    uint64_t seed = 3;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(text_slugify(&work->ctx, rows[i].name, &slug), ERR_OK);
        assert_string_equal(slug, rows[i].slug);
    }
    for (int round = 0; round < 2000; round++) {
        char text[4 * 100 + 1];

        random_text(&seed, random_below(&seed, 100), text);
        assert_int_equal(text_slugify(&work->ctx, text, &slug), ERR_OK);
        assert_null(text_check_slug(slug));
        arena_reset(&work->arena);
    }
    /* Room is left for "-123". */
    assert_int_equal(text_slugify(&work->ctx, repeat(work, "ab ", 100), &slug), ERR_OK);
    assert_null(text_check_slug(slug));
    assert_true(strlen(slug) <= 55);
}

/* MS-3 */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    const char *text;

    arena_fail_after(1);
    assert_int_equal(text_nfc(&work->ctx, "x", &text), ERR_MEMORY);
    for (int64_t n = 1; n <= 2; n++) {
        arena_fail_after(n);
        assert_int_equal(text_canonical(&work->ctx, "x", &text), ERR_MEMORY);
        arena_fail_after(n);
        assert_int_equal(text_slugify(&work->ctx, "x", &text), ERR_MEMORY);
    }
    arena_fail_after(1);
    assert_int_equal(text_host(&work->ctx, "x", &text), ERR_MEMORY);
    assert_int_equal(arena_fail_after(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_utf8),          WORK_TEST(test_trim),
        WORK_TEST(test_canonical),     WORK_TEST(test_canonical_is_idempotent),
        WORK_TEST(test_nfc),           WORK_TEST(test_slugify),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
