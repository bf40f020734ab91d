/*
 * Custom fields. IN-3, IN-7, IN-8, R001-15: what goes in comes out unchanged, within the limits of
 * api.md §10; merge patches are RFC 7396; every refusal points to the member.
 */
#include "app/document.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/bson_auto.h"
#include "app/json.h"
#include "support/unit.h"

/* The member "d" of a JSON object. */
static const struct value *parse(struct work *work, const char *text)
{
    struct value *value = arena_alloc(&work->arena, sizeof *value);
    char *whole = arena_printf(&work->arena, "{\"d\":%s}", text);

    assert_int_equal(json_parse(&work->ctx, whole, strlen(whole), value), ERR_OK);
    return value_get(value, "d");
}

static const char *to_json(struct work *work, const struct bytes *document)
{
    struct buf out;

    buf_init(&out, &work->arena, 1000000);
    document_to_json(document, &out);
    assert_non_null(buf_text(&out));
    return buf_text(&out);
}

static struct bytes from_json(struct work *work, const char *text)
{
    struct bytes document = {0};

    fail_clear(&work->ctx);
    enum err err = document_from_value(&work->ctx, "custom_fields", parse(work, text), &document);
    if (err != ERR_OK)
        fail_msg("%s: %s", text, work->ctx.failure.detail);
    return document;
}

static void refused(struct work *work, const char *text, const char *pointer, const char *reason)
{
    struct bytes document = {0};

    fail_clear(&work->ctx);
    assert_int_equal(document_from_value(&work->ctx, "custom_fields", parse(work, text), &document),
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
        struct bytes document = from_json(work, texts[i]);

        assert_string_equal(to_json(work, &document), texts[i]);
    }
}

static void test_types_in_bson(void **state)
{
    struct work *work = *state;
    struct bytes document =
        from_json(work, "{\"i\":1,\"r\":1.0,\"s\":\"x\",\"b\":true,\"n\":null,\"o\":{},\"a\":[]}");
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

    from_json(work, "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}");
    from_json(work, "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}");
    from_json(work, "{\"a\":[[[[1]]]]}");
    refused(work,
            "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}},\"x\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}",
            "/custom_fields/x/b/c/d/e", "5 levels");
    refused(work, "{\"a\":[[[[[]]]]]}", "/custom_fields/a/0/0/0/0", "5 levels");
}

static const char *with_members(struct work *work, size_t count)
{
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    buf_puts(&out, "{\"o\":{");
    for (size_t i = 1; i < count; i++)
        buf_printf(&out, "%s\"m%zu\":1", i > 1 ? "," : "", i);
    buf_puts(&out, "}}");
    return buf_text(&out);
}

static void test_members(void **state)
{
    struct work *work = *state;

    from_json(work, with_members(work, 199));
    from_json(work, with_members(work, 200));
    refused(work, with_members(work, 201), "/custom_fields", "it has 201");
}

static const char *with_size(struct work *work, size_t size)
{
    char *text = arena_alloc(&work->arena, size + 1);

    memset(text, 'x', size);
    memcpy(text, "{\"t\":\"", 6);
    memcpy(text + size - 2, "\"}", 3);
    return text;
}

static void test_size(void **state)
{
    struct work *work = *state;
    struct buf out;

    from_json(work, with_size(work, 16383));
    from_json(work, with_size(work, 16384));
    refused(work, with_size(work, 16385), "/custom_fields", "16384 bytes");
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
        struct bytes document = from_json(work, texts[i]);
        struct document_cost cost;
        bson_t view;

        assert_true(document_view(&document, &view));
        document_measure(&view, &cost);
        assert_int_equal(cost.bytes, strlen(texts[i]));
    }
}

/* --- random documents --- */

static void put_random(uint64_t *seed, unsigned depth, struct buf *out);

static void put_random_text(uint64_t *seed, struct buf *out)
{
    char text[4 * 12 + 1];

    random_text(seed, random_below(seed, 12), text);
    buf_json_string(out, text, strlen(text));
}

static void put_random_members(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t count = random_below(seed, 5);

    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s\"%c%zu\":", i > 0 ? "," : "", (char)('a' + random_below(seed, 26)), i);
        put_random(seed, depth + 1, out);
    }
    buf_putc(out, '}');
}

static void put_random_items(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t count = random_below(seed, 4);

    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_random(seed, depth + 1, out);
    }
    buf_putc(out, ']');
}

static void put_random_double(uint64_t *seed, struct buf *out)
{
    uint64_t bits = random_next(seed);
    double number;
    char text[40];

    memcpy(&number, &bits, sizeof number);
    if (!(number > -1e300 && number < 1e300))
        number = 0.1;
    snprintf(text, sizeof text, "%.17g", number);
    buf_puts(out, text);
    if (strpbrk(text, ".e") == NULL)
        buf_puts(out, ".0");
}

