/* Any header: a name made of our own words alone, always ended, never longer than its room. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/user_agent.h"
#include "support/fuzz.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ' || c == '.';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char device[USER_AGENT_DEVICE_SIZE], again[USER_AGENT_DEVICE_SIZE];
    char *text = fuzz_text(data, size);

    memset(device, 1, sizeof device);
    user_agent_device(text, device);

    const size_t length = strnlen(device, sizeof device);

    if (length == 0 || length == sizeof device)
        abort();
    for (size_t i = 0; i < length; i++) {
        if (!is_plain(device[i]))
            abort();
    }
    /* What stands behind the first 512 bytes decides nothing. */
    if (size > 512) {
        text[512] = '\0';
        user_agent_device(text, again);
        if (strcmp(device, again) != 0)
            abort();
    }
    free(text);
    return 0;
}
