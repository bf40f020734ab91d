/* The unit of work: making and ending one, and recording why it failed. */
#include "app/ctx.h"

#include <stdarg.h>
#include <string.h>

#include "app/cache.h"
#include "app/clock.h"

void ctx_init(struct ctx *ctx, struct app *app, struct arena *arena)
{
    *ctx = (struct ctx){.app = app, .arena = arena, .request_id = "-", .ip = ""};
    ctx->who.scope = "";
}

void ctx_clear(struct ctx *ctx)
{
    if (ctx->holds != NULL)
        cache_release_holds(ctx);
    ctx->tenant = NULL;
    ctx->tenant_id = (struct uuid){0};
}

void ctx_set_tenant(struct ctx *ctx, const struct tenant *tenant, const struct uuid *tenant_id)
{
    ctx->tenant = tenant;
    ctx->tenant_id = tenant_id != NULL ? *tenant_id : (struct uuid){0};
}

struct uuid ctx_new_id(const struct ctx *ctx)
{
    return ctx->object_id != NULL ? *ctx->object_id : uuid_new();
}

int64_t ctx_remaining(const struct ctx *ctx, int64_t cap)
{
    if (ctx->deadline == 0)
        return cap;

    int64_t left = ctx->deadline - clock_monotonic_ms();
    if (left > cap)
        left = cap;
    return left > 1 ? left : 1;
}

/* What was recorded for another code does not belong to this one. */
static void fail_begin(struct ctx *ctx, enum err code)
{
    if (ctx->failure.code != ERR_OK && ctx->failure.code != code)
        fail_clear(ctx);
    ctx->failure.code = code;
}

enum err fail(struct ctx *ctx, enum err code, const char *field, const char *format, ...)
{
    va_list args;

    fail_begin(ctx, code);
    ctx->failure.field = field;
    ctx->failure.detail = NULL;
    if (format == NULL)
        return code;
    va_start(args, format);
    ctx->failure.detail = arena_vprintf(ctx->arena, format, args);
    va_end(args);
    return code;
}

enum err fail_internal(struct ctx *ctx, enum err code, const char *format, ...)
{
    va_list args;

    fail_begin(ctx, code);
    va_start(args, format);
    ctx->failure.internal = arena_vprintf(ctx->arena, format, args);
    va_end(args);
    return code;
}

enum err fail_retry(struct ctx *ctx, enum err code, int64_t seconds)
{
    fail_begin(ctx, code);
    ctx->failure.retry_after = seconds > 1 ? seconds : 1;
    return code;
}

void fail_clear(struct ctx *ctx)
{
    ctx->failure = (struct failure){.code = ERR_OK};
}
