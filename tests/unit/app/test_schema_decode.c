/*
 * Decoding. IN-1: every type refuses every other before anything is built; lengths, ranges and
 * closed lists at their edges; sentences that say what is allowed.
 */
#include <stdio.h>

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

/* One member beside the required one. */
static enum err decode_member(struct work *work, const char *name, const char *text,
                              struct sample *ret)
{
    const char *whole =
        strcmp(name, "name") == 0
            ? arena_printf(&work->arena, "{\"name\":%s}", text)
            : arena_printf(&work->arena, "{\"name\":\"Ana\",\"%s\":%s}", name, text);

    memset(ret, 0, sizeof *ret);
    return decode(work, whole, DECODE_INPUT, ret);
}

static void expect_failure(struct work *work, enum err code, const char *field,
                           const char *sentence)
{
    assert_int_equal(work->ctx.failure.code, code);
    assert_string_equal(work->ctx.failure.field, field);
    if (strcmp(work->ctx.failure.detail, sentence) != 0)
        fail_msg("%s", work->ctx.failure.detail);
}

static void test_tables(void **state)
{
    (void)state;
    assert_null(schema_check(&sample_schema));
    assert_int_equal(schema_field_index(&sample_schema, "id"), 0);
    assert_int_equal(schema_field_index(&sample_schema, "_id"), -1);
    assert_int_equal(schema_field_index(&sample_schema, ""), -1);
}

static void test_everything(void **state)
{
    struct work *work = *state;
    struct sample sample = {0};

    assert_int_equal(
        decode(work,
               "{\"name\":\"Ana\",\"email\":\" Ana@Example.com \",\"nick\":\"\xc2\xa0 n \","
               "\"motto\":\"\",\"level\":\"high\",\"password\":\" pass word \",\"hash\":\"h\","
               "\"port\":8080,\"quota\":-5,\"active\":true,\"verified\":false,\"color\":\"green\","
               "\"created_at\":\"2026-01-31T09:30:00.123Z\",\"custom\":{\"a\":1},"
               "\"tags\":[\"x\",\"yy\"],\"inner\":{\"ttl\":60,\"note\":\"n\"},"
               "\"parts\":[{\"label\":\"p\",\"count\":2},{\"label\":\"q\"}],\"unknown\":{}}",
               DECODE_INPUT, &sample),
        ERR_OK);
    assert_string_equal(sample.name, "Ana");
    assert_string_equal(sample.email, "ana@example.com");
    assert_string_equal(sample.nick, "n");
    assert_string_equal(sample.motto, "");
    assert_string_equal(sample.level, "high");
    assert_string_equal(sample.password, " pass word ");
    assert_int_equal(sample.port, 8080);
    assert_true(sample.has_quota);
    assert_int_equal(sample.quota, -5);
    assert_true(sample.active);
    assert_true(sample.has_verified);
    assert_false(sample.verified);
    assert_int_equal(sample.color, COLOR_GREEN);
    assert_int_equal(sample.created_at, INT64_C(1769851800123));
    assert_int_equal(sample.custom.size, 16);
    assert_int_equal(sample.tags.count, 2);
    assert_string_equal(sample.tags.items[1], "yy");
    assert_true(sample.inner.has_ttl);
    assert_int_equal(sample.inner.ttl, 60);
    assert_false(sample.inner.has_strict);
    assert_string_equal(sample.inner.note, "n");
    assert_int_equal(sample.parts.count, 2);
    assert_string_equal(((struct part *)sample.parts.items)[1].label, "q");
    assert_int_equal(((struct part *)sample.parts.items)[0].count, 2);
}

