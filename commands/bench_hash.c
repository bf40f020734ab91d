/* tenantd bench-hash: what password hashes cost on this machine, and which setting that suggests
 * (PW-10). Needs neither configuration nor database. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/clock.h"
#include "app/hash_pool.h"
#include "commands/commands.h"
#include "commands/progress.h"

#define TEXT_MAX    ((size_t)16 * 1024)
#define MIN_COST    10
#define MAX_COST    14
#define THREADS_MAX 64
#define TARGET_MS   250.0 /* what a person does not notice at a login */
#define LEAST_RATE  4.0   /* logins a second of the whole machine */
#define WAIT_MS     60000

struct measured {
    enum password_scheme scheme;
    int64_t cost;           /* bcrypt */
    double ms;              /* of one hash, alone */
    double alone, together; /* hashes a second on one thread and on all */
};

/* --- measuring --- */

struct load {
    struct hash_pool *pool;
    enum password_scheme scheme;
    int64_t cost, until_ms;
    _Atomic int64_t hashes;
    _Atomic bool failed;
};

static void *hash_on(void *arg)
{
    struct load *load = arg;
    struct arena arena;
    struct ctx ctx;

    arena_init(&arena, TEXT_MAX);
    ctx_init(&ctx, NULL, &arena);
    do {
        struct hash_job job = {
            .scheme = load->scheme, .cost = load->cost, .password = "measure this one"};

        ctx.deadline = clock_monotonic_ms() + WAIT_MS;
        if (hash_pool_run(&ctx, load->pool, &job) != ERR_OK || job.failed) {
            load->failed = true;
            break;
        }
        load->hashes++;
    } while (clock_monotonic_ms() < load->until_ms);
    arena_clear(&arena);
    return NULL;
}

static void run_load(struct load *load, int64_t threads, double seconds)
{
    pthread_t callers[THREADS_MAX];
    int64_t started = 0;

    load->hashes = 0;
    load->until_ms = clock_monotonic_ms() + (int64_t)(seconds * 1000);
    while (started < threads && pthread_create(&callers[started], NULL, hash_on, load) == 0)
        started++;
    for (int64_t i = 0; i < started; i++)
        pthread_join(callers[i], NULL);
    load->failed = load->failed || started == 0;
}

/* Hashes a second with so many threads; 0 when it failed. */
static double rate(enum password_scheme scheme, int64_t cost, int64_t threads, double seconds)
{
    const struct config_password config = {
        .scheme = scheme, .cost = cost, .threads = threads, .queue = threads};
    struct load load = {.scheme = scheme, .cost = cost};

    if (hash_pool_new(&config, 0, &load.pool) != ERR_OK)
        return 0;
    const int64_t begun_us = clock_monotonic_us();
    run_load(&load, threads, seconds);
    const double took = (double)(clock_monotonic_us() - begun_us) / 1e6;
    hash_pool_free(load.pool);
    return load.failed || took <= 0 ? 0 : (double)load.hashes / took;
}

static bool measure(struct measured *one, int64_t threads, double seconds)
{
    one->alone = rate(one->scheme, one->cost, 1, seconds);
    one->together = threads > 1 ? rate(one->scheme, one->cost, threads, seconds) : one->alone;
    one->ms = one->alone > 0 ? 1000.0 / one->alone : 0;
    return one->alone > 0 && one->together > 0;
}

/* --- telling --- */

static const char *scheme_name(const struct measured *one)
{
    return one->scheme == PASSWORD_BCRYPT ? "bcrypt" : "argon2id";
}

/* The highest cost within the target; the floor is the floor on any machine. */
static int64_t advise(const struct measured *all, size_t count)
{
    int64_t cost = MIN_COST;

    for (size_t i = 0; i < count; i++) {
        if (all[i].scheme == PASSWORD_BCRYPT && all[i].ms <= TARGET_MS &&
            all[i].together >= LEAST_RATE && all[i].cost > cost)
            cost = all[i].cost;
    }
    return cost;
}

