/* One line that tells on a terminal how far long work has come. */
#include "commands/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "app/clock.h"

#define EVERY_MS 200

void progress_show(struct progress *progress, const char *format, ...)
{
    const int64_t now = clock_monotonic_ms();
    va_list args;

    if (isatty(STDERR_FILENO) == 0 || now - progress->last_ms < EVERY_MS)
        return;
    progress->last_ms = now;
    progress->shown = true;
    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
