/*
 * Errors: a code, and what is known about it. HTTP status, machine code and public sentence belong
 * to the code (error.def), so a handler cannot invent one. Details are for the log and, in
 * development, for the answer's "hint"; they never carry a secret. Pure functions, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERR(name, status, code, sentence, retry) name,
enum err {
    ERR_OK = 0,
#include "app/error.def"
    ERR_COUNT
};
#undef ERR

struct shape_failure;

/* What fail() recorded; lives in the ctx, strings in its arena or static. */
struct failure {
    enum err code;
    const char *field;    /* JSON pointer or member name at fault, or NULL */
    const char *path;     /* of a duplicate: the first element of the index that refused it */
    const char *detail;   /* what was wrong and what is allowed; shown to the client with 400s */
    const char *internal; /* for the log and, in development, "hint" */
    int64_t retry_after;  /* seconds; 0 = none */
    int64_t limit, usage; /* of ERR_PLAN_LIMIT */
    const char *const *required; /* names of missing members, or NULL */
    size_t required_count;
    size_t item; /* ERR_CONFLICT of many documents written at once: which one */
    const struct shape_failure *items; /* everything that is wrong with custom fields, or NULL */
    size_t item_count;
};

struct error_info {
    const char *code;
    const char *sentence;
    int status;
    bool retryable;
};

const struct error_info *error_info(enum err code);

#define CHECKED __attribute__((warn_unused_result))

/* Returns the error of a failing expression from the calling function. Nothing else hides a return.
 */
#define TRY(expr)             \
    do {                      \
        enum err e_ = (expr); \
        if (e_ != ERR_OK)     \
            return e_;        \
    } while (0)
