/*
 * A load generator that costs little: one thread and one kept connection each, blocking sockets, no
 * parsing beyond the length of the answer. Prints one JSON line: requests, failures, seconds,
 * latency.
 *
 *   bench_load PORT CONNECTIONS SECONDS fixed FILE        the request text of FILE, again and again
 *   bench_load PORT CONNECTIONS SECONDS users FILE        FILE's lines in turn: each a whole JSON
 * body of POST /auth/login (or the path in BENCH_PATH) bench_load PORT CONNECTIONS SECONDS refresh
 * FILE      line i is connection i's refresh token; each answer's refresh_token is the next one
 * sent BENCH_HEADERS holds further header lines, each ended by CR LF.
 *
 *   bench_load PORT CONNECTIONS SECONDS list FILE         whole requests in turn, each after its
 * length in decimal and a line break; with BENCH_ONCE each is sent once. An answer counts when its
 * status begins with BENCH_STATUS (2).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES 200000
#define BUFFER      65536

enum mode { MODE_FIXED = 1, MODE_USERS, MODE_REFRESH, MODE_LIST };

static struct {
    uint16_t port;
    enum mode mode;
    double until;
    char *text; /* of FILE */
    size_t text_length;
    char **lines; /* of a list: requests, each with its length */
    size_t *lengths;
    size_t line_count;
    _Atomic size_t next_line;
    const char *path, *headers, *status;
    bool once;
} load;

