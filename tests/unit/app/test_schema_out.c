/*
 * What leaves: JSON (R000-14: never a hash or an internal counter), YAML for people, OpenAPI
 * shapes; and the check of the tables themselves.
 */
#include "app/buf.h"
#include "app/json.h"
#include "app/schema.h"
#include "support/sample.h"
#include "support/unit.h"

static const char *to_json(struct work *work, const struct schema *schema, const void *struct_ptr)
{
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    schema_to_json(schema, struct_ptr, &out);
    assert_non_null(buf_text(&out));
    return buf_text(&out);
}

static struct sample full(void)
{
    static const uint8_t document[] = {16, 0, 0, 0, 0x12, 'a', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const char *tags[] = {"x", "<y>"};
    static struct part parts[] = {{"p", 1}, {"q", 0}};

    return (struct sample){
        .id = {{0x01, 0x90, 0xf3, 0xa1, 0x7c, 0x1e, 0x7b, 0x43, 0x9a, 0x0d, 0x2f, 0x6f, 0x3c, 0x1b,
                0x5a, 0x77}},
        .name = "J\xc3\xb6rg \"J\"",
        .motto = "",
        .password = "hunter2!",
        .hash = "$2b$10$secret",
        .canonical = "joerg",
        .port = 8080,
        .quota = INT64_MIN,
        .has_quota = true,
        .verified = true,
        .has_verified = true,
        .color = COLOR_RED,
        .created_at = INT64_C(1769851800123),
        .seen_at = 1,
        .mac = {document, 4},
        .custom = {document, sizeof document},
        .tags = {tags, 2},
        .inner = {.ttl = 60, .has_ttl = true},
        .parts = {parts, 2},
        .shown = "yes",
    };
}

static void test_json(void **state)
{
    struct work *work = *state;
    struct sample sample = full();

    assert_string_equal(
        to_json(work, &sample_schema, &sample),
        "{\"id\":\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\",\"name\":\"J\xc3\xb6rg \\\"J\\\"\","
        "\"motto\":\"\",\"port\":8080,\"quota\":-9223372036854775808,\"active\":false,"
        "\"verified\":true,\"color\":\"red\",\"created_at\":\"2026-01-31T09:30:00.123Z\","
        "\"seen_at\":\"1970-01-01T00:00:00.001Z\",\"custom\":{\"a\":1},"
        "\"tags\":[\"x\",\"\\u003cy\\u003e\"],\"inner\":{\"ttl\":60},"
        "\"parts\":[{\"label\":\"p\",\"count\":1},{\"label\":\"q\",\"count\":0}],\"shown\":"
        "\"yes\"}");
}

static void test_json_of_absent(void **state)
{
    struct work *work = *state;
    struct sample sample = {0};

    assert_string_equal(
        to_json(work, &sample_schema, &sample),
        "{\"port\":0,\"active\":false,\"verified\":null,\"seen_at\":null,\"custom\":{}}");
}

/* Lists that are promised are there when empty. */
static void test_required_lists(void **state)
{
    static const struct field fields[] = {
        FIELD_LIST(struct sample, parts, "users", F_REQUIRED, &part_schema, 9),
        FIELD_STRS(struct sample, tags, "tags", F_ALWAYS, 1, 9, 9),
        FIELD_OBJECT(struct sample, inner, "inner", F_REQUIRED, &inner_schema),
        FIELD_STR(struct sample, nick, "next", F_NONE, 1, 9),
    };
    static const struct schema schema = {
        .name = "list", .size = sizeof(struct sample), SCHEMA_FIELDS(fields)};
    struct work *work = *state;
    struct sample sample = {0};

    assert_string_equal(to_json(work, &schema, &sample), "{\"users\":[],\"tags\":[],\"inner\":{}}");
}

static void test_yaml(void **state)
{
    struct work *work = *state;
    struct sample sample = full();
    struct buf out;

    sample.nick = "null";
    sample.email = "a: b";
    sample.level = "low";
    buf_init(&out, &work->arena, 100000);
    schema_to_yaml_masked(&sample_schema, &sample, &out);
    const char *text = buf_text(&out);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nname: \"J\xc3\xb6rg \\\"J\\\"\"\n"));
    assert_non_null(strstr(text, "\nemail: \"a: b\"\n"));
    assert_non_null(strstr(text, "\nnick: \"null\"\n"));
    assert_non_null(strstr(text, "\nlevel: low\n"));
    assert_non_null(strstr(text, "\nhash: \"********\"\n"));
    assert_non_null(strstr(text, "\npassword: \"********\"\n"));
    assert_non_null(strstr(text, "\nport: 8080\n"));
    assert_non_null(strstr(text, "\nactive: false\n"));
    assert_non_null(strstr(text, "\ntags:\n  - x\n  - \"<y>\"\n"));
    assert_non_null(strstr(text, "\ninner:\n  ttl: 60\n  strict: null\n  note: null\n"));
    assert_null(strstr(text, "$2b$"));
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "joerg"));
}

