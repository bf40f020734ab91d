/* Limits that need to know the caller: by access key, and by a tenant that the credential named. */
#include "middleware/middleware.h"

#include "app/app.h"
#include "app/routes.h"
#include "middleware/rate.h"

enum err mw_rate_key(struct request *req, struct response *res)
{
    if (req->route->rate == RATE_NONE || req->ctx.app->limiter == NULL)
        return ERR_OK;
    if (req->ctx.who.credential == CREDENTIAL_PLATFORM) {
        if (rate_shows_key(req))
            rate_refund_shown_key(req);
        return ERR_OK;
    }
    if (req->ctx.who.credential == CREDENTIAL_KEY) {
        if (rate_shows_key(req))
            rate_refund_shown_key(req);
        TRY(rate_take_key(req, res));
    } else if (rate_shows_key(req)) {
        /* It showed a key and was let in by something else. */
        TRY(rate_take_address(req, res));
    }
    return rate_take_tenant(req, res);
}
