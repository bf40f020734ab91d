/*
 * Heads of any bytes through the framing gate: nothing outside the head is read, and what passes
 * has exactly one Host and at most one way to say where its body ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "support/fuzz.h"
#include "support/head.h"

static size_t count(const struct gate_head *head, const char *name)
{
    size_t found = 0;

    for (size_t i = 0; i < head->header_count; i++)
        found += strcasecmp(head->headers[i].name, name) == 0;
    return found;
}

static void check(const struct gate_head *head)
{
    struct gate_result result;
    const char *reason = NULL;

    if (gate_check(head, &result, &reason) != ERR_OK) {
        if (reason == NULL)
            abort();
        return;
    }
    size_t lengths = count(head, "Content-Length");
    size_t encodings = count(head, "Transfer-Encoding");
    if (lengths + encodings > 1 || result.chunked != (encodings == 1) ||
        result.has_length != (lengths == 1))
        abort();
    if (count(head, "Host") != (result.host != NULL) ||
        (result.host == NULL && strcmp(head->version, "1.0") != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cut_head head;
    char *text = malloc(size > 0 ? size : 1);

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    if (cut_head(text, size, &head))
        check(&head.gate);
    free(text);
    return 0;
}
