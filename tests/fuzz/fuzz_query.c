/*
 * Query strings of any bytes (IN-6): through limit, single parameters and every row of the table
 * that describes its query. What is refused is refused with a sentence, what is accepted keeps to
 * the row's bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/routes.h"
#include "app/text.h"
#include "support/fuzz.h"

static void check_refusal(const struct ctx *ctx, enum err code)
{
    const int status = error_info(code)->status;

    require(code == ERR_MEMORY || (status >= 400 && status < 500));
    require(code == ERR_MEMORY || ctx->failure.detail != NULL);
    if (ctx->failure.detail != NULL)
        require(text_is_utf8(ctx->failure.detail, strlen(ctx->failure.detail)));
}

/* A number from 1 to 100 in decimal, by the book. */
static bool is_limit(const char *text, int64_t limit)
{
    char *end;
    const long long number = strtoll(text, &end, 10);

    return *end == '\0' && number == limit && limit >= 1 && limit <= 100;
}

static void read_limit(struct request *req)
{
    const char *text = NULL;
    int64_t limit = 0;
    const enum err code = request_limit(req, 20, 100, &limit);

    if (code != ERR_OK) {
        check_refusal(&req->ctx, code);
        return;
    }
    if (request_query(req, "limit", &text) != ERR_OK)
        abort();
    require(text == NULL ? limit == 20 : is_limit(text, limit));
}

static void check_strings(const struct schema *schema, const char *decoded)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const char *text = NULL;

        if (field->type != FT_STR)
            continue;
        memcpy(&text, decoded + field->offset, sizeof text);
        if (text == NULL)
            continue;
        require(text_is_utf8(text, strlen(text)));
        require(text_code_points(text) <= (size_t)field->max);
    }
}

static void read_row(struct request *req, const struct route *route)
{
    char *decoded = arena_alloc(req->ctx.arena, route->in->size);

    require(decoded != NULL);
    fail_clear(&req->ctx);
    req->route = route;

    const enum err code = request_query_input_sized(req, decoded, route->in->size);

    if (code == ERR_OK)
        check_strings(route->in, decoded);
    else
        check_refusal(&req->ctx, code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bare bare;
    char *text = fuzz_text(data, size);

    bare_init(&bare);

    struct request *req = fuzz_request(&bare);

    req->query = text;
    read_limit(req);
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].body == BODY_NONE && routes[i].in != NULL)
            read_row(req, &routes[i]);
    }
    bare_clear(&bare);
    free(text);
    return 0;
}
