/* Any text as base64url: it has one spelling or none (TS-6, MS-4). */
#include <stdlib.h>
#include <string.h>

#include "app/secret.h"
#include "support/fuzz.h"

/* What is accepted is what the encoder writes for it. */
static void decode(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    char *text = malloc(size + 4);
    const int64_t decoded = base64url_decode((const char *)data, size, bytes, size);

    if (decoded >= 0) {
        base64url_encode(bytes, (size_t)decoded, text);
        if (strlen(text) != size || memcmp(text, data, size) != 0)
            abort();
        /* One byte less of room is refused, not overrun. */
        if (decoded > 0 &&
            base64url_decode((const char *)data, size, bytes, (size_t)decoded - 1) != -1)
            abort();
    }
    free(bytes);
    free(text);
}

static void encode(const uint8_t *data, size_t size)
{
    char *text = malloc(BASE64URL_LENGTH(size) + 1);
    uint8_t *bytes = malloc(size + 1);

    base64url_encode(data, size, text);
    if (base64url_decode(text, strlen(text), bytes, size) != (int64_t)size ||
        (size > 0 && memcmp(bytes, data, size) != 0))
        abort();
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!secret_init())
        abort();
    decode(data, size);
    encode(data, size);
    return 0;
}
