/*
 * The framing gate (HT-1): two parsers in a row must never see two different requests. Each case is
 * a raw head, cut as CivetWeb cuts it.
 */
#include "app/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/head.h"

#define GET_LINE "GET /path?a=b HTTP/1.1\r\n"
#define HOST     "Host: localhost:8080\r\n"

/* CivetWeb's own refusal counts as one: nothing gets through. */
static enum err check_bytes(const char *raw, size_t size, struct gate_result *result)
{
    struct cut_head head;
    const char *reason = NULL;
    char *text = malloc(size);
    enum err code = ERR_BAD_REQUEST;

    assert_non_null(text);
    memcpy(text, raw, size);
    if (cut_head(text, size, &head)) {
        code = gate_check(&head.gate, result, &reason);
        assert_true((code == ERR_OK) == (reason == NULL));
    }
    result->host = NULL; /* it pointed into text */
    free(text);
    return code;
}

static enum err check(const char *raw)
{
    struct gate_result result = {0};

    return check_bytes(raw, strlen(raw), &result);
}

static void test_honest_heads_pass(void **state)
{
    static const char *const heads[] = {
        GET_LINE HOST "\r\n",
        GET_LINE "host:localhost\r\nAccept:\r\nX: y \r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nAccept: */*\r\n\r\n",
        "\r\n" GET_LINE HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n",
        "PATCH /%7e HTTP/1.1\r\nHost: [::1]:8080\r\nX-Name: J\xc3\xbcrgen\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: Client1.LOCALHOST.:8080\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (check(heads[i]) != ERR_OK)
            fail_msg("refused: %s", heads[i]);
    }
}

static void test_smuggling_is_refused(void **state)
{
    static const char *const heads[] = {
        /* framing (F8) */
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5abc\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 \r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
        /* lines */
        "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length  : 5\r\n\r\n",
        "GET / HTTP/1.1\n" HOST "\r\n",
        GET_LINE "Host: localhost\nAccept: */*\r\n\r\n",
        GET_LINE "Host: localhost\n\n",
        GET_LINE "Host: localhost\r\n\n",
        GET_LINE HOST "X: a\r\n b\r\nContent-Length: 5\r\n\r\n",
        GET_LINE HOST ": x\r\nContent-Length: 5\r\n\r\n",
        GET_LINE HOST "\xc3\xbc: x\r\nContent-Length: 5\r\n\r\n",
        GET_LINE HOST "X(y): z\r\n\r\n",
        GET_LINE "Host: localhost\r\r\nX: y\r\n\r\n",
        GET_LINE HOST "X: a\x01\r\n\r\n",
        GET_LINE HOST "X: a\x7f\r\n\r\n",
        GET_LINE HOST "X:\ta\r\n\r\n",
        /* the request line */
        "\r\n\r\n" GET_LINE HOST "\r\n",
        "\n" GET_LINE HOST "\r\n",
        "   " GET_LINE HOST "\r\n",
        "GET  / HTTP/1.1\r\n" HOST "\r\n",
        "GET /  HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1 \r\n" HOST "\r\n",
        "GET / HTTP/1.2\r\n" HOST "\r\n",
        "GET / HTTP/2\r\n" HOST "\r\n",
        "GET / http/1.1\r\n" HOST "\r\n",
        "G@T / HTTP/1.1\r\n" HOST "\r\n",
        "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        /* Host (F8, HT-6) */
        GET_LINE "\r\n",
        GET_LINE "Accept: */*\r\n\r\n",
        GET_LINE HOST "Host: other\r\n\r\n",
        GET_LINE "Host:\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (check(heads[i]) != ERR_BAD_REQUEST)
            fail_msg("not refused: %s", heads[i]);
    }
}

static void test_nul_is_refused(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    struct gate_result result = {0};

    (void)state;
    assert_int_equal(check_bytes(head, sizeof head - 1, &result), ERR_BAD_REQUEST);
}

/* The head ends with a bare LF; the body's NULs look like the cuts of a whole line end. */
static void test_body_does_not_complete_the_head(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\n\0\0";
    struct gate_result result = {0};

    (void)state;
    assert_int_equal(check_bytes(head, sizeof head - 1, &result), ERR_BAD_REQUEST);
}

