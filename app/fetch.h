/*
 * The one way out: every HTTP request that this service sends goes through fetch_run (api.md §11,
 * TI-14). The address is checked when the socket is made, after DNS, so that a name that changes
 * its mind gains nothing: private, loopback and other special addresses only where fetch.allow
 * lists them. No redirects, no proxies of the environment, only http and https, time and size
 * bounded; of an answer nothing is left but its status and one cleaned line. Blocks for up to
 * fetch.timeout_ms: background threads only, with no lock, lease or transaction held. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

#define FETCH_LINE_SIZE 201 /* with its NUL */

enum fetch_outcome {
    FETCH_UNSET = 0,
    FETCH_ANSWERED, /* with status, whatever it is */
    FETCH_REFUSED,  /* URL or address is not allowed: trying again is of no use */
    FETCH_FAILED,   /* nobody answered in time, or not in HTTP */
    FETCH_STOPPED,  /* this process ends */
};

/* A POST. */
struct fetch {
    const char *url;
    const char *content_type;
    struct bytes body;
};

struct fetch_answer {
    enum fetch_outcome outcome;
    int status;
    char line[FETCH_LINE_SIZE]; /* of the answer, or why there is none; printable ASCII */
};

/* ERR_MEMORY is its only error: everything else is an outcome. */
CHECKED enum err fetch_run(struct ctx *ctx, const struct fetch *fetch,
                           struct fetch_answer *ret_answer);
