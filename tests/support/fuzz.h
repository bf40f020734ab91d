/* What fuzz targets share: the entry that the fuzzer calls, and how an input becomes text or a
 * request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/http.h"
#include "support/bare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise broken ends the program, with NDEBUG too. */
void require(bool fine);

/* The input, ended, in a block of its own, so that ASan sees a read past its end; free() it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* A request with nothing in it yet; the same one each time. */
struct request *fuzz_request(const struct bare *bare);
