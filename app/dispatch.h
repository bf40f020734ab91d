/*
 * Walks one request through the pipeline: request_id, cors, tenant, address and tenant limits,
 * authenticate, key and account limits, authorize, csrf, body, handler, error rendering, access
 * log, metrics. Needs no socket: tests call it with a request of their own.
 */
#pragma once

#include "app/http.h"

/* Reads the body when the pipeline asks for it: server.c from the socket, tests from memory. Fills
 * req->body and body_size. ERR_TOO_LARGE, ERR_BAD_REQUEST (slow, short, bad framing; sets close).
 */
typedef enum err (*body_reader_fn)(struct request *req, size_t cap, void *arg);

/* read_part, where there is one, gives the bodies of BODY_LINES in parts; else they come whole. */
struct dispatch_input {
    const char *raw_path;
    const char *method;
    body_reader_fn read_body;
    body_part_fn read_part;
    void *read_arg;
};

/* Always leaves a complete answer in *res. req->ctx is initialised; headers, host and peer are set.
 */
void dispatch(struct request *req, struct response *res, const struct dispatch_input *input);
/* After the last part of a stream was written or could not be: log line, metrics. */
void dispatch_streamed(struct request *req, struct response *res);
/* Ends a request that never reached the pipeline (framing gate): error body, log line, metrics. */
void dispatch_refuse(struct request *req, struct response *res, enum err code);
