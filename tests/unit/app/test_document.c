/*
 * Custom fields. IN-3, IN-7, IN-8, R001-15: what goes in comes out unchanged, within the limits of
 * api.md §10; every refusal points to the member.
 */
#include "app/document.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/bson_auto.h"
#include "support/documents.h"

static void refused(struct work *work, const char *text, const char *pointer, const char *reason)
{
    struct bytes document = {0};

    fail_clear(&work->ctx);
    assert_int_equal(
        document_from_value(&work->ctx, "custom_fields", document_parse(work, text), &document),
        ERR_CUSTOM_FIELDS);
    assert_string_equal(work->ctx.failure.field, pointer);
    if (strstr(work->ctx.failure.detail, reason) == NULL)
        fail_msg("%s: %s", text, work->ctx.failure.detail);
    assert_null(document.data);
}

static void test_unchanged(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"a\":{},\"b\":[],\"c\":[{},[],null]}",
        "{\"z\":1,\"a\":2,\"m\":3}",
        "{\"n\":null,\"t\":true,\"f\":false}",
        "{\"max\":9223372036854775807,\"min\":-9223372036854775808}",
        "{\"past_double\":9007199254740993}",
        "{\"one\":1,\"real\":1.0,\"zero\":0.0,\"minus\":-0.0,\"half\":0.5}",
        "{\"tenth\":0.1,\"third\":0.3333333333333333,\"small\":5e-324}",
        "{\"big\":1.7976931348623157e+308,\"round\":1e+20}",
        "{\"name\":\"J\xc3\xb6rg \xe6\x97\xa5\xe6\x9c\xac "
        "\xf0\x9f\x98\x80\",\"esc\":\"a\\\"b\\\\c\\n\\u0001\"}",
        "{\"\xc3\xbc mlaut key\":\"\",\" \":\"blank\"}",
        "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}",
        "{\"list\":[1,\"two\",3.5,[4,[5]],{\"six\":6}]}",
        "{\"date\":\"2026-01-31T09:30:00Z\",\"uuid\":\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\"}",
        "{\"0\":\"zero\",\"1\":\"one\"}",
        "{\"a$b\":1,\"oid\":\"$oid\",\"v\":\"$where\"}",
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct bytes document = document_make(work, texts[i]);

        assert_string_equal(document_text(work, &document), texts[i]);
    }
}

static void test_types_in_bson(void **state)
{
    struct work *work = *state;
    struct bytes document = document_make(
        work, "{\"i\":1,\"r\":1.0,\"s\":\"x\",\"b\":true,\"n\":null,\"o\":{},\"a\":[]}");
    static const bson_type_t types[] = {BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_UTF8,
                                        BSON_TYPE_BOOL,  BSON_TYPE_NULL,   BSON_TYPE_DOCUMENT,
                                        BSON_TYPE_ARRAY};
    bson_iter_t iter;
    bson_t view;

    assert_true(document_view(&document, &view));
    assert_true(bson_iter_init(&iter, &view));
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        assert_true(bson_iter_next(&iter));
        assert_int_equal(bson_iter_type(&iter), types[i]);
    }
    assert_false(bson_iter_next(&iter));
}

/* IN-3: extended JSON is refused by its "$". */
static void test_names(void **state)
{
    struct work *work = *state;

    refused(work, "{\"\":1}", "/custom_fields/", "empty name");
    refused(work, "{\"$set\":1}", "/custom_fields/$set", "begin with");
    refused(work, "{\"$oid\":\"507f1f77bcf86cd799439011\"}", "/custom_fields/$oid", "begin with");
    refused(work, "{\"p\":{\"$regex\":\"^.\"}}", "/custom_fields/p/$regex", "begin with");
    refused(work, "{\"d\":{\"$date\":0}}", "/custom_fields/d/$date", "begin with");
    refused(work, "{\"l\":[1,{\"$numberLong\":\"1\"}]}", "/custom_fields/l/1/$numberLong",
            "begin with");
    refused(work, "{\"a.b\":1}", "/custom_fields/a.b", "dot");
    refused(work, "{\".\":1}", "/custom_fields/.", "dot");
    refused(work, "{\"__proto__\":{}}", "/custom_fields/__proto__", "not allowed");
    refused(work, "{\"a\":{\"constructor\":1}}", "/custom_fields/a/constructor", "not allowed");
    refused(work, "{\"prototype\":1}", "/custom_fields/prototype", "not allowed");
    refused(work, "{\"a/b\":{\"m~n\":{\"$x\":1}}}", "/custom_fields/a~1b/m~0n/$x", "begin with");
}

