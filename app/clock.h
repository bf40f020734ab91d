/* Time. Wall clock for what is stored and shown, monotonic for durations and deadlines. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIME_TEXT_SIZE 32

int64_t clock_now_ms(void);       /* milliseconds since 1970, wall clock */
int64_t clock_monotonic_ms(void); /* milliseconds, never backwards */
int64_t clock_monotonic_us(void);
int64_t clock_thread_cpu_us(void);
/* RFC 3339 UTC with milliseconds: 2026-01-31T09:30:00.123Z */
void time_text(int64_t ms, char ret_text[TIME_TEXT_SIZE]);
/* RFC 3339 with any offset; false when malformed or out of range. */
bool time_parse(const char *text, int64_t *ret_ms);
