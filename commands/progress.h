/* One line that tells on a terminal how far long work has come; elsewhere nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    int64_t last_ms;
};

/* At most five times a second. */
void progress_show(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Before anything else is printed. */
void progress_end(struct progress *progress);
