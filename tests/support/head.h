/*
 * Cuts a raw request head in place the way CivetWeb does (its leniency included), so that the
 * framing gate can be tested and fuzzed without a socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/gate.h"

struct cut_head {
    struct gate_head gate;
    struct http_header headers[HTTP_MAX_HEADERS];
};

/* text holds size bytes and is changed. False: CivetWeb refuses this by itself. */
bool cut_head(char *text, size_t size, struct cut_head *ret_head);
