/* The two forms of custom fields, and what stays of hidden ones (R003-05, IN-3, IN-7). */
#include <stdio.h>

#include "models/custom_fields.h"
#include "models/custom_form.h"
#include "models/custom_hidden.h"
#include "support/documents.h"

#define ROUNDS 300

static const struct shape *shape_make(struct work *work, const char *text)
{
    const struct shape *shape = NULL;

    assert_int_equal(shape_compile(&work->ctx, document_parse(work, text), &shape), ERR_OK);
    return shape;
}

static struct bytes store(struct work *work, const struct shape *shape, const struct bytes *fields)
{
    const struct custom_form form = {.shape = shape};
    struct bytes stored = {0};

    assert_int_equal(custom_fields_store(&work->ctx, &form, &(struct bytes){0}, fields, &stored),
                     ERR_OK);
    return stored;
}

static struct bytes show(struct work *work, const struct shape *shape, enum shape_party party,
                         const struct bytes *stored)
{
    const struct custom_sight sight = {.form.shape = shape, .party = party};
    struct bytes fields = {0};

    assert_int_equal(custom_fields_show(&work->ctx, &sight, stored, &fields), ERR_OK);
    return fields;
}

static struct bytes canonical(struct work *work, const struct shape *shape,
                              const struct bytes *fields)
{
    const struct custom_form form = {.shape = shape};
    struct bytes result = {0};

    assert_int_equal(custom_fields_canonical(&work->ctx, &form, fields, &result), ERR_OK);
    return result;
}

static void assert_same(const struct bytes *a, const struct bytes *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

/* Every name of put_random may be a date, a moment or hidden. */
static const char everything[] =
    "{\"properties\":{\"a0\":{\"format\":\"date\"},\"b0\":{\"x-read\":\"admin\"},"
    "\"c0\":{\"properties\":{\"a0\":{\"x-read\":\"server\"},\"b1\":{\"format\":\"date-time\"}}},"
    "\"d1\":{\"items\":{\"format\":\"date\"}},\"e1\":{\"x-read\":\"server\"}},"
    "\"additionalProperties\":{\"format\":\"date-time\",\"items\":{\"format\":\"date\"}}}";

/* IN-3, IN-7: what no schema calls a date comes back to the bit, int64 and doubles too. */
static void test_any_document_survives(void **state)
{
    struct work *work = *state;
    const struct shape *const shapes[] = {NULL, shape_make(work, everything)};
    uint64_t seed = 6;

    for (int i = 0; i < ROUNDS; i++) {
        const struct bytes fields = document_make(work, document_random(work, &seed));

        for (size_t s = 0; s < COUNT_OF(shapes); s++) {
            const struct bytes stored = store(work, shapes[s], &fields);
            const struct bytes shown = show(work, shapes[s], SHAPE_SERVER, &stored);

            assert_same(&shown, &fields);
        }
    }
}

static void test_moments(void **state)
{
    static const struct {
        const char *sent, *shown;
    } table[] = {
        {"2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"},
        {"2026-01-31T09:30:00.1+01:00", "2026-01-31T08:30:00.100Z"},
        {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"},
        {"1969-12-31T23:59:59.0009-00:00", "1969-12-31T23:59:59Z"},
        {"2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"}, /* none: stays text, and is refused */
        {"2026-01-31", "2026-01-31"},
    };
    struct work *work = *state;
    const struct shape *shape =
        shape_make(work, "{\"properties\":{\"m\":{\"format\":\"date-time\"}}}");

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char *sent = arena_printf(&work->arena, "{\"m\":\"%s\"}", table[i].sent);
        char *wanted = arena_printf(&work->arena, "{\"m\":\"%s\"}", table[i].shown);
        const struct bytes fields = document_make(work, sent);
        const struct bytes once = canonical(work, shape, &fields);
        const struct bytes stored = store(work, shape, &fields);
        const struct bytes shown = show(work, shape, SHAPE_USER, &stored);

        assert_string_equal(document_text(work, &shown), wanted);
        assert_same(&shown, &once);
    }
}

/* A version changes the form: once or, after a crash, again; between dates and moments by midnight.
 */
static void test_conversion(void **state)
{
    static const char *const formats[] = {"{}", "{\"format\":\"date\"}",
                                          "{\"format\":\"date-time\"}", "{\"x-read\":\"admin\"}"};
    static const char *const texts[] = {"2026-01-31", "2026-01-31T09:30:00Z", "other",
                                        "2026-02-01T00:00:00Z"};
    struct work *work = *state;
    const struct shape *shapes[COUNT_OF(formats)];

    for (size_t i = 0; i < COUNT_OF(formats); i++)
        shapes[i] =
            shape_make(work, arena_printf(&work->arena, "{\"properties\":{\"m\":%s}}", formats[i]));
    for (size_t from = 0; from < COUNT_OF(formats); from++) {
        for (size_t to = 0; to < COUNT_OF(formats); to++) {
            const struct custom_conversion conversion = {.from = shapes[from], .to = shapes[to]};

            for (size_t t = 0; t < COUNT_OF(texts); t++) {
                const struct bytes fields =
                    document_make(work, arena_printf(&work->arena, "{\"m\":\"%s\"}", texts[t]));
                const struct bytes stored = store(work, shapes[from], &fields);
                const char *text = texts[t];
                struct bytes wanted, converted = {0}, again = {0};

                if (from == 1 && to == 2 && t == 0)
                    text = "2026-01-31T00:00:00Z";
                if (from == 2 && to == 1 && t == 3)
                    text = "2026-02-01";
                wanted = document_make(work, arena_printf(&work->arena, "{\"m\":\"%s\"}", text));
                wanted = store(work, shapes[to], &wanted);
                assert_int_equal(
                    custom_fields_convert(&work->ctx, &conversion, &stored, &converted), ERR_OK);
                assert_same(&converted, &wanted);
                assert_int_equal(custom_fields_convert(&work->ctx, &conversion, &converted, &again),
                                 ERR_OK);
                assert_same(&again, &wanted);
            }
        }
    }
}

static void test_alike(void **state)
{
    static const struct {
        const char *from, *to;
        bool alike;
    } table[] = {
        {"{}", "{\"properties\":{\"a\":{\"type\":\"string\"}}}", true},
        {"{\"properties\":{\"a\":{\"format\":\"date\"}}}", "{}", false},
        {"{\"properties\":{\"a\":{\"format\":\"date\"}}}",
         "{\"properties\":{\"a\":{\"format\":\"date-time\"}}}", true},
        {"{}", "{\"additionalProperties\":{\"format\":\"date\"}}", false},
        {"{\"properties\":{\"a\":{\"format\":\"date\"}}}",
         "{\"additionalProperties\":{\"format\":\"date\"}}", false},
        {"{\"properties\":{\"a\":{\"items\":{\"format\":\"date\"}}}}",
         "{\"properties\":{\"a\":{\"items\":{\"format\":\"date\",\"maxLength\":10}}}}", true},
        {"{\"properties\":{\"a\":{\"x-encrypt\":true}}}", "{\"properties\":{\"a\":{}}}", false},
        {"{\"properties\":{\"a\":{\"x-encrypt\":true}}}",
         "{\"properties\":{\"a\":{\"x-encrypt\":true,\"format\":\"date\"}}}", true},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct shape *from = shape_make(work, table[i].from);
        const struct shape *to = shape_make(work, table[i].to);

        assert_int_equal(custom_fields_stored_alike(from, to), table[i].alike);
        assert_int_equal(custom_fields_stored_alike(to, from), table[i].alike);
        assert_true(custom_fields_stored_alike(from, from));
    }
    assert_true(custom_fields_stored_alike(NULL, NULL));
}

static bool find(const struct bytes *document, const char *path, bson_iter_t *ret)
{
    bson_iter_t root;
    bson_t view;

    assert_true(document_view(document, &view) && bson_iter_init(&root, &view));
    return bson_iter_find_descendant(&root, path, ret);
}

static void assert_stays(const struct bytes *before, const struct bytes *after, const char *path)
{
    bson_iter_t was, is;
    const bool found = find(before, path, &was);

    assert_int_equal(find(after, path, &is), found);
    assert_true(!found || element_equal(&was, &is));
}

/* All that was asked for is seen; beside it at most an object that has only hidden fields. */
static void assert_seen(const struct bytes *seen, const struct bytes *asked)
{
    bson_iter_t at, other;
    bson_t view;

    assert_true(document_view(asked, &view) && bson_iter_init(&at, &view));
    while (bson_iter_next(&at)) {
        assert_true(find(seen, bson_iter_key(&at), &other));
        assert_true(element_equal(&at, &other));
    }
    assert_true(document_view(seen, &view) && bson_iter_init(&at, &view));
    while (bson_iter_next(&at))
        assert_true(find(asked, bson_iter_key(&at), &other) ||
                    strcmp(bson_iter_key(&at), "c0") == 0);
}

/* A document in which what everything names is more frequent than by chance. */
static struct bytes random_fields(struct work *work, uint64_t *seed)
{
    static const char *const extras[] = {"{}", "{\"c0\":{\"a0\":1,\"x\":2}}",
                                         "{\"b0\":[1],\"e1\":{\"q\":1}}",
                                         "{\"c0\":{\"a0\":{\"z\":null}},\"e1\":1}", "{\"c0\":5}"};
    const struct bytes random = document_make(work, document_random(work, seed));
    struct bytes merged = {0};

    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &random,
                       document_parse(work, extras[random_below(seed, COUNT_OF(extras))]), &merged),
        ERR_OK);
    return merged;
}

