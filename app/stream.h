/*
 * Answers that are too long for memory: a producer appends them part by part, and each part is
 * written before the next is made. The first is made at once, so that what fails early is an error
 * answer like any other, and a short list is an ordinary answer with its length. Later parts have
 * a time budget each and memory that is given back; no database client is held while the reader
 * takes its time. At most an eighth of the connection threads stream at once. One thread at a time.
 */
#pragma once

#include "app/http.h"

#define STREAM_PART_MAX ((size_t)1024 * 1024)

/* For bodies that are longer than memory: the same places, one each. ERR_BUSY. */
CHECKED enum err stream_enter(struct ctx *ctx);
void stream_leave(struct ctx *ctx);

/* Takes one of the places for streams and makes the first part; arg lives in the request's arena.
 * ERR_BUSY when all places are taken, else what the producer returns. */
CHECKED enum err respond_stream(struct request *req, struct response *res, const char *content_type,
                                stream_fn more, void *arg);
/* The next part, into out; what it needs besides lives in scratch until the next call. */
CHECKED enum err stream_next(struct request *req, struct response *res, struct arena *scratch,
                             struct buf *out);
/* The answer is over, whole or not: gives the place back. Without effect on other answers. */
void stream_end(struct request *req, struct response *res);