static void test_host_syntax(void **state)
{
    static const char *const good[] = {
        "localhost", "a.b.c:1",      "A-1.example.",      "127.0.0.1:65535",
        "[::1]",     "[fe80::1]:80", "under_score.local", "host:",
    };
    static const char *const bad[] = {
        "",         ".",   "a..b",   "a b", "a/b", "a@b",  "a:b", "a:65536",     "a:1:2",
        "[::1",     "[]",  "[::1]x", "a?",  "a#b", "-a\\", "a,b", "\xc3\xbc.de", "a:080000",
        "http://a", "*.a", "a%2eb",  "a;b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!gate_is_host(good[i]))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (gate_is_host(bad[i]))
            fail_msg("not refused: %s", bad[i]);
    }
}

/* A head with count headers of value_size bytes each. */
static enum err check_sized(size_t target_size, size_t count, size_t value_size)
{
    size_t size = 1024 + target_size + count * (value_size + 32);
    struct gate_result result = {0};
    char *raw = malloc(size);
    size_t at;

    assert_non_null(raw);
    at = (size_t)snprintf(raw, size, "GET /%0*d HTTP/1.1\r\n" HOST, (int)target_size - 1, 0);
    for (size_t i = 1; i < count; i++)
        at += (size_t)snprintf(raw + at, size - at, "X-%zu: %0*d\r\n", i, (int)value_size, 0);
    at += (size_t)snprintf(raw + at, size - at, "\r\n");
    enum err code = check_bytes(raw, at, &result);
    free(raw);
    return code;
}

/* F9: CivetWeb drops header 65 silently, so a full table may hide a Content-Length. */
static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(check_sized(2, 63, 10), ERR_OK);
    assert_int_equal(check_sized(2, 64, 10), ERR_BAD_REQUEST);
    assert_int_equal(check_sized(2, 65, 10), ERR_BAD_REQUEST);
    assert_int_equal(check_sized(GATE_MAX_TARGET, 1, 10), ERR_OK);
    assert_int_equal(check_sized(GATE_MAX_TARGET + 1, 1, 10), ERR_TARGET_TOO_LONG);
    assert_int_equal(check_sized(2, 2, GATE_MAX_HEADERS - 64), ERR_OK);
    assert_int_equal(check_sized(2, 2, GATE_MAX_HEADERS), ERR_HEADERS_TOO_LARGE);
}

/* RFC 9110 §10.1.1: what is not understood is said, and not just waited for. */
static void test_expectations(void **state)
{
    (void)state;
    assert_int_equal(check(GET_LINE HOST "Expect: 100-continue\r\n\r\n"), ERR_OK);
    assert_int_equal(check(GET_LINE HOST "Expect: 200-ok\r\n\r\n"), ERR_EXPECTATION);
    assert_int_equal(check(GET_LINE HOST "Expect:\r\n\r\n"), ERR_EXPECTATION);
    assert_int_equal(check(GET_LINE HOST "Expect: 100-continue\r\nExpect: x\r\n\r\n"),
                     ERR_EXPECTATION);
    assert_int_equal(check("GET / HTTP/1.0\r\n" HOST "Expect: x\r\n\r\n"), ERR_OK);
}

static struct gate_result result_of(const char *raw)
{
    struct gate_result result = {0};

    assert_int_equal(check_bytes(raw, strlen(raw), &result), ERR_OK);
    return result;
}

static void test_result(void **state)
{
    (void)state;
    struct gate_result result = result_of(GET_LINE HOST "\r\n");
    assert_true(result.keep_alive && !result.chunked && !result.has_length);
    result = result_of("POST / HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n"
                       "Expect: 100-Continue\r\nConnection: close\r\n\r\n");
    assert_true(result.has_length && result.length == 65536 && result.expects_continue);
    assert_false(result.keep_alive);
    result = result_of("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                       "Connection: TE, Keep-Alive\r\n\r\n");
    assert_true(result.chunked && result.keep_alive);
    assert_false(result_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(result_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_heads_pass),
        cmocka_unit_test(test_smuggling_is_refused),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_body_does_not_complete_the_head),
        cmocka_unit_test(test_host_syntax),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
