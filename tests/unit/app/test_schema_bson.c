/*
 * Structs to BSON and back: types as design §6 names them, absent left out, random round trips; and
 * the collection validator, which the database itself judges (IN-10).
 */
#include "app/bson_auto.h"
#include "app/schema.h"
#include "support/sample_random.h"
#include "support/unit.h"

static void same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void same_bytes(const struct bytes *a, const struct bytes *b)
{
    assert_int_equal(a->data == NULL, b->data == NULL);
    assert_int_equal(a->size, b->size);
    if (a->size > 0)
        assert_memory_equal(a->data, b->data, a->size);
}

static void same_sample(const struct sample *a, const struct sample *b)
{
    assert_true(uuid_equal(&a->id, &b->id));
    assert_true(uuid_equal(&a->tenant_id, &b->tenant_id));
    same_text(a->name, b->name);
    same_text(a->email, b->email);
    same_text(a->nick, b->nick);
    same_text(a->hash, b->hash);
    same_text(a->canonical, b->canonical);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->active, b->active);
    assert_int_equal(a->has_quota, b->has_quota);
    assert_int_equal(a->quota, b->quota);
    assert_int_equal(a->has_verified, b->has_verified);
    assert_int_equal(a->verified, b->verified);
    assert_int_equal(a->color, b->color);
    assert_int_equal(a->created_at, b->created_at);
    same_bytes(&a->mac, &b->mac);
    same_bytes(&a->custom, &b->custom);
    assert_int_equal(a->tags.items == NULL, b->tags.items == NULL);
    assert_int_equal(a->tags.count, b->tags.count);
    for (size_t i = 0; i < a->tags.count; i++)
        assert_string_equal(a->tags.items[i], b->tags.items[i]);
    assert_int_equal(a->inner.has_ttl, b->inner.has_ttl);
    assert_int_equal(a->inner.ttl, b->inner.ttl);
    same_text(a->inner.note, b->inner.note);
    assert_int_equal(a->parts.items == NULL, b->parts.items == NULL);
    assert_int_equal(a->parts.count, b->parts.count);
    for (size_t i = 0; i < a->parts.count; i++) {
        const struct part *left = (const struct part *)a->parts.items + i;
        const struct part *right = (const struct part *)b->parts.items + i;

        assert_string_equal(left->label, right->label);
        assert_int_equal(left->count, right->count);
    }
}

static void test_random_round_trips(void **state)
{
    struct work *work = *state;
    uint64_t seed = 6;

    for (int round = 0; round < 2000; round++) {
        struct sample before = random_sample(work, &seed);
        struct sample after = {0};
        AUTO(bson_destroy) bson_t *document = bson_new();

        assert_true(schema_to_bson(&sample_schema, &before, document));
        assert_int_equal(schema_from_bson(&work->ctx, &sample_schema, document, &after), ERR_OK);
        same_sample(&before, &after);
        arena_reset(&work->arena);
    }
}

static void test_types_and_names(void **state)
{
    static const uint8_t empty[] = {5, 0, 0, 0, 0};
    static const char *tags[] = {"a"};
    static const struct {
        const char *name;
        bson_type_t type;
    } rows[] = {
        {"_id", BSON_TYPE_BINARY},           {"name", BSON_TYPE_UTF8},
        {"canon", BSON_TYPE_UTF8},           {"port", BSON_TYPE_INT64},
        {"active", BSON_TYPE_BOOL},          {"color", BSON_TYPE_UTF8},
        {"created_at", BSON_TYPE_DATE_TIME}, {"mac", BSON_TYPE_BINARY},
        {"custom", BSON_TYPE_DOCUMENT},      {"tags", BSON_TYPE_ARRAY},
        {"inner", BSON_TYPE_DOCUMENT},
    };
    struct sample sample = {
        .id = uuid_new(),
        .name = "Ana",
        .canonical = "ana",
        .password = "secret-pw",
        .shown = "x",
        .color = COLOR_GREEN,
        .created_at = 5,
        .mac = {empty, 5},
        .custom = {empty, 5},
        .tags = {tags, 1},
        .inner = {.ttl = 1, .has_ttl = true},
    };
    AUTO(bson_destroy) bson_t *document = bson_new();
    bson_iter_t iter;
    bson_subtype_t subtype;
    (void)state;

    assert_true(schema_to_bson(&sample_schema, &sample, document));
    assert_true(bson_iter_init(&iter, document));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(bson_iter_next(&iter));
        assert_string_equal(bson_iter_key(&iter), rows[i].name);
        assert_int_equal(bson_iter_type(&iter), rows[i].type);
    }
    assert_false(bson_iter_next(&iter));
    assert_true(bson_iter_init_find(&iter, document, "_id"));
    bson_iter_binary(&iter, &subtype, NULL, NULL);
    assert_int_equal(subtype, BSON_SUBTYPE_UUID);
    assert_true(bson_iter_init_find(&iter, document, "color"));
    assert_string_equal(bson_iter_utf8(&iter, NULL), "green");
    assert_false(bson_has_field(document, "password"));
    assert_false(bson_has_field(document, "shown"));
}