/* IN-1: each field against twelve values; only those of its type pass. */
static void test_wrong_types(void **state)
{
    static const char *const values[] = {
        "\"text\"", "\"\"",       "1",    "1.5", "true",        "false",
        "[]",       "[\"text\"]", "[[]]", "{}",  "{\"$ne\":1}", "9223372036854775807",
    };
    static const struct {
        const char *field;
        unsigned accepted; /* bit per value */
    } rows[] = {
        {"name", 1 << 0},
        {"email", 1 << 1},
        {"nick", 1 << 0 | 1 << 1},
        {"motto", 1 << 0 | 1 << 1},
        {"level", 1 << 1},
        {"password", 1 << 1},
        {"hash", 1 << 0 | 1 << 1},
        {"port", 1 << 2},
        {"quota", 1 << 2 | 1 << 11},
        {"active", 1 << 4 | 1 << 5},
        {"verified", 1 << 4 | 1 << 5},
        {"color", 1 << 1},
        {"created_at", 0},
        {"custom", 1 << 9},
        {"tags", 1 << 6 | 1 << 7},
        {"inner", 1 << 9 | 1 << 10},
        {"parts", 1 << 6},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            struct sample sample;
            enum err err = decode_member(work, rows[i].field, values[v], &sample);
            bool accepted = (rows[i].accepted >> v & 1) != 0;

            if ((err == ERR_OK) != accepted)
                fail_msg("%s: %s gave %d", rows[i].field, values[v], (int)err);
            if (!accepted) {
                assert_non_null(work->ctx.failure.field);
                assert_non_null(work->ctx.failure.detail);
                assert_int_equal(err, strcmp(rows[i].field, "custom") == 0 ? ERR_CUSTOM_FIELDS
                                                                           : ERR_VALIDATION);
            }
        }
        arena_reset(&work->arena);
    }
}

static void test_sentences(void **state)
{
    static const struct {
        const char *field, *value, *sentence;
    } rows[] = {
        {"password", "{}", "password must be a string, not an object"},
        {"name", "12", "name must be a string, not an integer"},
        {"name", "1.5", "name must be a string, not a number"},
        {"name", "[]", "name must be a string, not an array"},
        {"name", "true", "name must be a string, not a boolean"},
        {"name", "\"\"", "name must have 2 to 10 characters; it has 0"},
        {"name", "\"a\"", "name must have 2 to 10 characters; it has 1"},
        {"name", "\"12345678901\"", "name must have 2 to 10 characters; it has 11"},
        {"motto", "\"12345\"", "motto must have at most 4 characters; it has 5"},
        {"level", "\"mid\"", "level must be one of low, high"},
        {"color", "\"blue\"", "color must be one of red, green"},
        {"color", "\"RED\"", "color must be one of red, green"},
        {"port", "0", "port must be between 1 and 65535; it is 0"},
        {"port", "65536", "port must be between 1 and 65535; it is 65536"},
        {"port", "1.5", "port must be an integer, not a fraction"},
        {"port", "1e300", "port must be an integer, not a fraction"},
        {"port", "\"80\"", "port must be an integer, not a string"},
        {"port", "true", "port must be an integer, not a boolean"},
        {"active", "\"true\"", "active must be true or false, not a string"},
        {"active", "1", "active must be true or false, not an integer"},
        {"created_at", "1769851800123", "created_at must be a time string, not an integer"},
        {"created_at", "\"yesterday\"",
         "created_at must be a time of RFC 3339 such as 2026-01-31T09:30:00Z"},
        {"email", "\"x\"", "email must have 3 to 254 characters; it has 1"},
        {"email", "\"x y@z\"",
         "email must be one e-mail address such as name@example.com, of at most 254 bytes"},
        {"tags", "\"x\"", "tags must be an array of strings, not a string"},
        {"tags", "[\"a\",\"b\",\"c\",\"d\"]", "tags must have at most 3 items; it has 4"},
        {"inner", "[]", "inner must be an object, not an array"},
        {"parts", "{}", "parts must be an array of objects, not an object"},
        {"parts", "[{\"label\":\"a\"},{\"label\":\"b\"},{\"label\":\"c\"}]",
         "parts must have at most 2 items; it has 3"},
        {"custom", "[]", "custom must be an object, not an array"},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sample sample;
        bool custom = strcmp(rows[i].field, "custom") == 0;

        assert_int_not_equal(decode_member(work, rows[i].field, rows[i].value, &sample), ERR_OK);
        expect_failure(work, custom ? ERR_CUSTOM_FIELDS : ERR_VALIDATION,
                       custom ? "/custom" : rows[i].field, rows[i].sentence);
    }
}

