/* Decoding of patches (IN-8: only what may change), and of plain scalars: forms and YAML. */
#include "app/json.h"
#include "app/schema.h"
#include "support/sample.h"
#include "support/unit.h"

static const struct value *parse(struct work *work, const char *text)
{
    struct value *value = arena_alloc(&work->arena, sizeof *value);

    assert_int_equal(json_parse(&work->ctx, text, strlen(text), value), ERR_OK);
    return value;
}

static enum err decode(struct work *work, const char *text, enum decode_mode mode,
                       struct sample *ret)
{
    const struct value *value = parse(work, text);

    fail_clear(&work->ctx);
    return schema_decode(&work->ctx, &sample_schema, value, mode, ret);
}

static void expect_failure(struct work *work, enum err code, const char *field,
                           const char *sentence)
{
    assert_int_equal(work->ctx.failure.code, code);
    assert_string_equal(work->ctx.failure.field, field);
    if (strcmp(work->ctx.failure.detail, sentence) != 0)
        fail_msg("%s", work->ctx.failure.detail);
}

/* --- patches --- */

/* IN-8 */
static void test_patch_takes_only_what_may_change(void **state)
{
    static const struct {
        const char *text;
        enum err code;
        const char *field;
    } rows[] = {
        {"{\"nope\":1}", ERR_UNKNOWN_FIELD, "nope"},
        {"{\"$set\":{}}", ERR_UNKNOWN_FIELD, "$set"},
        {"{\"name.x\":1}", ERR_UNKNOWN_FIELD, "name.x"},
        {"{\"_id\":1}", ERR_UNKNOWN_FIELD, "_id"},
        {"{\"canonical\":\"x\"}", ERR_UNKNOWN_FIELD, "canonical"},
        {"{\"mac\":\"x\"}", ERR_UNKNOWN_FIELD, "mac"},
        {"{\"id\":\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\"}", ERR_READONLY_FIELD, "id"},
        {"{\"seen_at\":null}", ERR_READONLY_FIELD, "seen_at"},
        {"{\"email\":\"a@b.example\"}", ERR_READONLY_FIELD, "email"},
        {"{\"password\":\"12345678\"}", ERR_READONLY_FIELD, "password"},
        {"{\"inner\":{\"note\":\"x\"}}", ERR_READONLY_FIELD, "inner.note"},
        {"{\"inner\":{\"nope\":1}}", ERR_UNKNOWN_FIELD, "inner.nope"},
        {"{\"name\":null}", ERR_VALIDATION, "name"},
        {"{\"active\":null}", ERR_VALIDATION, "active"},
        {"{\"inner\":null}", ERR_VALIDATION, "inner"},
        {"{\"inner\":{\"strict\":null}}", ERR_VALIDATION, "inner.strict"},
        {"{\"name\":\"\"}", ERR_VALIDATION, "name"},
        {"{\"port\":0}", ERR_VALIDATION, "port"},
        {"{\"custom\":[]}", ERR_CUSTOM_FIELDS, "/custom"},
        {"{\"parts\":[{}]}", ERR_VALIDATION, "parts.0.label"},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sample sample = {0};

        assert_int_equal(decode(work, rows[i].text, DECODE_PATCH, &sample), rows[i].code);
        assert_string_equal(work->ctx.failure.field, rows[i].field);
    }
}

static void test_patch(void **state)
{
    static const uint8_t stored[] = {5, 0, 0, 0, 0};
    struct work *work = *state;
    struct sample sample = {.name = "Old",
                            .nick = "nick",
                            .quota = 5,
                            .has_quota = true,
                            .color = COLOR_RED,
                            .custom = {.data = stored, .size = 5}};
    const char *text = "{\"nick\":null,\"quota\":null,\"color\":null,\"custom\":{\"a\":null},"
                       "\"active\":true,\"inner\":{\"ttl\":null}}";

    sample.inner.has_ttl = true;
    assert_int_equal(decode(work, text, DECODE_PATCH, &sample), ERR_OK);
    assert_string_equal(sample.name, "Old");
    assert_null(sample.nick);
    assert_false(sample.has_quota);
    assert_int_equal(sample.quota, 0);
    assert_int_equal(sample.color, COLOR_UNSET);
    assert_true(sample.active);
    assert_false(sample.inner.has_ttl);
    /* Documents are merged by document_merge. */
    assert_ptr_equal(sample.custom.data, stored);

    uint64_t mask = schema_present(&sample_schema, parse(work, text));
    assert_true(mask >> schema_field_index(&sample_schema, "nick") & 1);
    assert_true(mask >> schema_field_index(&sample_schema, "inner") & 1);
    assert_false(mask >> schema_field_index(&sample_schema, "name") & 1);
    assert_int_equal(__builtin_popcountll(mask), 6);
    assert_int_equal(schema_present(&sample_schema, NULL), 0);

    sample.nick = "nick";
    assert_int_equal(decode(work, "{\"nick\":\" \"}", DECODE_PATCH, &sample), ERR_OK);
    assert_null(sample.nick);
    assert_int_equal(decode(work, "{}", DECODE_PATCH, &sample), ERR_OK);
    assert_int_equal(decode(work, "{\"custom\":null}", DECODE_PATCH, &sample), ERR_OK);
    assert_null(sample.custom.data);
}

