/* Outgoing requests reach nobody but whom they may (TI-14), and bring little home. */
#include "app/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "app/network.h"
#include "support/bare.h"
#include "support/patience.h"

#define REQUEST_MAX 4096

static struct bare bare;

/* A server on loopback that gives every connection the same answer. */
static struct {
    int socket;
    unsigned port;
    const char *answer; /* NULL: none, ever */
    char request[REQUEST_MAX];
    _Atomic int connections;
    pthread_t thread;
} server;

static void answer_one(int connection)
{
    size_t size = 0;

    while (size < REQUEST_MAX - 1 && strstr(server.request, "\r\n\r\nsent") == NULL) {
        const ssize_t got = recv(connection, server.request + size, REQUEST_MAX - 1 - size, 0);

        if (got <= 0)
            return;
        size += (size_t)got;
        server.request[size] = '\0';
    }
    if (server.answer != NULL)
        (void)send(connection, server.answer, strlen(server.answer), MSG_NOSIGNAL);
    else /* until the other side has enough of it */
        (void)recv(connection, server.request, 1, 0);
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        const int connection = accept(server.socket, NULL, NULL);

        if (connection < 0)
            return NULL;
        server.connections++;
        server.request[0] = '\0';
        answer_one(connection);
        close(connection);
    }
}

static int setup(void **state)
{
    static const char *proxies[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;

    (void)state;
    bare_init(&bare);
    bare.config.fetch.timeout_ms = PATIENCE_MS;
    server.socket = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.socket, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(listen(server.socket, 16), 0);
    assert_int_equal(getsockname(server.socket, (struct sockaddr *)&here, &size), 0);
    server.port = ntohs(here.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
    /* Nobody's proxy: a request that went there would fail. */
    for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
        assert_int_equal(setenv(proxies[i], "http://127.0.0.1:1", 1), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)shutdown(server.socket, SHUT_RDWR);
    (void)pthread_join(server.thread, NULL);
    close(server.socket);
    bare_clear(&bare);
    return 0;
}

static const char *loopback[] = {"127.0.0.0/8", "::1"};

static void allow(size_t count)
{
    bare.config.fetch.allow = (struct strs){.items = loopback, .count = count};
}

static struct fetch_answer run(const char *url)
{
    const struct fetch fetch = {.url = url,
                                .content_type = "application/x-test",
                                .body = {.data = (const uint8_t *)"sent", .size = 4}};
    struct fetch_answer answer;

    arena_reset(&bare.arena);
    assert_int_equal(fetch_run(&bare.ctx, &fetch, &answer), ERR_OK);
    return answer;
}

static struct fetch_answer run_here(const char *reply)
{
    char url[64];

    allow(1);
    server.answer = reply;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/path?q", server.port);
    return run(url);
}

/* --- who may be reached --- */

/* Hosts of URLs, as libcurl and the resolver read them; each stands for something of ours. */
static const char *const inner_hosts[] = {
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.255.255.254",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:10::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
};

static void test_inner_addresses_are_refused(void **state)
{
    char url[128];

    (void)state;
    allow(0);
    server.connections = 0;
    for (size_t i = 0; i < sizeof inner_hosts / sizeof inner_hosts[0]; i++) {
        (void)snprintf(url, sizeof url, "http://%s:%u/", inner_hosts[i], server.port);

        const struct fetch_answer answer = run(url);

        if (answer.outcome != FETCH_REFUSED && answer.outcome != FETCH_FAILED)
            fail_msg("%s: outcome %d, %s", url, (int)answer.outcome, answer.line);
        /* Only what no resolver reads as an address may fail before. */
        if (answer.outcome == FETCH_FAILED && strstr(answer.line, "resolve") == NULL)
            fail_msg("%s: %s", url, answer.line);
    }
    assert_int_equal(server.connections, 0);
}

static void test_other_schemes_are_refused(void **state)
{
    static const char *const urls[] = {
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "dict://127.0.0.1:11211/",
        "ldap://127.0.0.1/",
        "smtp://127.0.0.1/",
        "telnet://127.0.0.1/",
        "tftp://127.0.0.1/",
        "unix:///run/x",
        "ws://127.0.0.1/",
        "javascript:1",
        "http://",
        "://",
        "",
    };

    (void)state;
    allow(2);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const struct fetch_answer answer = run(urls[i]);

        if (answer.outcome != FETCH_REFUSED)
            fail_msg("%s: outcome %d, %s", urls[i], (int)answer.outcome, answer.line);
    }
}

static void test_public_addresses_and_the_list(void **state)
{
    static const char *const open[] = {
        "1.1.1.1",     "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
        "100.128.0.0", "126.255.255.255", "128.0.0.0",       "169.253.255.255",
        "172.15.0.1",  "172.32.0.0",      "192.0.1.0",       "192.167.255.255",
        "198.17.0.1",  "198.20.0.0",      "223.255.255.255", "2001:200::1",
        "2600::1",     "2a00::1",         "2003::1",         "::ffff:1.1.1.1"};
    struct strs list = {.items = loopback, .count = 2};

    (void)state;
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        const struct address address = address_read(open[i]);

        if (!address_is_public(&address))
            fail_msg("%s is public", open[i]);
        assert_false(network_list_has(&list, &address));
    }

    const struct address mapped = address_read("::ffff:127.0.0.1"), none = address_read("1.2.3");
    const struct address tunnel = address_read("2002:7f00:1::");

    assert_true(network_list_has(&list, &mapped));
    assert_false(network_list_has(&list, &tunnel));
    assert_false(network_list_has(&list, &none) || address_is_public(&none));
}