static void test_masked(void **state)
{
    struct sample sample = {.name = "Ana", .port = 7, .nick = "n"};
    AUTO(bson_destroy) bson_t *document = bson_new();
    uint64_t mask = UINT64_C(1) << schema_field_index(&sample_schema, "port") |
                    UINT64_C(1) << schema_field_index(&sample_schema, "nick") |
                    UINT64_C(1) << schema_field_index(&sample_schema, "email") |
                    UINT64_C(1) << schema_field_index(&sample_schema, "canonical") |
                    UINT64_C(1) << schema_field_index(&sample_schema, "shown");
    (void)state;

    sample.canonical = "c";
    sample.shown = "x";
    assert_true(schema_to_bson_masked(&sample_schema, &sample, mask, "a.", document));
    assert_int_equal(bson_count_keys(document), 3);
    bson_iter_t iter;
    assert_true(bson_iter_init(&iter, document));
    assert_true(bson_iter_next(&iter));
    assert_string_equal(bson_iter_key(&iter), "a.nick");
    assert_true(bson_iter_next(&iter));
    assert_string_equal(bson_iter_key(&iter), "a.canon");
    assert_true(bson_iter_next(&iter));
    assert_string_equal(bson_iter_key(&iter), "a.port");
}

/* What was set and what is unset are all of the mask, and nothing twice. */
static void test_set_and_unset_replace(void **state)
{
    struct work *work = *state;
    uint64_t seed = 11;

    for (int round = 0; round < 500; round++) {
        const struct sample sample = random_sample(work, &seed);
        const uint64_t mask = random_next(&seed);
        AUTO(bson_destroy) bson_t *set = bson_new();
        AUTO(bson_destroy) bson_t *update = bson_new();
        bson_iter_t iter, unset;

        assert_true(schema_to_bson_masked(&sample_schema, &sample, mask, "a.", set));
        assert_true(schema_put_unset(&sample_schema, &sample, mask, "a.", update));

        const bool has_unset = bson_iter_init_find(&iter, update, "$unset");
        uint32_t count = bson_count_keys(set);

        assert_int_equal(bson_count_keys(update), has_unset);
        if (has_unset && bson_iter_recurse(&iter, &unset)) {
            while (bson_iter_next(&unset)) {
                assert_false(bson_has_field(set, bson_iter_key(&unset)));
                assert_memory_equal(bson_iter_key(&unset), "a.", 2);
                count++;
            }
        }
        for (size_t i = 0; i < sample_schema.field_count; i++)
            count -= (uint32_t)(mask >> i & 1);
        assert_int_equal(count, 0);
        arena_reset(&work->arena);
    }
}

/* Numbers of other writers are taken when they are whole; null is absent; the unknown is skipped.
 */
static void test_lenient_reading(void **state)
{
    struct work *work = *state;
    AUTO(bson_destroy) bson_t *document = bson_new();
    struct sample sample = {.nick = "kept"};

    bson_append_int32(document, "port", -1, 80);
    bson_append_double(document, "quota", -1, -9223372036854775808.0);
    bson_append_null(document, "nick", -1);
    bson_append_utf8(document, "later_version", -1, "x", -1);
    bson_append_int32(document, "shown", -1, 5);
    bson_append_utf8(document, "name", -1, "Ana", -1);
    assert_int_equal(schema_from_bson(&work->ctx, &sample_schema, document, &sample), ERR_OK);
    assert_int_equal(sample.port, 80);
    assert_true(sample.has_quota);
    assert_int_equal(sample.quota, INT64_MIN);
    assert_string_equal(sample.nick, "kept");
    assert_string_equal(sample.name, "Ana");
    assert_null(sample.shown);
}

static void append_wrong(bson_t *document, const char *name, size_t kind)
{
    static const uint8_t bytes[16] = {1};
    AUTO(bson_destroy) bson_t *child = bson_new();

    if (kind == 0)
        bson_append_utf8(document, name, -1, "text", -1);
    else if (kind == 1)
        bson_append_int64(document, name, -1, 1);
    else if (kind == 2)
        bson_append_double(document, name, -1, 1.5);
    else if (kind == 3)
        bson_append_bool(document, name, -1, true);
    else if (kind == 4)
        bson_append_date_time(document, name, -1, 1);
    else if (kind == 5)
        bson_append_binary(document, name, -1, BSON_SUBTYPE_UUID, bytes, 16);
    else if (kind == 6)
        bson_append_binary(document, name, -1, BSON_SUBTYPE_UUID, bytes, 15);
    else if (kind == 7)
        bson_append_document(document, name, -1, child);
    else if (kind == 8)
        bson_append_array(document, name, -1, child);
    else if (kind == 9)
        bson_append_utf8(document, name, -1, "a\0b", 3);
    else if (kind == 10)
        bson_append_utf8(document, name, -1, "\xff", 1);
    else if (kind == 11)
        bson_append_double(document, name, -1, 1e19);
    else
        bson_append_binary(document, name, -1, BSON_SUBTYPE_BINARY, bytes, 16);
}

