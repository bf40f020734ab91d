/* Lines of JSON pointers. */
#include "app/json_line.h"

#include "support/unit.h"

static const char schema[] = "{\n"
                             "  \"type\": \"object\", \"required\": [\"a\",\n"
                             "    \"b/c\"],\n"
                             "  \"properties\": {\n"
                             "    \"a\": {\"enum\": [1, -2.5e3, true, null,\n"
                             "      \"}]{\\\"\", {}]},\n"
                             "    \"b/c\": {\n"
                             "      \"items\": {\n"
                             "        \"minimum\": 4}},\n"
                             "    \"ab\": []\n"
                             "  }\n"
                             "}\n";

static void finds_the_line_of_a_pointer(void **state)
{
    (void)state;
    assert_int_equal(json_line(schema, ""), 1);
    assert_int_equal(json_line(schema, "/type"), 2);
    assert_int_equal(json_line(schema, "/required"), 2);
    assert_int_equal(json_line(schema, "/required/1"), 3);
    assert_int_equal(json_line(schema, "/properties/a/enum/3"), 5);
    assert_int_equal(json_line(schema, "/properties/a/enum/4"), 6);
    assert_int_equal(json_line(schema, "/properties/b~1c"), 7);
    assert_int_equal(json_line(schema, "/properties/b~1c/items/minimum"), 9);
    assert_int_equal(json_line(schema, "/properties/ab"), 10);
}

static void tells_the_nearest_line_of_what_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(json_line(schema, "/nothing"), 1);
    assert_int_equal(json_line(schema, "/properties/a/title"), 5);
    assert_int_equal(json_line(schema, "/properties/ab/0"), 10);
    assert_int_equal(json_line(schema, "/required/9"), 2);
    assert_int_equal(json_line(schema, "nothing"), 1);
    assert_int_equal(json_line("", "/a"), 1);
    assert_int_equal(json_line("{\"a\"", "/a/b"), 1);
    assert_int_equal(json_line("{", "/a"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_line_of_a_pointer),
        cmocka_unit_test(tells_the_nearest_line_of_what_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
