/*
 * Merge patches of custom fields. R001-15, IN-8: RFC 7396 to the letter, the limits held by the
 * result, against the algorithm of the standard on random documents.
 */
#include "app/document.h"

#include "app/bson_auto.h"
#include "support/documents.h"

static void merged(struct work *work, const char *target, const char *patch, const char *expected)
{
    struct bytes document = document_make(work, target);
    struct bytes result = {0};

    assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                    document_parse(work, patch), &result),
                     ERR_OK);
    assert_string_equal(document_text(work, &result), expected);
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
    assert_int_equal(document_merge(&work->ctx, "custom_fields", &none,
                                    document_parse(work, "{\"a\":1}"), &result),
                     ERR_OK);
    assert_string_equal(document_text(work, &result), "{\"a\":1}");
}

static void not_merged(struct work *work, const char *target, const char *patch,
                       const char *pointer)
{
    struct bytes document = document_make(work, target);
    struct bytes result = {0};

    assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                    document_parse(work, patch), &result),
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
    not_merged(work, document_of_members(work, 200), "{\"one_more\":1}", "/custom_fields");
    not_merged(work, document_of_size(work, 16380), "{\"u\":\"xxxxxxxxxx\"}", "/custom_fields");
    /* 200 removed and 200 added at once is fine. */
    buf_init(&removal, &work->arena, 100000);
    buf_puts(&removal, "{\"o\":{");
    for (int i = 1; i < 200; i++)
        buf_printf(&removal, "%s\"m%d\":null,\"n%d\":1", i > 1 ? "," : "", i, i);
    buf_puts(&removal, "}}");
    struct bytes document = document_make(work, document_of_members(work, 200));
    struct bytes result;
    assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                    document_parse(work, buf_text(&removal)), &result),
                     ERR_OK);
    assert_null(strstr(document_text(work, &result), "\"m1\""));
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
        const char *target = document_random(work, &seed);
        const char *patch = document_random(work, &seed);
        struct bytes document = document_make(work, target);
        struct bytes result;
        struct value expected = {0};

        assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                        document_parse(work, patch), &result),
                         ERR_OK);
        reference_merge(work, document_parse(work, target), document_parse(work, patch), &expected);
        if (!document_same(&expected, document_parse(work, document_text(work, &result))))
            fail_msg("%s with %s became %s", target, patch, document_text(work, &result));
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
    assert_int_equal(document_merge(&work->ctx, "custom_fields", &document,
                                    document_parse(work, "{\"a\":1}"), &result),
                     ERR_OK);
    bson_t view;
    bson_iter_t iter;
    assert_true(document_view(&result, &view));
    assert_true(bson_iter_init_find(&iter, &view, "born"));
    assert_true(BSON_ITER_HOLDS_DATE_TIME(&iter));
    assert_string_equal(document_text(work, &result),
                        "{\"born\":\"2026-01-31T09:30:00.123Z\",\"small\":7,\"a\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_merge),
        WORK_TEST(test_merge_limits),
        WORK_TEST(test_random_merges),
        WORK_TEST(test_merge_keeps_foreign_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
