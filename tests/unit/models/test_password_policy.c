/* PW-5: what is guessed first is known, in whatever dress; what nobody guesses is not. */
#include "tests/support/unit.h"

#include <string.h>

#include "models/password_policy.h"

static void test_table(void **state)
{
    (void)state;
    assert_true(common_password_count >= 3000);
    for (size_t i = 1; i < common_password_count; i++)
        assert_true(common_passwords[i - 1] < common_passwords[i]);
}

static void test_common(void **state)
{
    static const char *const common[] = {
        "password",   "password1",  "password123",  "p4ssw0rd",    "pa$$w0rd!",   "passw0rd2024",
        "1password1", "dragon99",   "welcome1!",    "summer2026!", "winter_2025", "iloveyou",
        "iloveyou22", "sunshine7",  "monkeymonkey", "qwerty123",   "qwertyuiop",  "asdfghjkl",
        "1qaz2wsx",   "1q2w3e4r",   "zxcvbnm1",     "qwertz12",    "abcd1234",    "abcdefgh",
        "87654321",   "12345678",   "12345678a",    "00000000",    "aaaaaaaa",    "abababab",
        "xyzxyzxyz",  "11223344",   "19991231",     "31.12.1999",  "1234567890",  "letmein!!",
        "admin123",   "changeme01", "trustno1",     "superman123", "mypassword",  "lovelove1",
        "football!",  "l1verp00l",
    };

    (void)state;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (!password_is_common(common[i]))
            fail_msg("\"%s\" is not known as common", common[i]);
    }
}

static void test_others(void **state)
{
    static const char *const others[] = {
        "correct horse battery 1", "battery staple 2", "vexing-otter-lamp", "gy7#kq!vzp2m",
        "dragon 84719305 626",     "k4rtoffelsupp3n",  "schnee und asche",  "7f3c9a1be0d24",
        "mein hund heisst bodo",   "qwvxpalmzo",       "p7$-mango-under-9", "日本語のパスワード",
    };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (password_is_common(others[i]))
            fail_msg("\"%s\" counts as common", others[i]);
    }
}

/* Any bytes at all: no read past the end (ASan), and an answer. */
static void test_odd_texts(void **state)
{
    char text[1200];

    (void)state;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        memset(text, (int)(length % 255) + 1, length);
        text[length] = '\0';
        (void)password_is_common(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_odd_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
