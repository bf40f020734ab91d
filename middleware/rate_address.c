/* Limits by address and tenant, before anything that costs: no credential has been looked at yet.
 */
#include "middleware/middleware.h"

#include "app/app.h"
#include "app/routes.h"
#include "middleware/rate.h"

enum err mw_rate_address(struct request *req, struct response *res)
{
    if (req->route->rate == RATE_NONE || req->ctx.app->limiter == NULL)
        return ERR_OK;
    if (rate_shows_key(req))
        TRY(rate_take_shown_key(req, res));
    else
        TRY(rate_take_address(req, res));
    return rate_take_tenant(req, res);
}