static void test_wrong_types(void **state)
{
    static const struct {
        const char *name;
        unsigned accepted;
    } rows[] = {
        {"_id", 1 << 5},
        {"name", 1 << 0},
        {"port", 1 << 1},
        {"active", 1 << 3},
        {"color", 0},
        {"created_at", 1 << 4},
        {"mac", 1 << 5 | 1 << 6 | 1 << 12},
        {"custom", 1 << 7},
        {"tags", 1 << 8},
        {"inner", 1 << 7},
        {"parts", 1 << 8},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t kind = 0; kind < 13; kind++) {
            AUTO(bson_destroy) bson_t *document = bson_new();
            struct sample sample = {0};

            append_wrong(document, rows[i].name, kind);
            fail_clear(&work->ctx);
            enum err err = schema_from_bson(&work->ctx, &sample_schema, document, &sample);
            if ((err == ERR_OK) != ((rows[i].accepted >> kind & 1) != 0))
                fail_msg("%s, kind %zu: %d", rows[i].name, kind, (int)err);
            if (err != ERR_OK) {
                assert_int_equal(err, ERR_INTERNAL);
                assert_non_null(strstr(work->ctx.failure.internal, "samples."));
                assert_non_null(strstr(work->ctx.failure.internal, rows[i].name));
                assert_null(work->ctx.failure.detail);
            }
        }
    }
}

static void test_wrong_inside_lists(void **state)
{
    struct work *work = *state;
    AUTO(bson_destroy) bson_t *document = bson_new();
    AUTO(bson_destroy) bson_t *items = bson_new();
    struct sample sample = {0};

    bson_append_int32(items, "0", -1, 1);
    bson_append_array(document, "tags", -1, items);
    assert_int_equal(schema_from_bson(&work->ctx, &sample_schema, document, &sample), ERR_INTERNAL);
    bson_reinit(document);
    bson_append_array(document, "parts", -1, items);
    assert_int_equal(schema_from_bson(&work->ctx, &sample_schema, document, &sample), ERR_INTERNAL);
}

/* Bytes that are no BSON: refused, not read past. */
static void test_corrupt_documents(void **state)
{
    struct work *work = *state;
    uint64_t seed = 7;

    for (int round = 0; round < 3000; round++) {
        struct sample before = random_sample(work, &seed);
        struct sample after = {0};
        AUTO(bson_destroy) bson_t *document = bson_new();
        bson_t view;

        assert_true(schema_to_bson(&sample_schema, &before, document));
        uint8_t *bytes = arena_memdup(&work->arena, bson_get_data(document), document->len);
        for (int i = 0; i < 3; i++)
            bytes[4 + random_below(&seed, document->len - 5)] = (uint8_t)random_next(&seed);
        if (bson_init_static(&view, bytes, document->len)) {
            enum err err = schema_from_bson(&work->ctx, &sample_schema, &view, &after);
            assert_true(err == ERR_OK || err == ERR_INTERNAL || err == ERR_MEMORY);
        }
        arena_reset(&work->arena);
    }
}

/* MS-3 */
static void test_out_of_memory(void **state)
{
    struct work *work = *state;
    uint64_t seed = 9;
    struct sample before = random_sample(work, &seed);
    AUTO(bson_destroy) bson_t *document = bson_new();
    int64_t n;

    before.tags = random_strs(work, &seed);
    before.parts = random_parts(work, &seed);
    assert_true(schema_to_bson(&sample_schema, &before, document));
    for (n = 1;; n++) {
        struct sample after = {0};

        arena_fail_after(n);
        enum err err = schema_from_bson(&work->ctx, &sample_schema, document, &after);
        if (arena_fail_after(0) != 0) {
            assert_int_equal(err, ERR_OK);
            break;
        }
        assert_int_equal(err, ERR_MEMORY);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_random_round_trips),
        WORK_TEST(test_types_and_names),
        WORK_TEST(test_masked),
        WORK_TEST(test_set_and_unset_replace),
        WORK_TEST(test_lenient_reading),
        WORK_TEST(test_wrong_types),
        WORK_TEST(test_wrong_inside_lists),
        WORK_TEST(test_corrupt_documents),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
