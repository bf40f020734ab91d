/*
 * Request bodies: read in steps, each with a deadline that follows from the least rate. One large
 * read would go on as long as single bytes drip in.
 */
#include "app/server_internal.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/routes.h"

#define STEP     ((size_t)4096)
#define GRACE_MS 5000 /* the least rate counts from here on */

struct body {
    char *bytes;
    size_t size;
    size_t capacity;
    int64_t started_ms;
};

/* The moment at which the first size bytes must be here. */
static int64_t step_deadline(const struct config_server *config, const struct body *body,
                             size_t size)
{
    int64_t rate = config->body_min_rate > 0 ? config->body_min_rate : 1;
    int64_t allowed = (int64_t)size * 1000 / rate;

    if (allowed < GRACE_MS)
        allowed = GRACE_MS;
    if (allowed > config->body_timeout_ms)
        allowed = config->body_timeout_ms;
    return body->started_ms + allowed;
}

static enum err refuse(struct request *req, const char *reason)
{
    return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "%s", reason);
}

static enum err too_large(struct request *req, size_t cap)
{
    return fail(&req->ctx, ERR_TOO_LARGE, NULL, "The body may have at most %zu bytes.", cap);
}

/* Reads up to want bytes behind what is there. 0 is the end of a chunked body. */
static enum err read_step(struct request *req, struct body_source *source, struct body *body,
                          size_t want, size_t *ret_size)
{
    const struct config_server *config = &app_config(req->ctx.app)->server;
    int64_t deadline = step_deadline(config, body, body->size + want);
    int size;

    server_phase(source->worker, PHASE_BODY, deadline);
    size = mg_read(source->connection, body->bytes + body->size, want);
    server_phase(source->worker, PHASE_NONE, 0);
    if (clock_monotonic_ms() >= deadline)
        return fail(&req->ctx, ERR_TIMEOUT, NULL, "The body came too slowly.");
    if (size < 0 || (size == 0 && !source->gate->chunked))
        return refuse(req, source->gate->chunked ? "The chunks of the body are malformed."
                                                 : "The body is shorter than its Content-Length.");
    body->size += (size_t)size;
    *ret_size = (size_t)size;
    return ERR_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static enum err read_counted(struct request *req, struct body_source *source, struct body *body)
{
    size_t length = (size_t)source->gate->length;
    size_t size;

    body->bytes = arena_alloc(req->ctx.arena, length + 1);
    if (body->bytes == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a body");
    while (body->size < length)
        TRY(read_step(req, source, body, least(STEP, length - body->size), &size));
    return ERR_OK;
}

static enum err grow(struct request *req, struct body *body)
{
    size_t capacity = body->capacity == 0 ? 2 * STEP : body->capacity * 2;
    char *bytes = arena_alloc(req->ctx.arena, capacity + 1);

    if (bytes == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a body");
    if (body->size > 0)
        memcpy(bytes, body->bytes, body->size);
    body->bytes = bytes;
    body->capacity = capacity;
    return ERR_OK;
}

static enum err read_chunks(struct request *req, struct body_source *source, size_t cap,
                            struct body *body)
{
    size_t size;

    do {
        if (body->capacity - body->size < STEP)
            TRY(grow(req, body));
        TRY(read_step(req, source, body, STEP, &size));
        if (body->size > cap)
            return too_large(req, cap);
    } while (size > 0);
    return ERR_OK;
}

static void invite(const struct body_source *source)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (source->gate->expects_continue)
        mg_write(source->connection, go_on, sizeof go_on - 1);
}

enum err server_read_body(struct request *req, size_t cap, void *arg)
{
    struct body_source *source = arg;
    struct body body = {.started_ms = clock_monotonic_ms()};

    req->body = "";
    req->body_size = 0;
    if (source->done)
        return ERR_OK;
    if (!source->gate->chunked && source->gate->length > cap)
        return too_large(req, cap);
    invite(source);
    if (source->gate->chunked)
        TRY(read_chunks(req, source, cap, &body));
    else
        TRY(read_counted(req, source, &body));
    source->done = true;
    body.bytes[body.size] = '\0';
    req->body = body.bytes;
    req->body_size = body.size;
    return ERR_OK;
}

/* ---- in parts ---- */

#define PART      ((size_t)64 * 1024)
#define PART_STEP ((size_t)8 * 1024)

static enum err begin_parts(struct request *req, struct body_source *source)
{
    const size_t cap = req->route->body_cap;

    if (!source->gate->chunked && source->gate->length > cap)
        return too_large(req, cap);
    source->part = arena_alloc(req->ctx.arena, PART);
    if (source->part == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a body");
    source->began_ms = clock_monotonic_ms();
    invite(source);
    return ERR_OK;
}

/* Of the bytes that come next: by the least rate over all of them, and by the time of the whole. */
static int64_t part_deadline(const struct config_server *config, const struct body_source *source,
                             size_t want)
{
    const int64_t rate = config->body_min_rate > 0 ? config->body_min_rate : 1;
    const int64_t now = clock_monotonic_ms(), whole = source->began_ms + config->stream_timeout_ms;
    int64_t allowed = (source->size + (int64_t)want) * 1000 / rate;

    if (allowed < GRACE_MS)
        allowed = GRACE_MS;
    allowed -= source->waited_ms;
    if (allowed > config->body_timeout_ms)
        allowed = config->body_timeout_ms;
    return now + allowed < whole ? now + allowed : whole;
}

static enum err fill_step(struct request *req, struct body_source *source, size_t want,
                          size_t *part_size)
{
    const struct config_server *config = &app_config(req->ctx.app)->server;
    const int64_t deadline = part_deadline(config, source, want), began = clock_monotonic_ms();

    server_phase(source->worker, PHASE_BODY, deadline);
    const int size = mg_read(source->connection, source->part + *part_size, want);
    server_phase(source->worker, PHASE_NONE, 0);
    source->waited_ms += clock_monotonic_ms() - began;
    if (clock_monotonic_ms() >= deadline)
        return fail(&req->ctx, ERR_TIMEOUT, NULL, "The body came too slowly.");
    if (size < 0 || (size == 0 && !source->gate->chunked))
        return refuse(req, source->gate->chunked ? "The chunks of the body are malformed."
                                                 : "The body is shorter than its Content-Length.");
    *part_size += (size_t)size;
    source->size += size;
    source->done =
        source->gate->chunked ? size == 0 : source->size == (int64_t)source->gate->length;
    if (source->size > (int64_t)req->route->body_cap)
        return too_large(req, req->route->body_cap);
    return ERR_OK;
}

enum err server_read_part(struct request *req, void *arg, struct bytes *ret_part)
{
    struct body_source *source = arg;
    size_t size = 0;

    *ret_part = (struct bytes){0};
    if (source->done)
        return ERR_OK;
    if (source->part == NULL)
        TRY(begin_parts(req, source));
    while (!source->done && size < PART) {
        size_t want = least(PART_STEP, PART - size);

        if (!source->gate->chunked)
            want = least(want, (size_t)source->gate->length - (size_t)source->size);
        TRY(fill_step(req, source, want, &size));
    }
    *ret_part = (struct bytes){.data = (const uint8_t *)source->part, .size = size};
    return ERR_OK;
}