static const struct value *openapi(struct work *work, enum schema_view view)
{
    struct value *value = arena_alloc(&work->arena, sizeof *value);
    struct buf out;

    buf_init(&out, &work->arena, 100000);
    schema_to_openapi(&sample_schema, view, &out);
    assert_non_null(buf_text(&out));
    if (json_parse(&work->ctx, out.data, out.size, value) != ERR_OK)
        fail_msg("%s: %s", work->ctx.failure.detail, out.data);
    return value;
}

static bool lists(const struct value *array, const char *text)
{
    for (size_t i = 0; i < array->array.count; i++) {
        if (strcmp(array->array.items[i].string.text, text) == 0)
            return true;
    }
    return false;
}

static void test_openapi_input(void **state)
{
    static const char *const hidden[] = {"id", "tenant_id", "canonical", "seen_at", "mac", "shown"};
    struct work *work = *state;
    const struct value *schema = openapi(work, VIEW_INPUT);
    const struct value *properties = value_get(schema, "properties");

    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        assert_null(value_get(properties, hidden[i]));
    assert_int_equal(value_get(schema, "required")->array.count, 1);
    assert_true(lists(value_get(schema, "required"), "name"));
    const struct value *name = value_get(properties, "name");
    assert_int_equal(value_get(name, "minLength")->integer, 2);
    assert_int_equal(value_get(name, "maxLength")->integer, 10);
    assert_string_equal(value_get(name, "description")->string.text, "A name.");
    assert_true(lists(value_get(name, "examples"), "Ana"));
    /* "" of an optional text is taken: it counts as absent. */
    assert_null(value_get(value_get(properties, "email"), "minLength"));
    assert_true(value_get(value_get(properties, "password"), "writeOnly")->boolean);
    assert_int_equal(value_get(value_get(properties, "port"), "maximum")->integer, 65535);
    assert_null(value_get(value_get(properties, "quota"), "maximum"));
    assert_true(lists(value_get(value_get(properties, "color"), "enum"), "green"));
    const struct value *tags = value_get(properties, "tags");
    assert_int_equal(value_get(tags, "maxItems")->integer, 3);
    assert_int_equal(value_get(value_get(tags, "items"), "maxLength")->integer, 4);
    const struct value *parts = value_get(value_get(properties, "parts"), "items");
    assert_true(lists(value_get(parts, "required"), "label"));
    assert_non_null(value_get(value_get(value_get(properties, "inner"), "properties"), "ttl"));
}

static void test_openapi_output(void **state)
{
    static const char *const hidden[] = {"password", "hash", "canonical", "mac"};
    static const char *const always[] = {"name", "port", "active", "verified", "seen_at", "custom"};
    struct work *work = *state;
    const struct value *schema = openapi(work, VIEW_OUTPUT);
    const struct value *properties = value_get(schema, "properties");

    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        assert_null(value_get(properties, hidden[i]));
    assert_int_equal(value_get(schema, "required")->array.count, COUNT_OF(always));
    for (size_t i = 0; i < COUNT_OF(always); i++)
        assert_true(lists(value_get(schema, "required"), always[i]));
    assert_string_equal(value_get(value_get(properties, "id"), "format")->string.text, "uuid");
    assert_true(lists(value_get(value_get(properties, "seen_at"), "type"), "null"));
    assert_true(lists(value_get(value_get(properties, "verified"), "type"), "null"));
    assert_null(value_get(value_get(properties, "name"), "maxLength"));
}

static void test_openapi_patch(void **state)
{
    static const char *const not_changed[] = {"id", "email", "password", "canonical", "shown"};
    struct work *work = *state;
    const struct value *schema = openapi(work, VIEW_PATCH);
    const struct value *properties = value_get(schema, "properties");

    assert_null(value_get(schema, "required"));
    for (size_t i = 0; i < COUNT_OF(not_changed); i++)
        assert_null(value_get(properties, not_changed[i]));
    assert_true(lists(value_get(value_get(properties, "nick"), "type"), "null"));
    assert_string_equal(value_get(value_get(properties, "name"), "type")->string.text, "string");
    assert_null(value_get(value_get(value_get(properties, "inner"), "properties"), "note"));
    /* Items of a replaced list are complete. */
    const struct value *parts = value_get(value_get(properties, "parts"), "items");
    assert_true(lists(value_get(parts, "required"), "label"));
}

/* --- mistakes of tables --- */

static void expect_mistake(const struct field *field, const char *words)
{
    struct schema schema = {
        .name = "s", .size = sizeof(struct sample), .fields = field, .field_count = 1};
    const char *mistake = schema_check(&schema);

    if (mistake == NULL || strstr(mistake, words) == NULL)
        fail_msg("%s: %s", words, mistake != NULL ? mistake : "no mistake seen");
}

