/*
 * MS-3, G18: on every row of the route table the n-th database call fails, the n-th call's answer
 * is lost, and the n-th allocation fails. Each answer is 5xx or the whole success; nothing leaks or
 * crashes, and what the database holds is as before or as after a whole success. A row without a
 * good request (support/torture_inputs.c) fails the test.
 *
 * ./dev test takes samples, every day others (TENANTD_TORTURE_DAY=20779: those of that day again);
 * TENANTD_LONG takes every n of every row.
 * TENANTD_TORTURE=text takes the rows whose path has that text, TENANTD_TORTURE_PART=0 or 1 every
 * other row: two processes wait for the database side by side.
 */
#include "support/torture.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/arena.h"
#include "app/db.h"
#include "app/routes.h"

#include <cmocka.h>

#define MANY         (INT64_C(1) << 40)
#define CALLS_MAX    100
#define LEAST_MEMORY ((size_t)8192 * 1024)
#define PARTS        2
#define TURNS        8 /* each row has its turn with every call once in so many days */

static int failures, tries;
static unsigned today;

/* In place of the library's, as quick as a stored hash may be. A sign-in then makes the hash anew,
 * which is a write more to fail. */
int crypto_pwhash_str_alg(char out[crypto_pwhash_STRBYTES], const char *const password,
                          unsigned long long length, unsigned long long passes, size_t memory,
                          int algorithm)
{
    (void)passes;
    (void)memory;
    (void)algorithm;
    return crypto_pwhash_argon2id_str(out, password, length, 1, LEAST_MEMORY);
}

/* --- one try --- */

struct fault {
    const char *name;
    int64_t (*arm)(int64_t n); /* 0 = off; how many the last setting was still waiting for */
    int samples;               /* of the n, when not all are taken; 0 = see stride */
};

static int64_t fail_call(int64_t n)
{
    return db_fail_after(torture_app()->db, n);
}

static int64_t lose_answer(int64_t n)
{
    return db_lose_after(torture_app()->db, n);
}

static const struct fault faults[] = {
    {"failing call", fail_call, 3},
    {"lost answer of call", lose_answer, 3},
    {"failing arena allocation", arena_fail_after, 3},
    {"failing heap allocation", torture_heap_fail_after, 2},
};

#define FAULT_COUNT (sizeof faults / sizeof faults[0])

struct sweep {
    const struct route *route;
    struct torture_input input;
    bool writes;
    int good; /* status */
    int64_t counts[FAULT_COUNT];
    struct torture_state *before; /* anything */
    char success[TORTURE_DIFFERENCE];
};

/* Every line is one that a refused request may leave. */
static bool is_harmless(const char *lines, const char *harmless)
{
    char copy[TORTURE_DIFFERENCE], allowed[256], *rest = copy;

    snprintf(copy, sizeof copy, "%s", lines);
    for (char *line = strsep(&rest, " "); line != NULL; line = strsep(&rest, " ")) {
        char *at = allowed;
        bool found = line[0] == '\0';

        snprintf(allowed, sizeof allowed, "%s", harmless);
        for (char *word = strsep(&at, " "); word != NULL && !found; word = strsep(&at, " "))
            found = word[0] != '\0' && strncmp(line, word, strlen(word)) == 0;
        if (!found)
            return false;
    }
    return true;
}

static void complain(const struct sweep *sweep, const char *what, int status, const char *lines)
{
    print_error("%s %s: %s: %d (%s)\n    left:  %s\n    whole: %s\n", sweep->input.request.method,
                sweep->route->path, what, status, torture_reason(), lines, sweep->success);
    failures++;
}

/* The whole success but for the line that it may lack. */
static bool is_lesser_success(const struct sweep *sweep, const char *lines)
{
    const char *optional = sweep->input.optional;
    const char *at = optional != NULL ? strstr(sweep->success, optional) : NULL;
    char lesser[TORTURE_DIFFERENCE];

    if (at == NULL)
        return false;
    snprintf(lesser, sizeof lesser, "%.*s%s", (int)(at - sweep->success), sweep->success,
             at + strlen(optional));
    return strcmp(lines, lesser) == 0;
}

static bool is_right(const struct sweep *sweep, int status, const char *lines)
{
    if (status != sweep->good && status != 0 && status < 500)
        return false;
    if (!sweep->writes || strcmp(lines, sweep->success) == 0)
        return true;
    if (is_lesser_success(sweep, lines))
        return true;
    return status != sweep->good && is_harmless(lines, sweep->input.harmless);
}

/* Puts everything back as it was before the row. */
static void forget(const struct sweep *sweep, const struct torture_state *after)
{
    if (torture_restore(sweep->before, after))
        torture_flush();
    if (strstr(sweep->success, "revocations+ tenants~") != NULL)
        torture_forget_revocations();
}

