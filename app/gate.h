/*
 * The framing gate: what a request head must look like before anything else reads it. CivetWeb cuts
 * the head in place and is lenient; the gate reads the gaps that its cuts leave between names and
 * values and refuses what two parsers could understand differently (request smuggling). A pure
 * function over pointers into one block of memory. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/error.h"
#include "app/http.h"

#define GATE_MAX_TARGET  ((size_t)12 * 1024)
#define GATE_MAX_HEADERS ((size_t)16 * 1024)

/* A head as CivetWeb leaves it: all pointers lie in memory that may be read up to limit. The bytes
 * of line ends, of the blanks in the request line and of colons are NUL, all others as they were
 * sent. */
struct gate_head {
    const char *start; /* of the block: the head begins here or after one empty line */
    const char *limit; /* first byte that may not be read */
    const char *method;
    const char *target;  /* ends at "?" when there is a query */
    const char *query;   /* NULL: none */
    const char *version; /* after "HTTP/" */
    const struct http_header *headers;
    size_t header_count;
};

struct gate_result {
    bool chunked;
    bool has_length;
    bool expects_continue;
    bool keep_alive;  /* what CivetWeb will make of Connection and the version */
    uint64_t length;  /* of the body when has_length */
    const char *host; /* Host as sent; NULL when absent (HTTP/1.0) */
};

/* ERR_BAD_REQUEST, ERR_TARGET_TOO_LONG, ERR_HEADERS_TOO_LARGE or ERR_EXPECTATION with *ret_reason
 * (static sentence); the connection must then be closed, because where the next request begins is
 * in doubt. */
CHECKED enum err gate_check(const struct gate_head *head, struct gate_result *ret_result,
                            const char **ret_reason);
/* Host header: name or address, optional port; the syntax alone. */
bool gate_is_host(const char *host);
