/* What is accepted as a name, address, slug, domain or host: IN-12, AU-4, HT-7. */
#include "app/text.h"

#include <stdio.h>

#include "app/buf.h"
#include "support/unit.h"

typedef const char *(*check_fn)(const char *text);

static void expect_all(check_fn check, const char *const *texts, size_t count, bool accepted)
{
    for (size_t i = 0; i < count; i++) {
        const char *sentence = check(texts[i]);

        if ((sentence == NULL) != accepted)
            fail_msg("\"%s\": %s", texts[i], sentence != NULL ? sentence : "accepted");
    }
}

#define ACCEPTED(check, texts) expect_all((check), (texts), COUNT_OF(texts), true)
#define REFUSED(check, texts)  expect_all((check), (texts), COUNT_OF(texts), false)

static char *repeat(struct work *work, const char *text, size_t count)
{
    struct buf buf;

    buf_init(&buf, &work->arena, 100000);
    for (size_t i = 0; i < count; i++)
        buf_puts(&buf, text);
    return buf.data;
}

/* IN-12 */
static void test_email(void **state)
{
    static const char *const good[] = {
        "a@b",
        "u@localhost",
        "ana@example.com",
        "Ana.Maria+tag@mail.example.co.uk",
        "o'brien@example.com",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "1@1a",
        "j\xc3\xb6rg@example.com",
        "ana@b\xc3\xbc"
        "cher.example",
        "ana@xn--bcher-kva.example",
        "ana@bu\xcc\x88"
        "cher.example",
        "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a",
    };
    (void)state;

    ACCEPTED(text_check_email, good);
}

static void test_no_email(void **state)
{
    static const char *const bad[] = {
        "",
        "@",
        "ana",
        "ana@",
        "@example.com",
        "ana@@example.com",
        "ana@example.com@example.org",
        "ana@exa mple.com",
        "an a@example.com",
        " ana@example.com",
        "ana@example.com ",
        "ana@example.com\n",
        "ana@example.com\r\nBcc: all@example.com",
        "ana\r\n@example.com",
        "ana\t@example.com",
        "ana@example.com,bob@example.com",
        "ana,bob@example.com",
        "ana;bob@example.com",
        "\"ana\"@example.com",
        "<ana@example.com>",
        "Ana <ana@example.com>",
        "ana(comment)@example.com",
        "ana\\@example.com",
        "ana@[127.0.0.1]",
        "ana@127.0.0.1",
        "ana@.example.com",
        "ana@example..com",
        "ana@example.com.",
        "ana@-example.com",
        "ana@example-.com",
        "ana@exa_mple.com",
        "ana@example.123",
        ".ana@example.com",
        "ana.@example.com",
        "an..a@example.com",
        "ana\x7f@example.com",
        "ana\xe2\x80\x8b@example.com", /* zero-width space */
        "ana\xe2\x80\xae@example.com", /* right-to-left override */
        "ana\xc2\xa0@example.com",
        "ana@exam\xe2\x80\x8bple.com",
        "ana@exam\xe3\x80\x80ple.com",
        "ana@xn--\x2d.example",
    };
    (void)state;

    REFUSED(text_check_email, bad);
}

static void test_email_lengths(void **state)
{
    struct work *work = *state;
    char text[400];

    snprintf(text, sizeof text, "%.*s@example.com", 64, repeat(work, "a", 64));
    assert_null(text_check_email(text));
    snprintf(text, sizeof text, "%.*s@example.com", 65, repeat(work, "a", 65));
    assert_non_null(text_check_email(text));
    /* 254 and 255 bytes in all: labels of 63 and a rest. */
    snprintf(text, sizeof text, "%.60s@%.63s.%.63s.%.63s.c", repeat(work, "a", 60),
             repeat(work, "b", 63), repeat(work, "b", 63), repeat(work, "b", 63));
    assert_int_equal(strlen(text), 254);
    assert_null(text_check_email(text));
    snprintf(text, sizeof text, "%.61s@%.63s.%.63s.%.63s.c", repeat(work, "a", 61),
             repeat(work, "b", 63), repeat(work, "b", 63), repeat(work, "b", 63));
    assert_non_null(text_check_email(text));
    snprintf(text, sizeof text, "a@%.64s.com", repeat(work, "b", 64));
    assert_non_null(text_check_email(text));
}

/* AU-4: no "@", so that names and addresses never overlap; nothing that looks like another name. */
static void test_username(void **state)
{
    static const char *const good[] = {
        "a",
        "admin",
        "Ana Maria",
        "ana.maria-1_2",
        "J\xc3\xb6rg",
        "\xe7\x94\xa8\xe6\x88\xb7",
        "$x",
        "<b>",
        "\xf0\x9f\x98\x80",
    };
    static const char *const bad[] = {
        "",
        "@",
        "a@b",
        " ana",
        "ana ",
        " ",
        "ana  maria",
        "ana\tmaria",
        "ana\nmaria",
        "ana\x01",
        "ana\x7f",
        "ana\xc2\x85",
        "ana\xc2\xa0maria",
        "ana\xc2\xad",         /* soft hyphen */
        "ana\xe2\x80\x8b",     /* zero-width space */
        "ana\xe2\x80\x8d",     /* zero-width joiner */
        "ana\xe2\x80\xae",     /* right-to-left override */
        "ana\xe2\x81\xa6",     /* isolate */
        "ana\xef\xbb\xbf",     /* byte order mark */
        "ana\xef\xb8\x8f",     /* variation selector */
        "ana\xe3\x85\xa4",     /* Hangul filler */
        "ana\xf3\xa0\x81\x81", /* tag character */
        "ana\xef\xbf\xbf",     /* no character */
        "ana\xe2\x80\xa8maria",
    };
    struct work *work = *state;

    ACCEPTED(text_check_username, good);
    REFUSED(text_check_username, bad);
    assert_null(text_check_username(repeat(work, "\xc3\xb6", 64)));
    assert_non_null(text_check_username(repeat(work, "\xc3\xb6", 65)));
}

