#include "support/fuzz.h"

#include <stdlib.h>
#include <string.h>

void require(bool fine)
{
    if (!fine)
        abort();
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

struct request *fuzz_request(const struct bare *bare)
{
    static struct request req;

    memset(&req, 0, sizeof req);
    req.ctx = bare->ctx;
    return &req;
}