static void write_json(struct buf *out, const struct measured *all, size_t count, int64_t threads)
{
    buf_putc(out, '{');
    command_json_int(out, "threads", threads);
    buf_puts(out, ",\"measured\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i > 0 ? ",{" : "{");
        command_json_text(out, "scheme", scheme_name(&all[i]));
        if (all[i].scheme == PASSWORD_BCRYPT)
            command_json_int(out, "cost", all[i].cost);
        buf_printf(out,
                   ",\"milliseconds\":%.2f,\"logins_per_second_one_thread\":%.2f,"
                   "\"logins_per_second\":%.2f}",
                   all[i].ms, all[i].alone, all[i].together);
    }
    buf_puts(out, "],\"advice\":{");
    command_json_text(out, "scheme", "bcrypt");
    command_json_int(out, "cost", advise(all, count));
    buf_puts(out, "}}");
}

static void write_table(struct buf *out, const struct measured *all, size_t count, int64_t threads)
{
    buf_printf(out, "%-12s  %12s  %18s  %14s %lld\n", "", "ms a hash", "logins/s, 1 thread",
               "logins/s, all", (long long)threads);
    for (size_t i = 0; i < count; i++) {
        char name[32];

        if (all[i].scheme == PASSWORD_BCRYPT)
            snprintf(name, sizeof name, "bcrypt %lld", (long long)all[i].cost);
        else
            snprintf(name, sizeof name, "argon2id");
        buf_printf(out, "%-12s  %12.1f  %18.1f  %14.1f\n", name, all[i].ms, all[i].alone,
                   all[i].together);
    }
    buf_printf(out,
               "Advice: password.cost: %lld, the highest within %.0f ms a hash and %.0f logins a "
               "second\n(never below %d). Other work on the machine makes these figures worse.\n",
               (long long)advise(all, count), TARGET_MS, LEAST_RATE, MIN_COST);
}

static int bench(const struct invocation *invocation, double seconds)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int64_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : cores;
    struct measured all[MAX_COST - MIN_COST + 2];
    struct progress progress = {0};
    struct arena arena;
    struct buf text;
    size_t count = 0;

    /* Each cost takes twice as long as the one before: far beyond the target there is nothing to
     * learn. The last one is Argon2id. */
    for (int64_t cost = MIN_COST; cost <= MAX_COST + 1; cost++) {
        const bool bcrypt = cost <= MAX_COST;
        struct measured *one = &all[count];

        if (bcrypt && count > 0 && all[count - 1].ms > 2 * TARGET_MS)
            continue;
        *one = (struct measured){.scheme = bcrypt ? PASSWORD_BCRYPT : PASSWORD_ARGON2ID,
                                 .cost = bcrypt ? cost : 0};
        progress_show(&progress, "measuring %s %lld", scheme_name(one), (long long)one->cost);
        if (!measure(one, threads, seconds)) {
            progress_end(&progress);
            fprintf(stderr, "tenantd: %s cannot be computed here\n", scheme_name(one));
            return COMMAND_FAILED;
        }
        count++;
    }
    progress_end(&progress);
    arena_init(&arena, TEXT_MAX);
    buf_init(&text, &arena, TEXT_MAX);
    if (invocation->json)
        write_json(&text, all, count, threads);
    else
        write_table(&text, all, count, threads);
    int status = command_print(invocation, &text);
    arena_clear(&arena);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    const char *seconds_text = NULL;
    const struct command_option options[] = {{"seconds", &seconds_text, NULL}, {0}};
    double seconds = 1;
    char *end = NULL;
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (seconds_text != NULL)
        seconds = strtod(seconds_text, &end);
    if (seconds_text != NULL &&
        (end == seconds_text || *end != '\0' || !(seconds >= 0.01) || seconds > 60))
        return command_usage(invocation, "--seconds takes a number from 0.01 to 60");
    return bench(invocation, seconds);
}

const struct command command_bench_hash = {
    .name = "bench-hash",
    .summary = "measure password hashes and advise a setting",
    .help = "usage: tenantd bench-hash [--seconds NUMBER]\n"
            "\n"
            "Measures bcrypt of cost 10 to 14 and Argon2id on one thread and on all, and advises\n"
            "password.cost: the highest that takes no more than 250 ms and leaves 4 logins a\n"
            "second. What is far beyond that is left out. Run it where the service runs, while "
            "nothing else does.\n"
            "\n"
            "  --seconds NUMBER  how long each measurement lasts, 0.01 to 60; default 1\n"
            "  --config FILE     not read\n"
            "  --json            JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd bench-hash\n"
            "  tenantd bench-hash --seconds 0.2 --json | jq .advice.cost\n",
    .run = run,
};
