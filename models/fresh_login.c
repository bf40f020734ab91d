/* When the caller logged in. */
#include "models/fresh_login.h"

#include "app/clock.h"
#include "app/db.h"
#include "models/grant.h"

#define FRESH_MS (INT64_C(5) * 60 * 1000)

/* A session tells by itself; behind a token stands its grant. */
static enum err login_time(struct ctx *ctx, int64_t *ret_ms)
{
    const struct identity *who = &ctx->who;
    struct grant grant = {0};

    if (who->credential == CREDENTIAL_SESSION) {
        *ret_ms = who->issued_at * 1000;
        return ERR_OK;
    }

    const enum err found = grant_find(ctx, &who->grant_id, &grant);

    *ret_ms = grant.created_at;
    if (found == ERR_NOT_FOUND)
        fail_clear(ctx);
    return found == ERR_NOT_FOUND ? ERR_BAD_TOKEN : found;
}

enum err fresh_login_demand(struct ctx *ctx)
{
    int64_t login = 0;

    TRY(login_time(ctx, &login));
    return clock_now_ms() - login <= FRESH_MS ? ERR_OK : ERR_LOGIN_REQUIRED;
}

void fresh_login_note(struct ctx *ctx)
{
    ctx->who.issued_at = clock_now_ms() / 1000;
}
