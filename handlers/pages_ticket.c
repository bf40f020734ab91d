/* Tickets of authorization requests on the login page. */
#include "handlers/pages_ticket.h"

#include "app/cookies.h"
#include "app/ticket.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_next.h"

static enum err read_ticket(struct request *req, const char **ret_ticket)
{
    if (req->method == GET)
        return request_query(req, "ticket", ret_ticket);
    *ret_ticket = pages_typed(req, "ticket");
    return ERR_OK;
}

enum err pages_ticket(struct request *req, const char **ret_ticket,
                      struct authorization *ret_request)
{
    const struct failure failure = req->ctx.failure; /* of the form that is shown again */
    const char *ticket = NULL, *nonce = NULL;

    *ret_ticket = NULL;
    TRY(read_ticket(req, &ticket));
    if (ticket == NULL || ticket[0] == '\0')
        return ERR_OK;
    TRY(tenant_cookie_get(req, "form", &nonce));

    const enum err found = authorization_look(&req->ctx, ticket, nonce, ret_request);

    if (found == ERR_NOT_FOUND) {
        req->ctx.failure = failure;
        return ERR_OK;
    }
    TRY(found);
    *ret_ticket = ticket;
    return ERR_OK;
}

static enum err take(struct request *req, struct authorization *ret_request)
{
    const char *ticket = NULL, *nonce = NULL;

    TRY(read_ticket(req, &ticket));
    if (ticket == NULL || ticket[0] == '\0')
        return ERR_NOT_FOUND;
    TRY(tenant_cookie_get(req, "form", &nonce));
    return authorization_take(&req->ctx, ticket, nonce, ret_request);
}

enum err pages_ticket_go_on(struct request *req, struct response *res, const struct session *opened)
{
    struct authorization request = {0};
    char session[UUID_TEXT_SIZE];
    const char *token = NULL;
    const enum err taken = take(req, &request);

    if (taken == ERR_NOT_FOUND) {
        fail_clear(&req->ctx);
        return pages_next_go(req, res);
    }
    TRY(taken);
    uuid_text(&opened->id, session);

    const char *binding =
        arena_printf(req->ctx.arena, "%s %lld %s", session,
                     (long long)session_auth_time(opened) / 1000, request.client_id);

    if (binding == NULL)
        return ERR_MEMORY;
    TRY(ticket_form_issue(&req->ctx, TICKET_SIGNED_IN, binding, &token));
    return pages_redirect(
        req, res,
        arena_printf(req->ctx.arena, "/oauth/authorize?%s&signed_in=%s", request.query, token));
}
