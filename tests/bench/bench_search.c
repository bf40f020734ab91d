/*
 * The floor of searches: the bare find command through libmongoc. Each line of FILE is a command in
 * extended JSON; they are sent in turn.
 *
 *   bench_search MONGODB_URI DATABASE FILE CONNECTIONS SECONDS    on so many threads, the answer
 * walked once; prints one JSON line: requests, seconds, latency
 *   bench_search MONGODB_URI DATABASE FILE serve PORT    one command for each HTTP request, the
 * documents as JSON; until killed
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <civetweb.h>
#include <mongoc/mongoc.h>

#define MAX_SAMPLES  200000
#define MAX_COMMANDS 4096

static struct {
    mongoc_client_pool_t *pool;
    const char *database;
    double until;
    bson_t *commands[MAX_COMMANDS];
    size_t count;
    _Atomic size_t next;
} load;

struct worker {
    pthread_t thread;
    uint64_t requests, documents;
    uint32_t *samples; /* microseconds */
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Every member of every document, so that nothing is saved that a user of them would pay. */
static uint64_t walk(const bson_t *reply)
{
    bson_iter_t top, batch, document;
    uint64_t count = 0;

    if (!bson_iter_init(&top, reply) ||
        !bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &batch))
        return 0;
    for (; bson_iter_next(&batch); count++) {
        if (!bson_iter_recurse(&batch, &document))
            continue;
        while (bson_iter_next(&document))
            ;
    }
    return count;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    mongoc_client_t *client = mongoc_client_pool_pop(load.pool);

    while (now() < load.until) {
        const bson_t *command = load.commands[load.next++ % load.count];
        const double start = now();
        bson_error_t error;
        bson_t reply;

        if (!mongoc_client_command_simple(client, load.database, command, NULL, &reply, &error)) {
            fprintf(stderr, "bench_search: %s\n", error.message);
            exit(1);
        }
        worker->documents += walk(&reply);
        bson_destroy(&reply);
        if (worker->requests < MAX_SAMPLES)
            worker->samples[worker->requests] = (uint32_t)((now() - start) * 1e6);
        worker->requests++;
    }
    mongoc_client_pool_push(load.pool, client);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool read_commands(const char *path)
{
    static char line[65536];
    FILE *file = fopen(path, "r");
    bson_error_t error;

    if (file == NULL)
        return false;
    while (load.count < MAX_COMMANDS && fgets(line, sizeof line, file) != NULL) {
        bson_t *command = bson_new_from_json((const uint8_t *)line, -1, &error);

        if (command == NULL)
            return false;
        load.commands[load.count++] = command;
    }
    (void)fclose(file);
    return load.count > 0;
}

static void report(struct worker *workers, size_t count, double seconds)
{
    uint32_t *all = calloc(count, MAX_SAMPLES * sizeof *all);
    uint64_t requests = 0, documents = 0;
    size_t samples = 0;

    if (all == NULL)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        const size_t own =
            workers[i].requests < MAX_SAMPLES ? (size_t)workers[i].requests : MAX_SAMPLES;

        memcpy(all + samples, workers[i].samples, own * sizeof *all);
        samples += own;
        requests += workers[i].requests;
        documents += workers[i].documents;
    }
    qsort(all, samples, sizeof *all, by_size);
    printf("{\"requests\":%llu,\"failures\":0,\"seconds\":%.3f,\"documents\":%llu,"
           "\"p50_us\":%u,\"p99_us\":%u}\n",
           (unsigned long long)requests, seconds, (unsigned long long)documents,
           samples > 0 ? all[samples / 2] : 0, samples > 0 ? all[samples * 99 / 100] : 0);
    free(all);
}

/* ---- behind HTTP ---- */

static void put(char **text, size_t *size, const char *more, size_t length)
{
    char *grown = realloc(*text, *size + length);

    if (grown == NULL)
        exit(1);
    memcpy(grown + *size, more, length);
    *text = grown;
    *size += length;
}

static void put_documents(const bson_t *reply, char **text, size_t *size)
{
    bson_iter_t top, batch;

    if (!bson_iter_init(&top, reply) ||
        !bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &batch))
        return;
    while (bson_iter_next(&batch)) {
        const uint8_t *data = NULL;
        uint32_t length = 0;
        size_t json_length = 0;
        bson_t document;

        bson_iter_document(&batch, &length, &data);
        if (!bson_init_static(&document, data, length))
            continue;

        char *json = bson_as_relaxed_extended_json(&document, &json_length);

        put(text, size, *size > 1 ? "," : "", *size > 1);
        put(text, size, json, json_length);
        bson_free(json);
    }
}

static int answer_one(struct mg_connection *conn)
{
    const bson_t *command = load.commands[load.next++ % load.count];
    mongoc_client_t *client = mongoc_client_pool_pop(load.pool);
    size_t size = 0;
    char *text = NULL, head[128];
    bson_error_t error;
    bson_t reply;

    if (!mongoc_client_command_simple(client, load.database, command, NULL, &reply, &error))
        exit(1);
    mongoc_client_pool_push(load.pool, client);
    put(&text, &size, "[", 1);
    put_documents(&reply, &text, &size);
    put(&text, &size, "]", 1);
    bson_destroy(&reply);

    const int length = snprintf(head, sizeof head,
                                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                "Content-Length: %zu\r\n\r\n",
                                size);

    (void)mg_write(conn, head, (size_t)length);
    (void)mg_write(conn, text, size);
    free(text);
    return 200;
}

static int serve(const char *port)
{
    const char *options[] = {"listening_ports",
                             port,
                             "num_threads",
                             "128",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "15000",
                             "tcp_nodelay",
                             "1",
                             NULL};
    const struct mg_callbacks callbacks = {.begin_request = answer_one};

    (void)mg_init_library(0);
    if (mg_start(&callbacks, NULL, options) == NULL)
        return 1;
    for (;;)
        (void)pause();
}

int main(int argc, char **argv)
{
    static struct worker workers[256];

    if (argc != 6 || !read_commands(argv[3])) {
        fputs("usage: bench_search MONGODB_URI DATABASE FILE CONNECTIONS SECONDS | … FILE serve "
              "PORT\n",
              stderr);
        return 2;
    }
    mongoc_init();
    load.pool = mongoc_client_pool_new(mongoc_uri_new(argv[1]));
    load.database = argv[2];
    if (strcmp(argv[4], "serve") == 0)
        return serve(argv[5]);

    const size_t count = strtoul(argv[4], NULL, 10) % 256;
    const double start = now();

    load.until = start + strtod(argv[5], NULL);
    for (size_t i = 0; i < count; i++) {
        workers[i].samples = calloc(MAX_SAMPLES, sizeof *workers[i].samples);
        if (workers[i].samples == NULL ||
            pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 1;
    }
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(workers[i].thread, NULL);
    report(workers, count, now() - start);
    return 0;
}
