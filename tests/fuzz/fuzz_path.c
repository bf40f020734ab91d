/*
 * Request targets of any bytes through the router: what is matched is valid text without dot
 * segments, and all parameters are part of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/router.h"
#include "app/text.h"
#include "support/fuzz.h"

static void check(const struct request *req)
{
    if (!text_is_utf8(req->path, strlen(req->path)) || strstr(req->path, "/../") != NULL ||
        strchr(req->path, '\\') != NULL || req->routed_path[0] != '/' || req->route == NULL)
        abort();
    for (size_t i = 0; i < req->param_count; i++) {
        if (req->params[i].value[0] == '\0' || strchr(req->params[i].value, '/') != NULL ||
            strstr(req->path, req->params[i].value) == NULL)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bare bare;
    static struct request req;
    unsigned allowed;

    if (bare.app.started_ms == 0) {
        bare_init(&bare);
        bare.app.started_ms = 1;
        router_init();
    }
    char *path = fuzz_text(data, size);
    memset(&req, 0, sizeof req);
    ctx_init(&req.ctx, &bare.app, &bare.arena);
    if (router_match(&req, path, GET, &allowed) == ERR_OK)
        check(&req);
    arena_reset(&bare.arena);
    free(path);
    return 0;
}
