/*
 * Redirect URIs (OA-1): what may be registered, and 120 and more ways to write another URI that is
 * nearly the registered one, none of which stands for it.
 */
#include "app/redirect_uri.h"

#include <stdio.h>

#include "support/unit.h"

#define REGISTERED "https://app.example/cb/done?x=1"
#define NATIVE     "http://127.0.0.1:8000/cb"

static const struct redirect_rule web = {.is_native = false};
static const struct redirect_rule native = {.is_native = true};
static const struct redirect_rule development = {.is_development = true};
static const struct redirect_rule called = {.is_web_only = true};

/* --- registering --- */

static const struct line {
    const char *uri;
    bool for_web, for_native, in_development;
} lines[] = {
    {"https://app.example/cb", true, true, true},
    {"https://app.example", true, true, true},
    {"https://app.example/", true, true, true},
    {"https://app.example:8443/cb?tenant=acme&x=%20", true, true, true},
    {"https://app.example?x=1", true, true, true},
    {"https://[2001:db8::1]:8443/cb", true, true, true},
    {"https://192.0.2.1/cb", true, true, true},
    {"HTTPS://APP.EXAMPLE/Cb", true, true, true},
    {"https://app.example/a..b/.../..c", true, true, true},
    {"https://app.example/cb?next=/../x", true, true, true},
    {"http://localhost:3000/cb", false, true, true},
    {"http://127.0.0.1/cb", false, true, true},
    {"http://[::1]:9/cb", false, true, true},
    {"http://app.example/cb", false, false, true},
    {"http://127.0.0.2/cb", false, false, true},
    {"http://localhost.example/cb", false, false, true},
    {"com.example.app:/cb", false, true, false},
    {"com.example.app://cb", false, true, false},
    {"", false, false, false},
    {"/cb", false, false, false},
    {"//app.example/cb", false, false, false},
    {"app.example/cb", false, false, false},
    {"https:app.example/cb", false, false, false},
    {"https:/app.example/cb", false, false, false},
    {"https:///cb", false, false, false},
    {"https://", false, false, false},
    {"https://app.example/cb#", false, false, false},
    {"https://app.example/cb#x", false, false, false},
    {"https://*.example/cb", false, false, false},
    {"https://app.example/*", false, false, false},
    {"https://user@app.example/cb", false, false, false},
    {"https://user:word@app.example/cb", false, false, false},
    {"https://app.example:0/cb", false, false, false},
    {"https://app.example:/cb", false, false, false},
    {"https://app.example:65536/cb", false, false, false},
    {"https://app.example:80x/cb", false, false, false},
    {"https://app.example:+80/cb", false, false, false},
    {"https://app.example:000080/cb", false, false, false},
    {"https://-app.example/cb", false, false, false},
    {"https://app-.example/cb", false, false, false},
    {"https://app..example/cb", false, false, false},
    {"https://.example/cb", false, false, false},
    {"https://app.example./cb", false, false, false},
    {"https://app_1.example/cb", false, false, false},
    {"https://app%2eexample/cb", false, false, false},
    {"https://[::1/cb", false, false, false},
    {"https://[::1]x/cb", false, false, false},
    {"https://[]/cb", false, false, false},
    {"https://[v1.x]/cb", false, false, false},
    {"https://app.example/./cb", false, false, false},
    {"https://app.example/a/../cb", false, false, false},
    {"https://app.example/..", false, false, false},
    {"https://app.example/a/%2e%2E/cb", false, false, false},
    {"https://app.example/a/.%2e/cb", false, false, false},
    {"https://app.example/..?x", false, false, false},
    {"https://app.example/%", false, false, false},
    {"https://app.example/%2", false, false, false},
    {"https://app.example/%zz", false, false, false},
    {"https://app.example/c b", false, false, false},
    {"https://app.example/c\tb", false, false, false},
    {"https://app.example/c\r\nb", false, false, false},
    {"https://app.example/\\evil", false, false, false},
    {"https://app.example\\@evil/", false, false, false},
    {"https://app.example/\xc3\xa4", false, false, false},
    {"https://\xc3\xa4pp.example/", false, false, false},
    {"https://app.example/\"x", false, false, false},
    {"https://app.example/<script>", false, false, false},
    {" https://app.example/cb", false, false, false},
    {"https://app.example/cb ", false, false, false},
    {"javascript:alert(1)", false, false, false},
    {"JavaScript://app.example/%0aalert(1)", false, false, false},
    {"data:text/html,x", false, false, false},
    {"file:///etc/passwd", false, false, false},
    {"ftp://app.example/cb", false, false, false},
    {"myapp:/cb", false, false, false},
    {"urn:ietf:wg:oauth:2.0:oob", false, false, false},
    {"1com.example:/cb", false, false, false},
};

static void expect(const char *uri, const struct redirect_rule *rule, bool wanted)
{
    const char *mistake = redirect_uri_check(uri, rule);

    if ((mistake == NULL) != wanted)
        fail_msg("%s: %s", uri, mistake != NULL ? mistake : "may be registered");
}