static void test_name(void **state)
{
    static const char *const good[] = {
        "",
        "Ana Mar\xc3\xad"
        "a",
        "O'Brien <ana@example.com>",
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
        " x ",
    };
    static const char *const bad[] = {
        "a\nb",
        "a\rb",
        "a\tb",
        "\x01",
        "\x7f",
        "\xc2\x85",
        "a\xe2\x80\xa8"
        "b",
        "a\xe2\x80\xa9"
        "b",
        "a\xe2\x80\xae"
        "b",
        "a\xe2\x81\xa7"
        "b",
    };
    (void)state;

    ACCEPTED(text_check_name, good);
    REFUSED(text_check_name, bad);
}

static void test_slug(void **state)
{
    static const char *const good[] = {"a", "0", "client1", "ai-platform", "a-b-c", "1-2"};
    static const char *const bad[] = {
        "", "-", "-a", "a-", "a--b", "A", "a_b", "a.b", "a b", "\xc3\xb6", "a/b", "a\n",
    };
    struct work *work = *state;

    ACCEPTED(text_check_slug, good);
    REFUSED(text_check_slug, bad);
    assert_null(text_check_slug(repeat(work, "a", 63)));
    assert_non_null(text_check_slug(repeat(work, "a", 64)));
}

static void test_domain(void **state)
{
    static const char *const good[] = {
        "example.com",           "login.example.com", "a.b",          "1a.example",
        "xn--bcher-kva.example", "EXAMPLE.com",       "a--b.example",
    };
    static const char *const bad[] = {
        "",
        "localhost",
        "example.com.",
        ".example.com",
        "example..com",
        "-a.example",
        "a-.example",
        "a_b.example",
        "b\xc3\xbc"
        "cher.example",
        "exa mple.com",
        "example.com:80",
        "http://example.com",
        "127.0.0.1",
        "example.1",
        "[::1]",
        "example.com/x",
        "user@example.com",
        "*.example.com",
        "xn--\x2d.example",
        "xn--zzzzzzzzzzzzz99999.example",
    };
    struct work *work = *state;
    char text[400];

    ACCEPTED(text_check_domain, good);
    REFUSED(text_check_domain, bad);
    snprintf(text, sizeof text, "%s.com", repeat(work, "a", 63));
    assert_null(text_check_domain(text));
    snprintf(text, sizeof text, "%s.com", repeat(work, "a", 64));
    assert_non_null(text_check_domain(text));
    snprintf(text, sizeof text, "%.252s", repeat(work, "abc.", 63));
    text[250] = 'c';
    text[251] = '.';
    text[252] = 'd';
    text[253] = '\0';
    assert_int_equal(strlen(text), 253);
    assert_null(text_check_domain(text));
    text[253] = 'd';
    text[254] = '\0';
    assert_non_null(text_check_domain(text));
}

/* HT-7 */
static void test_host(void **state)
{
    static const struct {
        const char *host, *normal; /* NULL = no valid host */
    } rows[] = {
        {"Client1.LocalHost:8080", "client1.localhost"},
        {"example.com", "example.com"},
        {"example.com.", "example.com"},
        {"example.com.:443", "example.com"},
        {"example.com:", "example.com"},
        {"127.0.0.1:5000", "127.0.0.1"},
        {"[::1]", "[::1]"},
        {"[::1]:8080", "[::1]"},
        {"[2001:DB8::1]:8080", "[2001:db8::1]"},
        {"tenantd_api:8080", "tenantd_api"},
        {"a", "a"},
        {"", NULL},
        {".", NULL},
        {":80", NULL},
        {"example.com:65536", NULL},
        {"example.com:99999999999999999999", NULL},
        {"example.com:8o80", NULL},
        {"example.com:-1", NULL},
        {"example.com:80:80", NULL},
        {"exa mple.com", NULL},
        {"example.com ", NULL},
        {"example.com/x", NULL},
        {"example..com", NULL},
        {"example.com..", NULL},
        {".example.com", NULL},
        {"user@example.com", NULL},
        {"exam\xc3\xbcple.com", NULL},
        {"example.com\r\nX: y", NULL},
        {"example.com,example.org", NULL},
        {"::1", NULL},
        {"[::1", NULL},
        {"::1]", NULL},
        {"[]", NULL},
        {"[::1]x", NULL},
        {"[::1].", NULL},
        {"[127.0.0.1]", NULL},
        {"[::1%25eth0]", NULL},
        {"[0000000000000000000000000000000000000000000000000000000000000]", NULL},
    };
    struct work *work = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *host = "unset";

        assert_int_equal(text_host(&work->ctx, rows[i].host, &host), ERR_OK);
        if (rows[i].normal == NULL) {
            if (host != NULL)
                fail_msg("%s gave %s", rows[i].host, host);
            continue;
        }
        assert_non_null(host);
        assert_string_equal(host, rows[i].normal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORK_TEST(test_email),    WORK_TEST(test_no_email), WORK_TEST(test_email_lengths),
        WORK_TEST(test_username), WORK_TEST(test_name),     WORK_TEST(test_slug),
        WORK_TEST(test_domain),   WORK_TEST(test_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
