/* A walk over a JSON text that only counts lines. */
#include "app/json_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct scan {
    const char *at;
    unsigned line;
};

static void skip_blanks(struct scan *scan)
{
    for (; *scan->at != '\0' && strchr(" \t\r\n", *scan->at) != NULL; scan->at++)
        scan->line += *scan->at == '\n';
}

/* Over a string, behind its quotes. */
static void skip_string(struct scan *scan)
{
    for (scan->at++; *scan->at != '\0' && *scan->at != '"'; scan->at++)
        scan->at += *scan->at == '\\' && scan->at[1] != '\0';
    scan->at += *scan->at == '"';
}

/* Over a value, with all that is in it. */
static void skip_value(struct scan *scan)
{
    unsigned depth = 0;

    do {
        skip_blanks(scan);
        if (*scan->at == '"') {
            skip_string(scan);
        } else if (*scan->at != '\0' && strchr("{}[],:", *scan->at) != NULL) {
            depth += *scan->at == '{' || *scan->at == '[';
            depth -= *scan->at == '}' || *scan->at == ']';
            scan->at++;
        } else {
            scan->at += strcspn(scan->at, " \t\r\n,]}");
        }
    } while (depth > 0 && *scan->at != '\0');
}

/* Whether the name in quotes is the first token of the pointer. Names with escapes are no field's.
 */
static bool is_token(const char *quoted, const char *pointer)
{
    const char *name = quoted + 1;

    for (pointer++; *pointer != '\0' && *pointer != '/'; name++, pointer++) {
        char c = *pointer;

        if (c == '~')
            c = *++pointer == '1' ? '/' : '~';
        if (*name != c || *name == '"')
            return false;
    }
    return *name == '"';
}

/* The scan stands behind "{" or "[". True when it stands at the value of the pointer's first token
 * then. */
static bool find_member(struct scan *scan, bool is_object, const char *pointer)
{
    size_t index = 0, wanted = 0;

    for (const char *c = pointer + 1; *c >= '0' && *c <= '9' && wanted < 100000; c++)
        wanted = wanted * 10 + (size_t)(*c - '0');
    for (;; index++) {
        bool is_it = !is_object && index == wanted;

        skip_blanks(scan);
        if (*scan->at == '\0' || *scan->at == '}' || *scan->at == ']')
            return false;
        if (is_object) {
            is_it = is_token(scan->at, pointer);
            skip_string(scan);
            skip_blanks(scan);
            scan->at += *scan->at == ':';
            skip_blanks(scan);
        }
        if (is_it)
            return true;
        skip_value(scan);
        skip_blanks(scan);
        scan->at += *scan->at == ',';
    }
}

unsigned json_line(const char *text, const char *pointer)
{
    struct scan scan = {.at = text, .line = 1};
    unsigned line;

    skip_blanks(&scan);
    line = scan.line;
    while (pointer != NULL && pointer[0] == '/' && (*scan.at == '{' || *scan.at == '[')) {
        const bool is_object = *scan.at == '{';

        scan.at++;
        if (!find_member(&scan, is_object, pointer))
            break;
        line = scan.line;
        pointer += 1 + strcspn(pointer + 1, "/");
    }
    return line;
}