static void test_what_may_be_registered(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        expect(lines[i].uri, &web, lines[i].for_web);
        expect(lines[i].uri, &native, lines[i].for_native);
        expect(lines[i].uri, &development, lines[i].in_development);
        expect(lines[i].uri, &called, lines[i].for_web);
    }
}

static void test_its_length(void **state)
{
    char uri[REDIRECT_URI_MAX + 2];

    (void)state;
    memset(uri, 'a', sizeof uri);
    memcpy(uri, "https://a/", 10);
    uri[REDIRECT_URI_MAX] = '\0';
    expect(uri, &web, true);
    uri[REDIRECT_URI_MAX] = 'a';
    uri[REDIRECT_URI_MAX + 1] = '\0';
    expect(uri, &web, false);
}

/* --- comparing --- */

/* What parsers, browsers and people take for the same place. */
static const char *const mutants[] = {
    "https://app.example/cb/done",
    "https://app.example/cb/done?",
    "https://app.example/cb/done?x=1&",
    "https://app.example/cb/done?x=1&y=2",
    "https://app.example/cb/done?y=2&x=1",
    "https://app.example/cb/done?x=%31",
    "https://app.example/cb/done?X=1",
    "https://app.example/cb/done?x=1#",
    "https://app.example/cb/done?x=1#frag",
    "https://app.example/cb/done/?x=1",
    "https://app.example/cb/done;?x=1",
    "https://app.example/cb/done;a=b?x=1",
    "https://app.example/cb//done?x=1",
    "https://app.example//cb/done?x=1",
    "https://app.example/./cb/done?x=1",
    "https://app.example/cb/./done?x=1",
    "https://app.example/cb/../cb/done?x=1",
    "https://app.example/cb/done/..?x=1",
    "https://app.example/cb/done/../done?x=1",
    "https://app.example/cb/%2e%2e/cb/done?x=1",
    "https://app.example/cb/%64one?x=1",
    "https://app.example/cb%2Fdone?x=1",
    "https://app.example/cb\\done?x=1",
    "https://app.example/CB/done?x=1",
    "https://app.example/cb/Done?x=1",
    "https://app.example/cb/done%3Fx=1",
    "https://app.example/cb/done%00?x=1",
    "https://app.example/cb/done?x=1%00",
    "https://app.example/cb/done?x=1%0d%0a",
    "https://app.example/cb/done?x=1%20",
    "https://app.example/cb/done?x=1 ",
    " https://app.example/cb/done?x=1",
    "\thttps://app.example/cb/done?x=1",
    "https://app.example/cb/done?x=1\n",
    "https://app.example/cb/done?x=1\r\n",
    "https://app.example/cb/done?x=1\t",
    "https://app.example/cb/done?x=1,https://evil.example/",
    "https://app.example/cb/done?x=1 https://evil.example/",
    "HTTPS://app.example/cb/done?x=1",
    "Https://app.example/cb/done?x=1",
    "http://app.example/cb/done?x=1",
    "https:app.example/cb/done?x=1",
    "https:/app.example/cb/done?x=1",
    "https:///app.example/cb/done?x=1",
    "https:\\\\app.example/cb/done?x=1",
    "//app.example/cb/done?x=1",
    "/cb/done?x=1",
    "app.example/cb/done?x=1",
    "ftp://app.example/cb/done?x=1",
    "javascript:https://app.example/cb/done?x=1",
    "javascript://app.example/cb/done?x=1",
    "data:text/html,https://app.example/cb/done?x=1",
    "view-source:https://app.example/cb/done?x=1",
    "https://APP.example/cb/done?x=1",
    "https://app.EXAMPLE/cb/done?x=1",
    "https://app.example./cb/done?x=1",
    "https://app.example:443/cb/done?x=1",
    "https://app.example:/cb/done?x=1",
    "https://app.example:8443/cb/done?x=1",
    "https://app.example:80/cb/done?x=1",
    "https://user@app.example/cb/done?x=1",
    "https://user:word@app.example/cb/done?x=1",
    "https://@app.example/cb/done?x=1",
    "https://app.example@evil.example/cb/done?x=1",
    "https://app.example:443@evil.example/cb/done?x=1",
    "https://app.example%40evil.example/cb/done?x=1",
    "https://app.example%2Fevil.example/cb/done?x=1",
    "https://evil.example/https://app.example/cb/done?x=1",
    "https://evil.example/?https://app.example/cb/done?x=1",
    "https://evil.example/#https://app.example/cb/done?x=1",
    "https://evil.example\\@app.example/cb/done?x=1",
    "https://evil.example#@app.example/cb/done?x=1",
    "https://evil.example?@app.example/cb/done?x=1",
    "https://evil.example;@app.example/cb/done?x=1",
    "https://app.example.evil.example/cb/done?x=1",
    "https://evilapp.example/cb/done?x=1",
    "https://evil.app.example/cb/done?x=1",
    "https://app.example.com/cb/done?x=1",
    "https://app.exampl/cb/done?x=1",
    "https://app.examplee/cb/done?x=1",
    "https://app-example/cb/done?x=1",
    "https://appxexample/cb/done?x=1",
    "https://app%2eexample/cb/done?x=1",
    "https://app.example%00.evil.example/cb/done?x=1",
    "https://app.example%0d%0a/cb/done?x=1",
    "https://\xd0\xb0pp.example/cb/done?x=1",
    "https://app\xe3\x80\x82"
    "example/cb/done?x=1",
    "https://app.example\xc2\xa0/cb/done?x=1",
    "https://xn--pp-8cd.example/cb/done?x=1",
    "https://[app.example]/cb/done?x=1",
    "https://*.example/cb/done?x=1",
    "https://app.example/*",
    "https://app.example/",
    "https://app.example",
    "https://",
    "https:",
    "",
    "null",
    "*",
};