static void put_random(uint64_t *seed, unsigned depth, struct buf *out)
{
    size_t kind = random_below(seed, depth < 5 ? 8 : 5);

    if (kind == 0)
        buf_puts(out, "null");
    else if (kind == 1)
        buf_puts(out, random_below(seed, 2) == 0 ? "true" : "false");
    else if (kind == 2)
        buf_int(out, (int64_t)random_next(seed) >> random_below(seed, 64));
    else if (kind == 3)
        put_random_double(seed, out);
    else if (kind == 4)
        put_random_text(seed, out);
    else if (kind == 5)
        put_random_items(seed, depth, out);
    else
        put_random_members(seed, depth, out);
}

static bool same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == VALUE_BOOL)
        return a->boolean == b->boolean;
    if (a->type == VALUE_INT)
        return a->integer == b->integer;
    if (a->type == VALUE_REAL)
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    if (a->type == VALUE_STRING)
        return a->string.length == b->string.length &&
               memcmp(a->string.text, b->string.text, a->string.length) == 0;
    if (a->type == VALUE_ARRAY) {
        if (a->array.count != b->array.count)
            return false;
        for (size_t i = 0; i < a->array.count; i++) {
            if (!same(&a->array.items[i], &b->array.items[i]))
                return false;
        }
    }
    if (a->type == VALUE_OBJECT) {
        if (a->object.count != b->object.count)
            return false;
        for (size_t i = 0; i < a->object.count; i++) {
            if (strcmp(a->object.members[i].name, b->object.members[i].name) != 0 ||
                !same(&a->object.members[i].value, &b->object.members[i].value))
                return false;
        }
    }
    return true;
}

static const char *random_object(struct work *work, uint64_t *seed)
{
    struct buf out;

    buf_init(&out, &work->arena, 1000000);
    put_random_members(seed, 1, &out);
    return buf_text(&out);
}

static void test_random_round_trips(void **state)
{
    struct work *work = *state;
    uint64_t seed = 4;

    for (int round = 0; round < 3000; round++) {
        const char *text = random_object(work, &seed);
        const struct value *before = parse(work, text);
        struct bytes document = from_json(work, text);
        const struct value *after = parse(work, to_json(work, &document));

        if (!same(before, after))
            fail_msg("%s became %s", text, to_json(work, &document));
        arena_reset(&work->arena);
    }
}

/* --- merging --- */

static void merged(struct work *work, const char *target, const char *patch, const char *expected)
{
    struct bytes document = from_json(work, target);
    struct bytes result = {0};

    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &document, parse(work, patch), &result),
        ERR_OK);
    assert_string_equal(to_json(work, &result), expected);
}

/* RFC 7396, appendix A, as far as both are objects; and what it says of nesting and order. */
static void test_merge(void **state)
{
    struct work *work = *state;

    merged(work, "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    merged(work, "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
    merged(work, "{\"a\":\"b\"}", "{\"a\":null}", "{}");
    merged(work, "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
    merged(work, "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    merged(work, "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
    merged(work, "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
           "{\"a\":{\"b\":\"d\"}}");
    merged(work, "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
    merged(work, "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
    merged(work, "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
    merged(work, "{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}");
    merged(work, "{\"a\":1}", "{}", "{\"a\":1}");
    merged(work, "{\"a\":1}", "{\"b\":null}", "{\"a\":1}");
    merged(work, "{\"a\":{\"x\":1},\"b\":2}", "{\"a\":{}}", "{\"a\":{\"x\":1},\"b\":2}");
    /* Arrays are replaced whole, with their nulls. */
    merged(work, "{\"a\":[1,2,3]}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}");
    /* A change keeps its place, an addition comes last. */
    merged(work, "{\"a\":1,\"b\":2,\"c\":3}", "{\"d\":4,\"b\":9}",
           "{\"a\":1,\"b\":9,\"c\":3,\"d\":4}");

    struct bytes none = {0};
    struct bytes result = {0};
    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &none, parse(work, "{\"a\":1}"), &result),
        ERR_OK);
    assert_string_equal(to_json(work, &result), "{\"a\":1}");
}

static void not_merged(struct work *work, const char *target, const char *patch,
                       const char *pointer)
{
    struct bytes document = from_json(work, target);
    struct bytes result = {0};

    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &document, parse(work, patch), &result),
        ERR_CUSTOM_FIELDS);
    assert_string_equal(work->ctx.failure.field, pointer);
    assert_null(result.data);
}

/* The limits hold for the result, not for the patch. */
static void test_merge_limits(void **state)
{
    struct work *work = *state;
    struct buf removal;

    not_merged(work, "{}", "[]", "/custom_fields");
    not_merged(work, "{}", "{\"$set\":{}}", "/custom_fields/$set");
    not_merged(work, "{\"a\":1}", "{\"a\":{\"b.c\":1}}", "/custom_fields/a/b.c");
    not_merged(work, "{}", "{\"a.b\":null}", "/custom_fields/a.b");
    not_merged(work, "{\"a\":{\"b\":{\"c\":{}}}}", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}",
               "/custom_fields/a/b/c/d/e");
    not_merged(work, with_members(work, 200), "{\"one_more\":1}", "/custom_fields");
    not_merged(work, with_size(work, 16380), "{\"u\":\"xxxxxxxxxx\"}", "/custom_fields");
    /* 200 removed and 200 added at once is fine. */
    buf_init(&removal, &work->arena, 100000);
    buf_puts(&removal, "{\"o\":{");
    for (int i = 1; i < 200; i++)
        buf_printf(&removal, "%s\"m%d\":null,\"n%d\":1", i > 1 ? "," : "", i, i);
    buf_puts(&removal, "}}");
    struct bytes document = from_json(work, with_members(work, 200));
    struct bytes result;
    assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                    parse(work, buf_text(&removal)), &result),
                     ERR_OK);
    assert_null(strstr(to_json(work, &result), "\"m1\""));
}