/* --- plain scalars: YAML and forms --- */

static enum err decode_plain(struct work *work, const char *name, const char *text,
                             enum decode_mode mode, struct sample *ret)
{
    struct member members[2] = {
        {.name = "name",
         .line = 1,
         .value = {.type = VALUE_STRING,
                   .plain = true,
                   .line = 1,
                   .string = {.text = "Ana", .length = 3}}},
        {.name = name,
         .line = 12,
         .value = {.type = VALUE_STRING,
                   .plain = true,
                   .line = 12,
                   .string = {.text = text, .length = strlen(text)}}},
    };
    struct value value = {.type = VALUE_OBJECT, .object = {.members = members, .count = 2}};

    memset(ret, 0, sizeof *ret);
    fail_clear(&work->ctx);
    return schema_decode(&work->ctx, &sample_schema, &value, mode, ret);
}

static void test_plain_scalars(void **state)
{
    static const char *const bad_integers[] = {
        "", "+1", "01", "1.0", "0x10", " 1", "1 ", "1e3", "--1", "-", "9223372036854775808"};
    static const char *const bad_booleans[] = {"True", "yes", "on", "1", "true ", "x"};
    struct work *work = *state;
    struct sample sample;

    assert_int_equal(decode_plain(work, "port", "8080", DECODE_INPUT, &sample), ERR_OK);
    assert_int_equal(sample.port, 8080);
    assert_int_equal(decode_plain(work, "quota", "-9223372036854775808", DECODE_INPUT, &sample),
                     ERR_OK);
    assert_int_equal(sample.quota, INT64_MIN);
    assert_int_equal(decode_plain(work, "active", "true", DECODE_INPUT, &sample), ERR_OK);
    assert_true(sample.active);
    assert_int_equal(decode_plain(work, "verified", "false", DECODE_INPUT, &sample), ERR_OK);
    assert_true(sample.has_verified);
    assert_int_equal(decode_plain(work, "motto", "true", DECODE_INPUT, &sample), ERR_OK);
    assert_string_equal(sample.motto, "true");
    assert_int_equal(decode_plain(work, "color", "red", DECODE_INPUT, &sample), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad_integers); i++)
        assert_int_equal(decode_plain(work, "quota", bad_integers[i], DECODE_INPUT, &sample),
                         ERR_VALIDATION);
    for (size_t i = 0; i < COUNT_OF(bad_booleans); i++)
        assert_int_equal(decode_plain(work, "active", bad_booleans[i], DECODE_INPUT, &sample),
                         ERR_VALIDATION);
}

static void test_config_mode(void **state)
{
    struct work *work = *state;
    struct sample sample;

    assert_int_equal(decode_plain(work, "port", "0", DECODE_CONFIG, &sample), ERR_VALIDATION);
    expect_failure(work, ERR_VALIDATION, "port",
                   "line 12: port must be between 1 and 65535; it is 0");
    assert_int_equal(decode_plain(work, "prot", "80", DECODE_CONFIG, &sample), ERR_UNKNOWN_FIELD);
    expect_failure(work, ERR_UNKNOWN_FIELD, "prot", "line 12: prot does not exist here");
    assert_int_equal(decode_plain(work, "port", "80", DECODE_CONFIG, &sample), ERR_OK);
}

/* A password must not stand in a sentence that is logged. */
static void test_sentences_show_no_text(void **state)
{
    struct work *work = *state;
    struct sample sample = {0};

    assert_int_equal(
        decode(work, "{\"name\":\"Ana\",\"password\":\"hunt2\"}", DECODE_INPUT, &sample),
        ERR_VALIDATION);
    assert_null(strstr(work->ctx.failure.detail, "hunt2"));
    assert_int_equal(decode(work, "{\"color\":\"hunt2\"}", DECODE_PATCH, &sample), ERR_VALIDATION);
    assert_null(strstr(work->ctx.failure.detail, "hunt2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_patch_takes_only_what_may_change),
        WORK_TEST(test_patch),
        WORK_TEST(test_plain_scalars),
        WORK_TEST(test_config_mode),
        WORK_TEST(test_sentences_show_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
