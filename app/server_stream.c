/*
 * Writing an answer in parts: chunked for HTTP/1.1, up to the end of the connection for HTTP/1.0.
 * A reader must take each part within the time of a body and the whole within stream_timeout_ms.
 * What cannot be finished is cut without its last chunk, so that nobody takes it for whole.
 */
#include "app/server_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/stream.h"

#define HEX_DIGITS    8
#define FRAME_BYTES   (HEX_DIGITS + 2) /* the size of a chunk and its end of line */
#define SCRATCH_BYTES ((size_t)8 * 1024 * 1024)

struct sender {
    struct mg_connection *connection;
    struct worker *worker;
    bool chunked;
    int64_t until; /* monotonic ms, for the whole */
};

/* Room for the size of the chunk, which is known at its end. */
static void open_part(struct buf *part, struct arena *scratch)
{
    buf_init(part, scratch, STREAM_PART_MAX + 64);
    buf_add(part, "00000000\r\n", FRAME_BYTES);
}

static void close_part(const struct sender *sender, struct buf *part, bool last)
{
    const size_t size = part->size - FRAME_BYTES;
    char digits[HEX_DIGITS + 1];

    if (!sender->chunked || !buf_ok(part))
        return;
    snprintf(digits, sizeof digits, "%08" PRIx32, (uint32_t)size);
    memcpy(part->data, digits, HEX_DIGITS);
    /* A chunk without bytes would be the last one. */
    if (size == 0)
        part->size = 0;
    else
        buf_add(part, "\r\n", 2);
    if (last)
        buf_add(part, "0\r\n\r\n", 5);
}

static bool send_bytes(const struct sender *sender, const char *bytes, size_t size)
{
    const int64_t now = clock_monotonic_ms();
    const int64_t limit = now + app_config(sender->worker->server->app)->server.body_timeout_ms;

    if (now >= sender->until)
        return false;
    server_phase(sender->worker, PHASE_ANSWER, limit < sender->until ? limit : sender->until);
    const bool sent = mg_write(sender->connection, bytes, size) == (int)size;
    server_phase(sender->worker, PHASE_NONE, 0);
    return sent;
}

static bool send_part(const struct sender *sender, struct response *res, struct buf *part)
{
    const size_t skip = sender->chunked ? 0 : FRAME_BYTES;

    res->streamed += (int64_t)(part->size - FRAME_BYTES);
    close_part(sender, part, res->stream.done);
    if (!buf_ok(part))
        return false;
    return part->size <= skip || send_bytes(sender, part->data + skip, part->size - skip);
}

static bool send_parts(const struct sender *sender, struct request *req, struct response *res,
                       struct arena *scratch)
{
    struct buf part;

    open_part(&part, scratch);
    buf_add(&part, res->body.data, res->body.size);
    while (send_part(sender, res, &part)) {
        if (res->stream.done)
            return true;
        arena_reset(scratch);
        open_part(&part, scratch);
        if (stream_next(req, res, scratch, &part) != ERR_OK)
            return false;
    }
    return false;
}

static bool send_head(const struct sender *sender, const struct response *res)
{
    struct buf head;

    buf_init(&head, &sender->worker->arena, HTTP_MAX_RESPONSE);
    server_write_head(sender->connection, sender->worker, &head, res);
    return buf_ok(&head) && send_bytes(sender, head.data, head.size);
}

void server_stream(struct mg_connection *connection, struct worker *worker, struct request *req,
                   struct response *res)
{
    const char *version = mg_get_request_info(connection)->http_version;
    const struct sender sender = {
        .connection = connection,
        .worker = worker,
        .chunked = version == NULL || strcmp(version, "1.0") != 0,
        .until = clock_monotonic_ms() + app_config(req->ctx.app)->server.stream_timeout_ms,
    };
    struct arena scratch;

    if (sender.chunked)
        response_header(res, "Transfer-Encoding", "chunked");
    else
        res->close = true;
    res->cut = !send_head(&sender, res);
    if (!res->cut && !req->head_only) {
        arena_init(&scratch, SCRATCH_BYTES);
        res->cut = !send_parts(&sender, req, res, &scratch);
        arena_clear(&scratch);
    }
    if (res->cut)
        res->close = true;
    stream_end(req, res);
}
