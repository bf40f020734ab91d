/*
 * JSON lines on standard output through a writer thread; a full queue drops lines and counts them
 * rather than blocking requests. Control characters are escaped. Never pass a secret. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct log;
struct request_log; /* see log_request */

enum log_level { LOG_DEBUG = 1, LOG_INFO, LOG_WARN, LOG_ERROR };

/* One process has one log. Before log_start and after log_stop lines are written directly. */
void log_start(enum log_level level);
void log_stop(void);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* {"ts":…,"level":…,"event":event, …}: pairs are "key", "text" terminated by NULL; text NULL is
 * left out. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));
/* Like log_event with a formatted "message" member only. */
void log_message(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A ready JSON object (without newline), written as one line. */
void log_line(const char *json);
uint64_t log_dropped(void);