/* --- what comes home --- */

static void test_a_request_and_its_answer(void **state)
{
    const struct fetch_answer answer =
        run_here("HTTP/1.1 201 Created\r\nContent-Length: 28\r\n\r\n\r\n  "
                 "caf\xc3\xa9\t<b>\x1b[31m\nsecond\n");

    (void)state;
    assert_int_equal(answer.outcome, FETCH_ANSWERED);
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.line, "  caf?"
                                     "?"
                                     "?"
                                     "<b>?[31m");
    assert_true(strstr(server.request, "POST /path?q HTTP/1.1\r\n") == server.request);
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/x-test\r\n"));
    assert_null(strstr(server.request, "Expect:"));
}

static void test_redirects_are_answers(void **state)
{
    const struct fetch_answer answer = run_here(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");

    (void)state;
    assert_int_equal(answer.outcome, FETCH_ANSWERED);
    assert_int_equal(answer.status, 302);
    assert_string_equal(answer.line, "");
}

static void test_long_answers_are_cut(void **state)
{
    static char reply[200000];
    const size_t head = (size_t)snprintf(reply, sizeof reply,
                                         "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");

    (void)state;
    memset(reply + head, 'x', sizeof reply - head - 1);

    const struct fetch_answer answer = run_here(reply);

    assert_int_equal(answer.outcome, FETCH_ANSWERED);
    assert_int_equal(answer.status, 200);
    assert_int_equal(strlen(answer.line), FETCH_LINE_SIZE - 1);
}

static void test_no_http_and_nobody_are_failures(void **state)
{
    struct fetch_answer answer = run_here("SSH-2.0-OpenSSH_9.2\r\n");

    (void)state;
    assert_int_equal(answer.outcome, FETCH_FAILED);
    assert_string_not_equal(answer.line, "");
    answer = run("http://127.0.0.1:1/");
    assert_int_equal(answer.outcome, FETCH_FAILED);
}

static void test_silence_ends(void **state)
{
    (void)state;
    bare.config.fetch.timeout_ms = 100;
    assert_int_equal(run_here(NULL).outcome, FETCH_FAILED);
    bare.config.fetch.timeout_ms = PATIENCE_MS;
    bare.app.stopping = true;
    assert_int_equal(run_here(NULL).outcome, FETCH_STOPPED);
    bare.app.stopping = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner_addresses_are_refused),
        cmocka_unit_test(test_other_schemes_are_refused),
        cmocka_unit_test(test_public_addresses_and_the_list),
        cmocka_unit_test(test_a_request_and_its_answer),
        cmocka_unit_test(test_redirects_are_answers),
        cmocka_unit_test(test_long_answers_are_cut),
        cmocka_unit_test(test_no_http_and_nobody_are_failures),
        cmocka_unit_test(test_silence_ends),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
