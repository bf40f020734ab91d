/*
 * The log. Lines go into one of two fixed buffers; the writer thread swaps them and writes the full
 * one to standard output, then rests a few milliseconds, so that a busy service wakes it rarely and
 * a request never waits for a slow reader of the output.
 */
#include "app/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/arena.h"
#include "app/buf.h"
#include "app/clock.h"

#define BUFFER_SIZE ((size_t)512 * 1024)
#define MAX_LINE    ((size_t)16 * 1024)
#define REST_NS     (5 * 1000 * 1000)

struct log {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t writer;
    char *buffers[2]; /* NULL: no writer, lines are written directly */
    int current;
    size_t size; /* of the current buffer */
    bool stopping;
};

static struct log the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
static _Atomic int least_level = LOG_INFO;
static _Atomic uint64_t dropped;

static const char *const level_names[] = {NULL, "debug", "info", "warn", "error"};

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written < 0 && errno != EINTR)
            return; /* nobody reads: there is nowhere to say so */
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
}

/* --- the writer --- */

static void tell_dropped(uint64_t *told)
{
    uint64_t count = atomic_load(&dropped);
    char text[32];

    if (count == *told)
        return;
    snprintf(text, sizeof text, "%" PRIu64, count - *told);
    *told = count;
    log_event(LOG_WARN, "log_lines_dropped", "count", text, NULL);
}

/* Waits for lines and takes the buffer they are in; 0 when the log stops and all is written. */
static size_t take_lines(int *ret_buffer)
{
    pthread_mutex_lock(&the_log.lock);
    while (the_log.size == 0 && !the_log.stopping)
        pthread_cond_wait(&the_log.filled, &the_log.lock);
    size_t size = the_log.size;
    *ret_buffer = the_log.current;
    the_log.current = 1 - the_log.current;
    the_log.size = 0;
    pthread_mutex_unlock(&the_log.lock);
    return size;
}

static bool is_stopping(void)
{
    pthread_mutex_lock(&the_log.lock);
    bool stopping = the_log.stopping;
    pthread_mutex_unlock(&the_log.lock);
    return stopping;
}

static void *run_writer(void *unused)
{
    const struct timespec rest = {.tv_nsec = REST_NS};
    uint64_t told = atomic_load(&dropped);
    size_t size;
    int buffer;

    (void)unused;
    while ((size = take_lines(&buffer)) > 0) {
        write_all(the_log.buffers[buffer], size);
        tell_dropped(&told);
        if (!is_stopping())
            nanosleep(&rest, NULL);
    }
    return NULL;
}

void log_start(enum log_level level)
{
    char *buffers[2] = {malloc(BUFFER_SIZE), malloc(BUFFER_SIZE)};

    log_set_level(level);
    pthread_mutex_lock(&the_log.lock);
    bool ready = buffers[0] != NULL && buffers[1] != NULL && the_log.buffers[0] == NULL;
    if (ready) {
        the_log.buffers[0] = buffers[0];
        the_log.buffers[1] = buffers[1];
        the_log.stopping = false;
        the_log.size = 0;
        the_log.current = 0;
    }
    pthread_mutex_unlock(&the_log.lock);
    if (!ready || pthread_create(&the_log.writer, NULL, run_writer, NULL) != 0) {
        pthread_mutex_lock(&the_log.lock);
        if (ready)
            the_log.buffers[0] = the_log.buffers[1] = NULL;
        pthread_mutex_unlock(&the_log.lock);
        free(buffers[0]);
        free(buffers[1]);
    }
}

void log_stop(void)
{
    pthread_mutex_lock(&the_log.lock);
    bool running = the_log.buffers[0] != NULL;
    the_log.stopping = true;
    pthread_cond_signal(&the_log.filled);
    pthread_mutex_unlock(&the_log.lock);
    if (!running)
        return;
    pthread_join(the_log.writer, NULL);

    pthread_mutex_lock(&the_log.lock);
    /* Lines that came while the writer ended. */
    write_all(the_log.buffers[the_log.current], the_log.size);
    free(the_log.buffers[0]);
    free(the_log.buffers[1]);
    the_log.buffers[0] = the_log.buffers[1] = NULL;
    the_log.size = 0;
    pthread_mutex_unlock(&the_log.lock);
}

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

/* --- lines --- */

/* Under the lock, with buffers. */
static void enqueue(const char *json, size_t length)
{
    if (the_log.size + length + 1 > BUFFER_SIZE) {
        atomic_fetch_add(&dropped, 1);
        return;
    }
    char *at = the_log.buffers[the_log.current] + the_log.size;
    memcpy(at, json, length);
    at[length] = '\n';
    if (the_log.size == 0)
        pthread_cond_signal(&the_log.filled);
    the_log.size += length + 1;
}

void log_line(const char *json)
{
    size_t length = strlen(json);

    pthread_mutex_lock(&the_log.lock);
    if (the_log.buffers[0] != NULL) {
        enqueue(json, length);
    } else {
        write_all(json, length);
        write_all("\n", 1);
    }
    pthread_mutex_unlock(&the_log.lock);
}

static void begin_line(struct buf *line, enum log_level level, const char *event)
{
    char now[TIME_TEXT_SIZE];

    time_text(clock_now_ms(), now);
    buf_printf(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":", now, level_names[level]);
    buf_json_string(line, event, strlen(event));
}

static void add_pair(struct buf *line, const char *key, const char *text)
{
    buf_putc(line, ',');
    buf_json_string(line, key, strlen(key));
    buf_putc(line, ':');
    buf_json_string(line, text, strlen(text));
}

static void end_line(struct buf *line, struct arena *arena)
{
    buf_putc(line, '}');
    const char *text = buf_text(line);
    log_line(text != NULL ? text : "{\"level\":\"error\",\"event\":\"log_line_too_long\"}");
    arena_clear(arena);
}

void log_event(enum log_level level, const char *event, ...)
{
    struct arena arena;
    struct buf line;
    const char *key;
    va_list args;

    if (!log_enabled(level))
        return;
    arena_init(&arena, 4 * MAX_LINE);
    buf_init(&line, &arena, MAX_LINE);
    begin_line(&line, level, event);
    va_start(args, event);
    while ((key = va_arg(args, const char *)) != NULL) {
        const char *text = va_arg(args, const char *);
        if (text != NULL)
            add_pair(&line, key, text);
    }
    va_end(args);
    end_line(&line, &arena);
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
    struct arena arena;
    struct buf line;
    va_list args;

    if (!log_enabled(level))
        return;
    arena_init(&arena, 4 * MAX_LINE);
    buf_init(&line, &arena, MAX_LINE);
    begin_line(&line, level, event);
    va_start(args, format);
    const char *text = arena_vprintf(&arena, format, args);
    va_end(args);
    add_pair(&line, "message", text != NULL ? text : format);
    end_line(&line, &arena);
}
