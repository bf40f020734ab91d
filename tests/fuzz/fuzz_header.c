/*
 * Headers that decide something: Idempotency-Key, If-Match and Accept of any bytes. A key that is
 * none is refused before anything is asked of the database, If-Match finds a version exactly when
 * its tag stands in the list, and no Accept asks for a page and for JSON alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/etag.h"
#include "app/routes.h"
#include "middleware/idempotency.h"
#include "support/fuzz.h"

static struct request req;

static void send_header(const char *name, const char *value)
{
    req.header_count = 1;
    req.headers[0] = (struct http_header){name, value};
    fail_clear(&req.ctx);
}

static bool is_key(const char *text)
{
    const size_t length = strlen(text);
    size_t visible = 0;

    while (visible < length && text[visible] > ' ' && text[visible] <= '~')
        visible++;
    return length >= 1 && length <= 64 && visible == length;
}

/* A good key would go to the database, which this target has not. */
static void idempotency_key(const char *text)
{
    static const struct route creates = {.method = POST, .path = "/x", .flags = ROUTE_IDEMPOTENT};
    static struct response res;

    send_header("Idempotency-Key", text);
    if (is_key(text))
        return;
    req.route = &creates;
    req.method = POST;
    require(idempotency_begin(&req, &res) == ERR_BAD_REQUEST && req.ctx.failure.detail != NULL);
    require(res.status == 0 && req.attempt == NULL);
}

/* By the book: cut at the commas, drop the blanks, compare. */
static bool naive_lists(const char *text, const char *tag)
{
    char *copy = strdup(text), *rest = copy;
    bool found = false;

    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        item += strspn(item, " \t");
        for (size_t end = strlen(item); end > 0 && (item[end - 1] == ' ' || item[end - 1] == '\t');)
            item[--end] = '\0';
        found = found || strcmp(item, tag) == 0;
    }
    free(copy);
    return found;
}

static void if_match(const char *text)
{
    int64_t version = -1;

    send_header("If-Match", text);

    const enum err code = etag_match(&req, 17, &version);

    require(etag_demand(&req, true) == ERR_OK);
    if (strcmp(text, "*") == 0) {
        require(code == ERR_OK && version == 0);
        return;
    }
    require(code == (naive_lists(text, "\"17\"") ? ERR_OK : ERR_PRECONDITION));
    require(version == (code == ERR_OK ? 17 : 0));
}

static void accept(const char *text)
{
    send_header("Accept", text);
    require(!(request_accepts_html(&req) && request_wants_json_only(&req)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;

    bare_init(&bare);

    const char *text = arena_strndup(&bare.arena, (const char *)data, size);

    memset(&req, 0, sizeof req);
    req.ctx = bare.ctx;
    if_match(text);
    accept(text);
    idempotency_key(text);
    bare_clear(&bare);
    return 0;
}