static void test_nested_paths(void **state)
{
    static const struct {
        const char *field, *value, *path, *sentence;
    } rows[] = {
        {"tags", "[\"a\",2]", "tags.1", "tags.1 must be a string, not an integer"},
        {"tags", "[\"a\",\"\"]", "tags.1", "tags.1 must have 1 to 4 characters; it has 0"},
        {"inner", "{\"ttl\":0}", "inner.ttl", "inner.ttl must be between 1 and 3600; it is 0"},
        {"parts", "[{\"label\":\"a\"},5]", "parts.1", "parts.1 must be an object, not an integer"},
        {"parts", "[{\"label\":\"a\"},{\"label\":[]}]", "parts.1.label",
         "parts.1.label must be a string, not an array"},
        {"parts", "[{\"count\":1}]", "parts.0.label", "Missing: parts.0.label"},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sample sample;

        assert_int_equal(decode_member(work, rows[i].field, rows[i].value, &sample),
                         ERR_VALIDATION);
        expect_failure(work, ERR_VALIDATION, rows[i].path, rows[i].sentence);
    }
}

/* Lengths are code points: min-1, min, max, max+1 in one to four bytes each. */
static void test_lengths(void **state)
{
    static const char *const letters[] = {"a", "\xc3\xb6", "\xe6\x97\xa5", "\xf0\x9f\x98\x80"};
    static const struct {
        const char *field;
        size_t min, max;
    } rows[] = {{"name", 2, 10}, {"motto", 0, 4}, {"password", 8, 72}, {"nick", 1, 5}};
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t l = 0; l < COUNT_OF(letters); l++) {
            for (size_t length = rows[i].min > 0 ? rows[i].min - 1 : 0; length <= rows[i].max + 1;
                 length++) {
                struct sample sample;
                struct buf text;

                buf_init(&text, &work->arena, 1000);
                buf_putc(&text, '"');
                for (size_t n = 0; n < length; n++)
                    buf_puts(&text, letters[l]);
                buf_putc(&text, '"');
                enum err err = decode_member(work, rows[i].field, buf_text(&text), &sample);
                /* "" of an optional text counts as absent. */
                bool accepted = (length >= rows[i].min && length <= rows[i].max) ||
                                (length == 0 && strcmp(rows[i].field, "name") != 0);
                assert_int_equal(err, accepted ? ERR_OK : ERR_VALIDATION);
            }
            arena_reset(&work->arena);
        }
    }
}

static void test_integers(void **state)
{
    static const struct {
        const char *field, *text;
        bool accepted;
        int64_t number;
    } rows[] = {
        {"port", "1", true, 1},
        {"port", "65535", true, 65535},
        {"port", "1.0", true, 1},
        {"port", "8.08e3", true, 8080},
        {"port", "-1", false, 0},
        {"quota", "9223372036854775807", true, INT64_MAX},
        {"quota", "-9223372036854775808", true, INT64_MIN},
        {"quota", "-9223372036854775808.0", true, INT64_MIN},
        {"quota", "9223372036854775808.0", false, 0},
        {"quota", "1e19", false, 0},
        {"quota", "-1e19", false, 0},
        {"quota", "0.5", false, 0},
        {"quota", "-0.0", true, 0},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sample sample;
        enum err err = decode_member(work, rows[i].field, rows[i].text, &sample);

        assert_int_equal(err, rows[i].accepted ? ERR_OK : ERR_VALIDATION);
        if (rows[i].accepted)
            assert_int_equal(rows[i].field[0] == 'p' ? sample.port : sample.quota, rows[i].number);
    }
}