/* The algorithm of RFC 7396 §2 on trees, for comparison. */
static void reference_merge(struct work *work, const struct value *target,
                            const struct value *patch, struct value *ret)
{
    static const struct value nothing = {.type = VALUE_OBJECT};
    size_t count = 0;

    if (patch->type != VALUE_OBJECT) {
        *ret = *patch;
        return;
    }
    if (target == NULL || target->type != VALUE_OBJECT)
        target = &nothing;
    ret->type = VALUE_OBJECT;
    ret->object.members = arena_array(&work->arena, target->object.count + patch->object.count,
                                      sizeof(struct member));
    for (size_t i = 0; i < target->object.count; i++) {
        const struct member *member = &target->object.members[i];
        const struct value *change = value_get(patch, member->name);

        if (change != NULL && change->type == VALUE_NULL)
            continue;
        ret->object.members[count] = *member;
        if (change != NULL)
            reference_merge(work, &member->value, change, &ret->object.members[count].value);
        count++;
    }
    for (size_t i = 0; i < patch->object.count; i++) {
        const struct member *member = &patch->object.members[i];

        if (member->value.type == VALUE_NULL || value_get(target, member->name) != NULL)
            continue;
        ret->object.members[count].name = member->name;
        reference_merge(work, NULL, &member->value, &ret->object.members[count].value);
        count++;
    }
    ret->object.count = count;
}

static void test_random_merges(void **state)
{
    struct work *work = *state;
    uint64_t seed = 5;

    for (int round = 0; round < 3000; round++) {
        const char *target = random_object(work, &seed);
        const char *patch = random_object(work, &seed);
        struct bytes document = from_json(work, target);
        struct bytes result;
        struct value expected = {0};

        assert_int_equal(
            document_merge(&work->ctx, "custom_fields", &document, parse(work, patch), &result),
            ERR_OK);
        reference_merge(work, parse(work, target), parse(work, patch), &expected);
        if (!same(&expected, parse(work, to_json(work, &result))))
            fail_msg("%s with %s became %s", target, patch, to_json(work, &result));
        arena_reset(&work->arena);
    }
}

/* What later versions or other writers stored survives a merge that does not touch it. */
static void test_merge_keeps_foreign_types(void **state)
{
    struct work *work = *state;
    AUTO(bson_destroy) bson_t *stored = bson_new();
    struct bytes result;

    bson_append_date_time(stored, "born", -1, INT64_C(1769851800123));
    bson_append_int32(stored, "small", -1, 7);
    struct bytes document = {.data = bson_get_data(stored), .size = stored->len};
    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &document, parse(work, "{\"a\":1}"), &result),
        ERR_OK);
    bson_t view;
    bson_iter_t iter;
    assert_true(document_view(&result, &view));
    assert_true(bson_iter_init_find(&iter, &view, "born"));
    assert_true(BSON_ITER_HOLDS_DATE_TIME(&iter));
    assert_string_equal(to_json(work, &result),
                        "{\"born\":\"2026-01-31T09:30:00.123Z\",\"small\":7,\"a\":1}");
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
    assert_string_equal(to_json(work, &bytes),
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
    assert_non_null(strstr(to_json(work, &bytes), "null"));
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
    assert_string_equal(to_json(work, &none), "{}");
    assert_false(document_view(&document, &view));
    document.size = 4;
    assert_false(document_view(&document, &view));
    document.size = sizeof bad;
    assert_int_equal(
        document_merge(&work->ctx, "custom_fields", &document, parse(work, "{}"), &result),
        ERR_INTERNAL);
}

/* MS-3 */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    struct bytes document = from_json(work, "{\"a\":{\"b\":1}}");
    const struct value *value = parse(work, "{\"a\":{\"c\":[1,2]},\"x\":\"y\"}");
    const struct value *wrong = parse(work, "{\"a\":{\"$c\":1}}");
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
        WORK_TEST(test_merge),
        WORK_TEST(test_merge_limits),
        WORK_TEST(test_random_merges),
        WORK_TEST(test_merge_keeps_foreign_types),
        WORK_TEST(test_elements),
        WORK_TEST(test_deep_foreign_document),
        WORK_TEST(test_view),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
