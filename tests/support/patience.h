/*
 * How fast something is depends on what else the machine does, so no test fails because of it: what
 * comes later than promised is said to be late, and `./dev bench` measures. What fails is that
 * something never comes, or hangs.
 */
#pragma once

#include <unistd.h>

#include "app/clock.h"
#include "support/unit.h"

/* Milliseconds after which nothing comes any more, on the busiest machine. */
#define PATIENCE_MS INT64_C(60000)
/* Milliseconds within which what has a limit of its own has ended, on the busiest machine. */
#define HANGS_MS    INT64_C(20000)

static inline void say_late(int64_t took_ms, int64_t promised_ms)
{
    if (took_ms > promised_ms)
        print_message("late: after %lld ms, promised within %lld ms\n", (long long)took_ms,
                      (long long)promised_ms);
}

/* What has a limit of its own ended by it. */
static inline void in_time(int64_t took_ms, int64_t promised_ms)
{
    if (took_ms > promised_ms && took_ms > HANGS_MS)
        fail_msg("hung for %lld ms instead of %lld ms", (long long)took_ms, (long long)promised_ms);
    say_late(took_ms, promised_ms);
}

/* Until a condition holds. */
#define WAIT(condition, promised_ms)                                                  \
    do {                                                                              \
        const int64_t start_ = clock_monotonic_ms();                                  \
        while (!(condition)) {                                                        \
            const int64_t took_ = clock_monotonic_ms() - start_;                      \
            if (took_ > (promised_ms) && took_ > PATIENCE_MS)                         \
                fail_msg("not true after %lld ms: %s", (long long)took_, #condition); \
            usleep(1000);                                                             \
        }                                                                             \
        say_late(clock_monotonic_ms() - start_, (promised_ms));                       \
    } while (0)