static void refuse(const char *registered, const char *sent)
{
    if (redirect_uri_matches(registered, sent, false) ||
        redirect_uri_matches(registered, sent, true))
        fail_msg("\"%s\" stands for \"%s\"", sent, registered);
}

/* Written by hand, then each byte left out, doubled, and in the other case: byte for byte is equal,
 * nothing else. */
static void test_no_mutant_is_the_registered_one(void **state)
{
    const size_t length = strlen(REGISTERED);
    char sent[2 * sizeof REGISTERED];
    size_t tried = COUNT_OF(mutants);

    (void)state;
    assert_true(redirect_uri_matches(REGISTERED, REGISTERED, false));
    assert_true(redirect_uri_matches(REGISTERED, REGISTERED, true));
    for (size_t i = 0; i < COUNT_OF(mutants); i++)
        refuse(REGISTERED, mutants[i]);
    for (size_t i = 0; i < length; i++, tried += 3) {
        snprintf(sent, sizeof sent, "%.*s%s", (int)i, REGISTERED, REGISTERED + i + 1);
        refuse(REGISTERED, sent);
        snprintf(sent, sizeof sent, "%.*s%s", (int)i + 1, REGISTERED, REGISTERED + i);
        refuse(REGISTERED, sent);
        snprintf(sent, sizeof sent, "%s", REGISTERED);
        sent[i] = (char)(sent[i] ^ 0x20);
        refuse(REGISTERED, sent);
    }
    assert_true(tried >= 120);
}

/* RFC 8252 §7.3: the port of a loopback address, of a native application, and nothing else. */
static void test_a_native_applications_port(void **state)
{
    static const char *const same[] = {"http://127.0.0.1/cb", "http://127.0.0.1:1/cb",
                                       "http://127.0.0.1:65535/cb"};
    static const char *const others[] = {
        "http://127.0.0.1:8000/cb/",
        "http://127.0.0.1:8000/CB",
        "http://127.0.0.1:8000/cb?x",
        "http://127.0.0.1:8000/cb#x",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:80x/cb",
        "http://127.0.0.1:80@evil/cb",
        "http://127.0.0.1@evil:8000/cb",
        "http://127.0.0.1.evil:8000/cb",
        "http://127.0.0.2:8000/cb",
        "http://localhost:8000/cb",
        "http://[::1]:8000/cb",
        "https://127.0.0.1:8000/cb",
        "HTTP://127.0.0.1:8000/cb",
        "http://evil:8000@127.0.0.1/cb",
        "http://127.0.0.1:8000:9000/cb",
        "http://127.0.0.1:8000\\@evil/cb",
        "http://127.0.0.1:8000",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        assert_true(redirect_uri_matches(NATIVE, same[i], true));
        assert_false(redirect_uri_matches(NATIVE, same[i], false));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        refuse(NATIVE, others[i]);
    assert_true(redirect_uri_matches("http://[::1]/cb", "http://[::1]:7/cb", true));
    refuse("http://app.example:8000/cb", "http://app.example:9000/cb");
    refuse("https://localhost:8000/cb", "https://localhost:9000/cb");
}

static void test_origins(void **state)
{
    (void)state;
    assert_int_equal(redirect_uri_origin("https://app.example:8443/cb?x"), 24);
    assert_int_equal(redirect_uri_origin("https://app.example"), 19);
    assert_int_equal(redirect_uri_origin("http://[::1]?x"), 12);
    assert_int_equal(redirect_uri_origin("com.example.app://cb/x"), 0);
    assert_int_equal(redirect_uri_origin("com.example.app:/cb"), 0);
    assert_int_equal(redirect_uri_origin("/cb"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_registered),
        cmocka_unit_test(test_its_length),
        cmocka_unit_test(test_no_mutant_is_the_registered_one),
        cmocka_unit_test(test_a_native_applications_port),
        cmocka_unit_test(test_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
