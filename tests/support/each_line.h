/* Programs that answer each line of their standard input, for tests that ask them in bulk. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/* The line without its end; borrowed. */
typedef void (*line_fn)(const char *line, size_t length);

static inline int each_line(line_fn answer)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) > 0)
        answer(line, (size_t)length - (line[length - 1] == '\n' ? 1 : 0));
    free(line);
    return 0;
}
