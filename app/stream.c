/* Making the parts of a long answer; server_stream.c writes them. */
#include "app/stream.h"

#include "app/app.h"
#include "app/clock.h"
#include "app/routes.h"

/* Slow readers may not take all threads. */
static bool take_place(struct app *app)
{
    const int64_t most = app_config(app)->server.threads / 8;

    if (atomic_fetch_add(&app->streams, 1) < (most > 1 ? most : 1))
        return true;
    atomic_fetch_sub(&app->streams, 1);
    return false;
}

static void leave_place(struct app *app)
{
    atomic_fetch_sub(&app->streams, 1);
}

enum err stream_enter(struct ctx *ctx)
{
    return take_place(ctx->app) ? ERR_OK : fail_retry(ctx, ERR_BUSY, 5);
}

void stream_leave(struct ctx *ctx)
{
    leave_place(ctx->app);
}

enum err respond_stream(struct request *req, struct response *res, const char *content_type,
                        stream_fn more, void *arg)
{
    bool done = false;

    if (!take_place(req->ctx.app))
        return fail_retry(&req->ctx, ERR_BUSY, 5);
    buf_init(&res->body, req->ctx.arena, STREAM_PART_MAX);

    enum err err = more(&req->ctx, arg, &res->body, &done);

    if (err == ERR_OK && !buf_ok(&res->body))
        err = fail_internal(&req->ctx, ERR_MEMORY, "a part of a long answer is too large");
    if (err != ERR_OK || done)
        leave_place(req->ctx.app);
    TRY(err);
    res->status = req->route->status;
    res->content_type = content_type;
    if (!done)
        res->stream = (struct stream){.more = more, .arg = arg};
    return ERR_OK;
}

enum err stream_next(struct request *req, struct response *res, struct arena *scratch,
                     struct buf *out)
{
    struct ctx own = req->ctx;

    own.arena = scratch;
    own.holds = NULL;
    own.deadline = clock_monotonic_ms() + app_config(own.app)->server.request_timeout_ms;
    fail_clear(&own);

    const enum err err = res->stream.more(&own, res->stream.arg, out, &res->stream.done);

    req->ctx.db_calls = own.db_calls;
    if (err != ERR_OK)
        (void)fail_internal(&req->ctx, err, "a long answer was cut: %s",
                            own.failure.internal != NULL ? own.failure.internal : "no reason");
    ctx_clear(&own);
    return err;
}

void stream_end(struct request *req, struct response *res)
{
    if (res->stream.more == NULL)
        return;
    leave_place(req->ctx.app);
    res->stream.more = NULL;
}
