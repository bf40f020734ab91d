/* Collecting the problems of a configuration and printing them in the order of their lines. */
#include "app/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void problem_add(struct problems *problems, unsigned line, const char *format, ...)
{
    va_list args;

    problems->count++;
    if (problems->count > PROBLEMS_MAX)
        return;
    va_start(args, format);
    const char *text = arena_vprintf(problems->arena, format, args);
    va_end(args);
    problems->items[problems->count - 1] = (struct problem){
        .line = line,
        .text = text != NULL ? text : "out of memory",
    };
}

/* Those without a line come last; equal lines keep the order in which they were found. */
static size_t next_by_line(const struct problems *problems, size_t stored, const bool *done)
{
    size_t best = stored;

    for (size_t i = 0; i < stored; i++) {
        unsigned line = problems->items[i].line;
        if (done[i] || (best < stored && line == 0))
            continue;
        if (best == stored || problems->items[best].line == 0 || line < problems->items[best].line)
            best = i;
    }
    return best;
}

static void write_problem(FILE *out, const char *path, const struct problem *problem)
{
    if (problem->line > 0)
        fprintf(out, "%s:%u: %s", path, problem->line, problem->text);
    else
        fprintf(out, "%s: %s", path, problem->text);
}

char *problems_text(const struct problems *problems, const char *path)
{
    size_t stored = problems->count < PROBLEMS_MAX ? problems->count : PROBLEMS_MAX;
    bool done[PROBLEMS_MAX] = {false};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < stored; i++) {
        size_t next = next_by_line(problems, stored, done);
        done[next] = true;
        if (i > 0)
            fputc('\n', out);
        write_problem(out, path, &problems->items[next]);
    }
    if (problems->count > stored)
        fprintf(out, "\n%s: and %zu more problems", path, problems->count - stored);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