/* What a party writes is what it sees afterwards, and what it does not see is as it was. */
static void test_hidden_fields_stay(void **state)
{
    struct work *work = *state;
    const struct shape *shape = shape_make(work, everything);
    size_t kept = 0, refused = 0;
    uint64_t seed = 7;

    for (int i = 0; i < ROUNDS; i++) {
        const struct custom_veil veil = {.shape = shape,
                                         .party = i % 2 == 0 ? SHAPE_USER : SHAPE_ADMIN};
        const struct bytes before = random_fields(work, &seed);
        const struct bytes random = random_fields(work, &seed);
        const struct bytes asked = show(work, shape, veil.party, &random);
        struct bytes after = asked;
        const char *pointer = NULL;

        assert_int_equal(custom_hidden_in(&work->ctx, &veil, &asked, &pointer), ERR_OK);
        if (pointer != NULL) {
            assert_string_equal(pointer, "/c0"); /* in place of an object with hidden fields */
            refused++;
            continue;
        }
        assert_int_equal(custom_hidden_keep(&work->ctx, &veil, &before, &after), ERR_OK);
        assert_stays(&before, &after, "e1");
        assert_stays(&before, &after, "c0.a0");
        if (veil.party == SHAPE_USER)
            assert_stays(&before, &after, "b0");

        const struct bytes seen = show(work, shape, veil.party, &after);

        assert_seen(&seen, &asked);
        kept++;
    }
    assert_true(kept > 0 && refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_any_document_survives),
        WORK_TEST(test_moments),
        WORK_TEST(test_conversion),
        WORK_TEST(test_alike),
        WORK_TEST(test_hidden_fields_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