static void test_missing_are_collected(void **state)
{
    static const struct field fields[] = {
        FIELD_STR(struct sample, name, "a", F_REQUIRED, 1, 9),
        FIELD_INT(struct sample, port, "b", F_REQUIRED, 1, 9),
        FIELD_BOOL(struct sample, active, "c", F_REQUIRED),
        FIELD_STR(struct sample, hash, "d", F_REQUIRED | F_READONLY, 1, 9),
        FIELD_STR(struct sample, nick, "e", F_NONE, 1, 9),
    };
    static const struct schema schema = {
        .name = "s", .size = sizeof(struct sample), SCHEMA_FIELDS(fields)};
    struct work *work = *state;
    struct sample sample;

    assert_int_equal(schema_decode(&work->ctx, &schema, parse(work, "{\"e\":5,\"b\":null}"),
                                   DECODE_INPUT, &sample),
                     ERR_VALIDATION);
    expect_failure(work, ERR_VALIDATION, "a", "Missing: a, b, c");
    assert_int_equal(work->ctx.failure.required_count, 3);
    assert_string_equal(work->ctx.failure.required[1], "b");
    /* No body at all. */
    fail_clear(&work->ctx);
    assert_int_equal(schema_decode(&work->ctx, &schema, NULL, DECODE_INPUT, &sample),
                     ERR_VALIDATION);
    expect_failure(work, ERR_VALIDATION, "a", "Missing: a, b, c");
    fail_clear(&work->ctx);
    assert_int_equal(schema_decode(&work->ctx, &schema,
                                   parse(work, "{\"a\":\"x\",\"b\":1,\"c\":false}"), DECODE_INPUT,
                                   &sample),
                     ERR_OK);
}

/* Mass assignment: what the service decides cannot be sent along. */
static void test_input_ignores_what_is_ours(void **state)
{
    struct work *work = *state;
    struct sample sample;

    memset(&sample, 0, sizeof sample);
    assert_int_equal(
        decode(work,
               "{\"name\":\"Ana\",\"id\":\"0190f3a1-7c1e-7b43-9a0d-2f6f3c1b5a77\",\"tenant_id\":5,"
               "\"canonical\":\"x\",\"mac\":\"AAAA\",\"seen_at\":\"2026-01-31T09:30:00Z\","
               "\"shown\":\"x\",\"_id\":1}",
               DECODE_INPUT, &sample),
        ERR_OK);
    assert_true(uuid_is_zero(&sample.id));
    assert_true(uuid_is_zero(&sample.tenant_id));
    assert_null(sample.canonical);
    assert_null(sample.mac.data);
    assert_int_equal(sample.seen_at, 0);
    assert_null(sample.shown);
}

static void test_absent_keeps_defaults(void **state)
{
    struct work *work = *state;
    struct sample sample = {.nick = "kept", .port = 7, .color = COLOR_RED, .level = "low"};

    assert_int_equal(decode(work,
                            "{\"name\":\"Ana\",\"nick\":\"\",\"color\":\"\",\"level\":null,"
                            "\"port\":null,\"custom\":null}",
                            DECODE_INPUT, &sample),
                     ERR_OK);
    assert_string_equal(sample.nick, "kept");
    assert_int_equal(sample.port, 7);
    assert_int_equal(sample.color, COLOR_RED);
    assert_string_equal(sample.level, "low");
}

static void test_uuid(void **state)
{
    static const struct field fields[] = {FIELD_UUID(struct sample, id, "id", F_NONE)};
    static const struct schema schema = {
        .name = "s", .size = sizeof(struct sample), SCHEMA_FIELDS(fields)};
    static const char *const refused[] = {"{\"id\":\"x\"}", "{\"id\":1}", "{\"id\":\"\"}",
                                          "{\"id\":\"00000000-0000-0000-0000-000000000000\"}"};
    struct work *work = *state;
    struct sample sample;

    assert_int_equal(schema_decode(&work->ctx, &schema,
                                   parse(work, "{\"id\":\"0190F3A1-7c1e-7b43-9a0d-2f6f3c1b5a77\"}"),
                                   DECODE_INPUT, &sample),
                     ERR_OK);
    assert_int_equal(sample.id.bytes[15], 0x77);
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_int_equal(
            schema_decode(&work->ctx, &schema, parse(work, refused[i]), DECODE_INPUT, &sample),
            ERR_VALIDATION);
}