static void test_top_must_be_object(void **state)
{
    static const char *const texts[] = {"[]", "1", "1.5", "\"{}\"", "true", "null"};
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        refused(work, texts[i], "/custom_fields", "must be an object, not ");
}

static void test_depth(void **state)
{
    struct work *work = *state;

    document_make(work, "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}");
    document_make(work, "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}");
    document_make(work, "{\"a\":[[[[1]]]]}");
    refused(work,
            "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}},\"x\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}",
            "/custom_fields/x/b/c/d/e", "5 levels");
    refused(work, "{\"a\":[[[[[]]]]]}", "/custom_fields/a/0/0/0/0", "5 levels");
}

static void test_members(void **state)
{
    struct work *work = *state;

    document_make(work, document_of_members(work, 199));
    document_make(work, document_of_members(work, 200));
    refused(work, document_of_members(work, 201), "/custom_fields", "it has 201");
}

static void test_size(void **state)
{
    struct work *work = *state;
    struct buf out;

    document_make(work, document_of_size(work, 16383));
    document_make(work, document_of_size(work, 16384));
    refused(work, document_of_size(work, 16385), "/custom_fields", "16384 bytes");
    /* Many small ones together. */
    buf_init(&out, &work->arena, 100000);
    buf_puts(&out, "{\"l\":[0");
    for (int i = 0; i < 8200; i++)
        buf_puts(&out, ",0");
    buf_puts(&out, "]}");
    refused(work, buf_text(&out), "/custom_fields", "16384 bytes");
}

/* The measure is the length of compact JSON. */
static void test_measure(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"a\":[]}",
        "{\"a\":-9223372036854775808,\"b\":[1,2.5,true,false,null]}",
        "{\"k\\\"\":\"\\\\ \\n\\b\\f\\r\\t \\u0001 \xc3\xb6\",\"o\":{\"p\":{}}}",
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct bytes document = document_make(work, texts[i]);
        struct document_cost cost;
        bson_t view;

        assert_true(document_view(&document, &view));
        document_measure(&view, &cost);
        assert_int_equal(cost.bytes, strlen(texts[i]));
    }
}

static void test_random_round_trips(void **state)
{
    struct work *work = *state;
    uint64_t seed = 4;

    for (int round = 0; round < 3000; round++) {
        const char *text = document_random(work, &seed);
        const struct value *before = document_parse(work, text);
        struct bytes document = document_make(work, text);
        const struct value *after = document_parse(work, document_text(work, &document));

        if (!document_same(before, after))
            fail_msg("%s became %s", text, document_text(work, &document));
        arena_reset(&work->arena);
    }
}

/* --- out --- */