/* Sends under a fault. False when there was no n-th: the request was through before. */
static bool try_once(struct sweep *sweep, const struct fault *fault, int64_t n)
{
    struct torture_state *before = NULL, *after = NULL;
    char lines[TORTURE_DIFFERENCE] = "", what[64];

    tries++;
    if (sweep->writes) {
        torture_prepare(&sweep->input.request);
        before = torture_state_read();
    }
    torture_beat();
    (void)fault->arm(n);
    const int status = torture_send(&sweep->input.request);
    const bool struck = fault->arm(0) == 0;
    if (sweep->writes) {
        after = torture_state_read();
        torture_difference(before, after, lines);
        forget(sweep, after);
    }
    torture_state_free(before);
    torture_state_free(after);
    snprintf(what, sizeof what, "%s %lld", fault->name, (long long)n);
    if (!is_right(sweep, status, lines))
        complain(sweep, what, status, lines);
    return struck;
}

/* --- the good request --- */

static bool measure(struct sweep *sweep)
{
    const struct torture_request *request = &sweep->input.request;

    torture_prepare(request);
    torture_beat();
    struct torture_state *before = torture_state_read();
    for (size_t i = 0; i < FAULT_COUNT; i++)
        (void)faults[i].arm(MANY);
    const int status = torture_send(request);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        sweep->counts[i] = MANY - faults[i].arm(0);
    struct torture_state *after = torture_state_read();
    torture_difference(before, after, sweep->success);
    if (sweep->writes)
        forget(sweep, after);
    torture_state_free(before);
    torture_state_free(after);
    if (status == sweep->good)
        return true;
    print_error("%s %s: not a good request: %d %.300s\n", request->method, sweep->route->path,
                status, buf_text(&torture_response()->body));
    failures++;
    return false;
}

/* --- the sweeps --- */

static bool takes_all(void)
{
    return getenv("TENANTD_LONG") != NULL;
}

static void sweep_fault(struct sweep *sweep, size_t which)
{
    const struct fault *fault = &faults[which];
    const int64_t count = sweep->counts[which] < 3000 ? sweep->counts[which] : 3000;
    const bool has_turn = (route_index(sweep->route) + today) % TURNS == 0;
    const bool all = takes_all() || (has_turn && count <= CALLS_MAX && which < 2);
    const int64_t step = all || count <= fault->samples ? 1 : count / fault->samples;
    const int64_t first = 1 + (int64_t)(route_index(sweep->route) + today) % step;

    for (int64_t n = first; n <= count; n += step)
        (void)try_once(sweep, fault, n);
    /* What a lost answer brings with it, a second try for one, makes more calls. */
    for (int64_t n = count + 1; all && n < CALLS_MAX && try_once(sweep, fault, n); n++)
        continue;
}

static void sweep_row(const struct route *route, enum method method)
{
    struct sweep sweep = {.route = route, .writes = method != GET};

    if (!torture_find_input(route, method, &sweep.input)) {
        print_error("%s has no request in torture_inputs.c\n", route->path);
        failures++;
        return;
    }
    sweep.good = sweep.input.status != 0 ? sweep.input.status : route->status;
    sweep.before = torture_state_read();
    if (measure(&sweep)) {
        for (size_t i = 0; i < FAULT_COUNT; i++)
            sweep_fault(&sweep, i);
    }
    struct torture_state *after = torture_state_read();
    (void)torture_restore(sweep.before, after);
    torture_state_free(after);
    torture_state_free(sweep.before);
    torture_flush();
}

static bool is_chosen(const struct route *route)
{
    const char *only = getenv("TENANTD_TORTURE"), *part = getenv("TENANTD_TORTURE_PART");

    return (only == NULL || strstr(route->path, only) != NULL) &&
           (part == NULL || route_index(route) % PARTS == strtoul(part, NULL, 10));
}

static void test_every_route(void **state)
{
    static const enum method methods[] = {GET, POST, PUT, PATCH, DELETE};

    const char *day = getenv("TENANTD_TORTURE_DAY");

    (void)state;
    today = day != NULL ? (unsigned)strtoul(day, NULL, 10) : (unsigned)(time(NULL) / 86400);
    for (size_t i = 0; i < route_count * 5; i++) {
        const struct route *route = &routes[i / 5];
        const enum method method = methods[i % 5];

        if (((unsigned)route->method & (unsigned)method) != 0 && is_chosen(route))
            sweep_row(route, method);
    }
    print_message("%d tries of day %u\n", tries, today);
    assert_int_equal(failures, 0);
}

static int setup(void **state)
{
    (void)state;
    return torture_begin() ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    torture_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_route)};
    const char *uri = getenv("TEST_MONGODB_URI");

    if (uri == NULL || uri[0] == '\0')
        return 0;
    return cmocka_run_group_tests(tests, setup, teardown);
}