struct worker {
    pthread_t thread;
    size_t index;
    int socket;
    uint64_t requests, failures;
    uint32_t *samples; /* microseconds */
    size_t sample_count;
    char token[1024];
    char request[BUFFER], answer[BUFFER];
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool open_socket(struct worker *worker)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(load.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    const struct timeval patience = {.tv_sec = 20};

    if (worker->socket >= 0)
        (void)close(worker->socket);
    worker->socket = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(worker->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(worker->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(worker->socket, (const struct sockaddr *)&to, sizeof to) == 0;
}

static size_t build_post(struct worker *worker, const char *body)
{
    const int length = snprintf(worker->request, sizeof worker->request,
                                "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: "
                                "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                load.path, load.headers, strlen(body), body);

    return length > 0 ? (size_t)length : 0;
}

static size_t build(struct worker *worker)
{
    char body[1200];
    size_t at;

    switch (load.mode) {
    case MODE_LIST:
        at = load.next_line++;
        if (load.once && at >= load.line_count)
            return 0;
        at %= load.line_count;
        memcpy(worker->request, load.lines[at], load.lengths[at]);
        return load.lengths[at];
    case MODE_USERS:
        return build_post(worker, load.lines[load.next_line++ % load.line_count]);
    case MODE_REFRESH:
        (void)snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", worker->token);
        return build_post(worker, body);
    case MODE_FIXED:
        break;
    }
    memcpy(worker->request, load.text, load.text_length);
    return load.text_length;
}

static bool send_all(const struct worker *worker, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        const ssize_t n = send(worker->socket, worker->request + sent, length - sent, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

/* Reads one answer whole; *ret_close when the server said so. */
static bool receive(struct worker *worker, bool *ret_close)
{
    size_t have = 0, want = 0;

    while (want == 0 || have < want) {
        const ssize_t n =
            recv(worker->socket, worker->answer + have, sizeof worker->answer - 1 - have, 0);

        if (n <= 0)
            return false;
        have += (size_t)n;
        worker->answer[have] = '\0';

        const char *end = strstr(worker->answer, "\r\n\r\n");

        if (want == 0 && end != NULL) {
            const char *length = strcasestr(worker->answer, "\r\nContent-Length:");
            const size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;

            want = (size_t)(end - worker->answer) + 4 + body;
            *ret_close = strcasestr(worker->answer, "\r\nConnection: close") != NULL;
        }
    }
    return true;
}

static bool keep_token(struct worker *worker)
{
    static const char name[] = "\"refresh_token\":\"";
    const char *start = strstr(worker->answer, name);
    const char *end = start != NULL ? strchr(start + sizeof name - 1, '"') : NULL;

    if (end == NULL)
        return false;
    start += sizeof name - 1;
    (void)snprintf(worker->token, sizeof worker->token, "%.*s", (int)(end - start), start);
    return true;
}

static bool once(struct worker *worker, size_t length)
{
    bool close_after = false;

    if (!send_all(worker, length) || !receive(worker, &close_after)) {
        (void)open_socket(worker);
        return false;
    }
    if (close_after)
        (void)open_socket(worker);
    if (strncmp(worker->answer + 9, load.status, strlen(load.status)) != 0)
        return false;
    return load.mode != MODE_REFRESH || keep_token(worker);
}

static void *run(void *arg)
{
    struct worker *worker = arg;

    if (!open_socket(worker)) {
        worker->failures = 1;
        return NULL;
    }
    while (now() < load.until) {
        const size_t length = build(worker);
        const double started = now();

        if (length == 0)
            break;
        if (once(worker, length))
            worker->requests++;
        else
            worker->failures++;
        if (worker->sample_count < MAX_SAMPLES)
            worker->samples[worker->sample_count++] = (uint32_t)((now() - started) * 1e6);
    }
    (void)close(worker->socket);
    return NULL;
}

static bool split_list(void)
{
    char *at = load.text, *end = load.text + load.text_length;

    load.lengths = calloc(1 << 17, sizeof *load.lengths);
    while (at < end && load.line_count < 1 << 17) {
        char *start;
        const size_t length = strtoul(at, &start, 10);

        if (length == 0 || length >= BUFFER || start + 1 + length > end)
            return false;
        load.lines[load.line_count] = start + 1;
        load.lengths[load.line_count++] = length;
        at = start + 1 + length;
    }
    return load.line_count > 0;
}

static bool read_file(const char *path)
{
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return false;
    load.text = calloc(1, 1 << 26);
    load.text_length = fread(load.text, 1, (1 << 26) - 1, file);
    (void)fclose(file);
    if (load.mode == MODE_FIXED)
        return load.text_length < BUFFER;
    load.lines = calloc(1 << 17, sizeof *load.lines);
    if (load.mode == MODE_LIST)
        return split_list();
    for (char *rest = load.text; rest != NULL && *rest != '\0';)
        load.lines[load.line_count++] = strsep(&rest, "\n");
    return load.line_count > 0;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(struct worker *workers, size_t count, double seconds)
{
    uint64_t requests = 0, failures = 0;
    size_t samples = 0;
    uint32_t *all = calloc(count * MAX_SAMPLES, sizeof *all);

    for (size_t i = 0; i < count; i++) {
        requests += workers[i].requests;
        failures += workers[i].failures;
        memcpy(all + samples, workers[i].samples, workers[i].sample_count * sizeof *all);
        samples += workers[i].sample_count;
    }
    qsort(all, samples, sizeof *all, by_value);
    printf("{\"requests\":%llu,\"failures\":%llu,\"seconds\":%.3f,\"p50_us\":%u,\"p99_us\":%u}\n",
           (unsigned long long)requests, (unsigned long long)failures, seconds,
           samples > 0 ? all[samples / 2] : 0, samples > 0 ? all[samples * 99 / 100] : 0);
    free(all);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: bench_load PORT CONNECTIONS SECONDS fixed|users|refresh|list FILE\n", stderr);
        return 2;
    }
    const size_t count = strtoul(argv[2], NULL, 10);
    struct worker *workers = calloc(count, sizeof *workers);

    load.port = (uint16_t)strtoul(argv[1], NULL, 10);
    load.mode = strcmp(argv[4], "users") == 0     ? MODE_USERS
                : strcmp(argv[4], "refresh") == 0 ? MODE_REFRESH
                : strcmp(argv[4], "list") == 0    ? MODE_LIST
                                                  : MODE_FIXED;
    load.path = getenv("BENCH_PATH") != NULL ? getenv("BENCH_PATH") : "/auth/login";
    load.headers = getenv("BENCH_HEADERS") != NULL ? getenv("BENCH_HEADERS") : "";
    load.status = getenv("BENCH_STATUS") != NULL ? getenv("BENCH_STATUS") : "2";
    load.once = getenv("BENCH_ONCE") != NULL;
    if (workers == NULL || !read_file(argv[5]) ||
        (load.mode == MODE_REFRESH && load.line_count < count)) {
        fprintf(stderr, "bench_load: %s cannot be used\n", argv[5]);
        return 1;
    }

    const double started = now();

    load.until = started + strtod(argv[3], NULL);
    for (size_t i = 0; i < count; i++) {
        workers[i].index = i;
        workers[i].socket = -1;
        workers[i].samples = calloc(MAX_SAMPLES, sizeof *workers[i].samples);
        if (load.mode == MODE_REFRESH)
            (void)snprintf(workers[i].token, sizeof workers[i].token, "%s", load.lines[i]);
        (void)pthread_create(&workers[i].thread, NULL, run, &workers[i]);
    }
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(workers[i].thread, NULL);
    report(workers, count, now() - started);
    return 0;
}