/* Strings of trees that no parser of ours made are held to the same rules. */
static void test_strings_must_be_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {{"a\0b", 3}, {"\xff", 1}, {"\xc3", 1}, {"\xed\xa0\x80", 3}};
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct member member = {.name = "name"};
        struct value value = {.type = VALUE_OBJECT, .object = {.members = &member, .count = 1}};
        struct sample sample;

        member.value.type = VALUE_STRING;
        member.value.string.text = rows[i].text;
        member.value.string.length = rows[i].length;
        assert_int_equal(schema_decode(&work->ctx, &sample_schema, &value, DECODE_INPUT, &sample),
                         ERR_VALIDATION);
        expect_failure(work, ERR_VALIDATION, "name", "name must be valid UTF-8 without U+0000");
    }
}

static void test_top_must_be_object(void **state)
{
    struct work *work = *state;
    struct value value = {.type = VALUE_ARRAY};
    struct sample sample;

    assert_int_equal(schema_decode(&work->ctx, &sample_schema, &value, DECODE_INPUT, &sample),
                     ERR_VALIDATION);
    assert_null(work->ctx.failure.field);
    assert_string_equal(work->ctx.failure.detail, "the body must be an object, not an array");
}

/* A name of any length is shown only as far as it is short. */
static void test_long_names(void **state)
{
    struct work *work = *state;
    char *text = arena_alloc(&work->arena, 60010);
    struct sample sample = {0};

    memset(text, 'x', 60009);
    memcpy(text, "{\"", 2);
    memcpy(text + 60000, "\":1}", 5);
    assert_int_equal(decode(work, text, DECODE_PATCH, &sample), ERR_UNKNOWN_FIELD);
    assert_true(strlen(work->ctx.failure.detail) < 1000);
    assert_true(strlen(work->ctx.failure.field) < 1000);
}

/* MS-3: every allocation may fail; then it is ERR_MEMORY, never something half. */
static void test_out_of_memory(void **state)
{
    static const struct {
        const char *text;
        enum decode_mode mode;
        enum err code;
    } rows[] = {
        {"{\"name\":\"Ana\",\"email\":\" A@b.example\",\"custom\":{\"a\":{\"b\":1}},"
         "\"tags\":[\"x\",\"y\"],\"parts\":[{\"label\":\"p\"}],\"inner\":{\"ttl\":1}}",
         DECODE_INPUT, ERR_OK},
        {"{}", DECODE_INPUT, ERR_VALIDATION},
        {"{\"name\":\"a\"}", DECODE_INPUT, ERR_VALIDATION},
        {"{\"name\":\"Ana\",\"color\":\"x\"}", DECODE_INPUT, ERR_VALIDATION},
        {"{\"name\":\"Ana\",\"parts\":[{}]}", DECODE_INPUT, ERR_VALIDATION},
        {"{\"nope\":1}", DECODE_PATCH, ERR_UNKNOWN_FIELD},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct value *value = parse(work, rows[i].text);

        for (int64_t n = 1;; n++) {
            struct sample sample = {0};

            fail_clear(&work->ctx);
            arena_fail_after(n);
            enum err err = schema_decode(&work->ctx, &sample_schema, value, rows[i].mode, &sample);
            bool struck = arena_fail_after(0) == 0;
            /* Only the last text of a refusal may be lost: then the code still stands. */
            if (err != ERR_MEMORY)
                assert_int_equal(err, rows[i].code);
            if (!struck)
                break;
            if (rows[i].code == ERR_OK)
                assert_int_equal(err, ERR_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_tables),
        WORK_TEST(test_everything),
        WORK_TEST(test_wrong_types),
        WORK_TEST(test_sentences),
        WORK_TEST(test_nested_paths),
        WORK_TEST(test_lengths),
        WORK_TEST(test_integers),
        WORK_TEST(test_missing_are_collected),
        WORK_TEST(test_input_ignores_what_is_ours),
        WORK_TEST(test_absent_keeps_defaults),
        WORK_TEST(test_uuid),
        WORK_TEST(test_strings_must_be_utf8),
        WORK_TEST(test_top_must_be_object),
        WORK_TEST(test_long_names),
        WORK_TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