#define EXPECT_MISTAKE(words, ...)                     \
    do {                                               \
        static const struct field wrong = __VA_ARGS__; \
        expect_mistake(&wrong, (words));               \
    } while (0)

static void test_mistakes(void **state)
{
    static const char *const no_null[] = {"red", NULL};
    (void)state;

    EXPECT_MISTAKE("without type", {.name = "x"});
    EXPECT_MISTAKE("lengths", FIELD_STR(struct sample, name, "x", F_NONE, 1, 0));
    EXPECT_MISTAKE("lengths", FIELD_STR(struct sample, name, "x", F_NONE, 5, 4));
    EXPECT_MISTAKE("lengths", FIELD_STR(struct sample, name, "x", F_NONE, -1, 4));
    EXPECT_MISTAKE("range", FIELD_INT(struct sample, port, "x", F_NONE, 0, 0));
    EXPECT_MISTAKE("range", FIELD_INT(struct sample, port, "x", F_NONE, 2, 1));
    EXPECT_MISTAKE("enum", FIELD_ENUM(struct sample, color, "x", F_NONE, no_null));
    EXPECT_MISTAKE("enum", FIELD_ENUM(struct sample, color, "x", F_NONE, NULL));
    EXPECT_MISTAKE("sub", FIELD_OBJECT(struct sample, inner, "x", F_NONE, NULL));
    EXPECT_MISTAKE("sub", FIELD_LIST(struct sample, parts, "x", F_NONE, NULL, 3));
    EXPECT_MISTAKE("max_items", FIELD_LIST(struct sample, parts, "x", F_NONE, &part_schema, 0));
    EXPECT_MISTAKE("max_items", FIELD_STRS(struct sample, tags, "x", F_NONE, 1, 2, 0));
    EXPECT_MISTAKE("usable name", FIELD_BOOL(struct sample, active, "", F_NONE));
    EXPECT_MISTAKE("usable name", FIELD_BOOL(struct sample, active, "a.b", F_NONE));
    EXPECT_MISTAKE("outside", {.name = "x", .type = FT_BOOL, .offset = sizeof(struct sample)});
    EXPECT_MISTAKE("has_offset beside",
                   FIELD_UUID(struct sample, id, "x", F_NONE, .has_offset = 99));
    EXPECT_MISTAKE("bad has_offset", FIELD_BOOL_OPT(struct sample, active, active, "x", F_NONE));
    EXPECT_MISTAKE("null clears",
                   FIELD_BOOL(struct sample, active, "x", F_REQUIRED | F_NULL_CLEARS));
    EXPECT_MISTAKE("write-only", FIELD_BOOL(struct sample, active, "x", F_READONLY | F_WRITE_ONLY));
    EXPECT_MISTAKE("check",
                   FIELD_BOOL(struct sample, active, "x", F_NONE, .check = text_check_name));
}

static void test_repeated_names(void **state)
{
    static const struct field same_json[] = {
        FIELD_BOOL(struct sample, active, "x", F_NONE),
        FIELD_STR(struct sample, name, "x", F_NONE, 1, 2, .bson = "y"),
    };
    static const struct field same_bson[] = {
        FIELD_BOOL(struct sample, active, "x", F_NONE),
        FIELD_STR(struct sample, name, "y", F_NONE, 1, 2, .bson = "x"),
    };
    static const struct field unstored[] = {
        FIELD_BOOL(struct sample, active, "x", F_NOT_STORED),
        FIELD_STR(struct sample, name, "y", F_NONE, 1, 2, .bson = "x"),
    };
    struct schema schema = {.name = "s", .size = sizeof(struct sample), SCHEMA_FIELDS(same_json)};
    (void)state;

    assert_non_null(schema_check(&schema));
    schema.fields = same_bson;
    assert_non_null(schema_check(&schema));
    schema.fields = unstored;
    assert_null(schema_check(&schema));
    schema.size = 0;
    assert_non_null(schema_check(&schema));
}

/* Tables that contain themselves would never end. */
static void test_circle(void **state)
{
    struct schema circle = {.name = "c", .size = sizeof(struct sample), .field_count = 1};
    struct field field = FIELD_OBJECT(struct sample, inner, "x", F_NONE, &circle);
    (void)state;

    field.offset = 0;
    circle.fields = &field;
    assert_non_null(strstr(schema_check(&circle), "circle"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_json),
        WORK_TEST(test_json_of_absent),
        WORK_TEST(test_required_lists),
        WORK_TEST(test_yaml),
        WORK_TEST(test_openapi_input),
        WORK_TEST(test_openapi_output),
        WORK_TEST(test_openapi_patch),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_repeated_names),
        cmocka_unit_test(test_circle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
