/* OP-20: servers with a known hole that needs no login are told from those without. */
#include "app/db_version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *fixed_in(int major, int minor, int patch)
{
    const struct db_known_bug *bug = db_known_bug((const int[3]){major, minor, patch});

    return bug != NULL ? bug->fixed : NULL;
}

static void test_known_bugs(void **state)
{
    (void)state;
    assert_string_equal(fixed_in(6, 0, 5), "6.0.27");
    assert_string_equal(fixed_in(6, 0, 26), "6.0.27");
    assert_string_equal(fixed_in(7, 0, 0), "7.0.28");
    assert_string_equal(fixed_in(8, 0, 16), "8.0.17");
    assert_string_equal(fixed_in(8, 2, 2), "8.2.3");
    assert_null(fixed_in(6, 0, 27));
    assert_null(fixed_in(7, 0, 28));
    assert_null(fixed_in(8, 0, 17));
    assert_null(fixed_in(8, 2, 3));
    assert_null(fixed_in(9, 0, 0));
    assert_null(fixed_in(0, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_bugs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