static void test_elements(void **state)
{
    struct work *work = *state;
    AUTO(bson_destroy) bson_t *document = bson_new();
    static const uint8_t id[16] = {1,    0x90, 0xf3, 0xa1, 0x7c, 0x1e, 0x7b, 0x43,
                                   0x9a, 0x0d, 0x2f, 0x6f, 0x3c, 0x1b, 0x5a, 0x77};
    bson_oid_t oid;
    bson_decimal128_t decimal;
    bson_iter_t iter;
    struct buf out;

    bson_oid_init_from_string(&oid, "507f1f77bcf86cd799439011");
    assert_true(bson_decimal128_from_string("1.10", &decimal));
    bson_append_binary(document, "u", -1, BSON_SUBTYPE_UUID, id, 16);
    bson_append_binary(document, "b", -1, BSON_SUBTYPE_BINARY, id, 16);
    bson_append_oid(document, "o", -1, &oid);
    bson_append_decimal128(document, "d", -1, &decimal);
    bson_append_double(document, "nan", -1, strtod("nan", NULL));
    bson_append_double(document, "inf", -1, strtod("inf", NULL));
    bson_append_regex(document, "r", -1, "x", "");
    bson_append_minkey(document, "m", -1);
    bson_append_utf8(document, "bad", -1, "\xff", 1);
    struct bytes bytes = {.data = bson_get_data(document), .size = document->len};
    assert_string_equal(document_text(work, &bytes),
                        "{\"u\":\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\",\"b\":null,"
                        "\"o\":\"507f1f77bcf86cd799439011\",\"d\":\"1.10\",\"nan\":null,"
                        "\"inf\":null,\"r\":null,\"m\":null,\"bad\":\"\xef\xbf\xbd\"}");

    assert_true(bson_iter_init_find(&iter, document, "u"));
    buf_init(&out, &work->arena, 100);
    document_element_to_json(&iter, &out);
    assert_string_equal(buf_text(&out), "\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\"");
}

/* Nesting that others wrote must not end at the end of the stack. */
static void test_deep_foreign_document(void **state)
{
    struct work *work = *state;
    AUTO(bson_destroy) bson_t *document = bson_new();

    for (int i = 0; i < 2000; i++) {
        AUTO(bson_destroy) bson_t *inner = document;

        document = bson_new();
        bson_append_document(document, "a", -1, inner);
    }
    struct bytes bytes = {.data = bson_get_data(document), .size = document->len};
    assert_non_null(strstr(document_text(work, &bytes), "null"));
}

static void test_view(void **state)
{
    static const uint8_t bad[] = {16, 0, 0, 0, 2, 'a', 0, 99, 0, 0, 0, 'x', 'y', 'z', 0, 0};
    struct work *work = *state;
    struct bytes none = {0};
    struct bytes document = {.data = bad, .size = sizeof bad};
    struct bytes result;
    bson_t view;

    assert_true(document_view(&none, &view));
    assert_int_equal(bson_count_keys(&view), 0);
    assert_string_equal(document_text(work, &none), "{}");
    assert_false(document_view(&document, &view));
    document.size = 4;
    assert_false(document_view(&document, &view));
    document.size = sizeof bad;
    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &document, document_parse(work, "{}"), &result),
        ERR_INTERNAL);
}

/* MS-3 */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    struct bytes document = document_make(work, "{\"a\":{\"b\":1}}");
    const struct value *value = document_parse(work, "{\"a\":{\"c\":[1,2]},\"x\":\"y\"}");
    const struct value *wrong = document_parse(work, "{\"a\":{\"$c\":1}}");
    int64_t n;

    for (n = 1;; n++) {
        struct bytes result;

        arena_fail_after(n);
        enum err first = document_from_value(&work->ctx, "f", value, &result);
        enum err second = document_merge(&work->ctx, "f", &document, value, &result);
        if (arena_fail_after(0) != 0)
            break;
        assert_true(first == ERR_MEMORY || second == ERR_MEMORY);
    }
    assert_true(n > 2);
    for (n = 1;; n++) {
        struct bytes result;

        arena_fail_after(n);
        assert_int_equal(document_from_value(&work->ctx, "f", wrong, &result), ERR_CUSTOM_FIELDS);
        if (arena_fail_after(0) != 0)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_unchanged),
        WORK_TEST(test_types_in_bson),
        WORK_TEST(test_names),
        WORK_TEST(test_top_must_be_object),
        WORK_TEST(test_depth),
        WORK_TEST(test_members),
        WORK_TEST(test_size),
        WORK_TEST(test_measure),
        WORK_TEST(test_random_round_trips),
        WORK_TEST(test_elements),
        WORK_TEST(test_deep_foreign_document),
        WORK_TEST(test_view),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
