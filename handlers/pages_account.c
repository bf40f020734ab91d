/* The dashboard's form that closes the account. */
#include "handlers/pages.h"

#include "app/cookies.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "models/fresh_login.h"
#include "models/sign_in.h"
#include "models/user_removal.h"

/* The password takes the place of the fresh login that the API asks for. */
static enum err close_account(struct request *req)
{
    struct close_form in;
    struct user user = {0}, closed = {0};

    TRY(pages_read_user(req, &user));
    TRY(pages_check_session_form(req, "close", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(sign_in_confirm(&req->ctx, &user, in.current_password, "user.deletion_requested"));
    fresh_login_note(&req->ctx);
    return user_close_own(&req->ctx, &closed);
}

enum err handle_close_form(struct request *req, struct response *res)
{
    const enum err closed = close_account(req);

    if (closed != ERR_OK)
        return dashboard_show_again(req, res, "close", closed);
    TRY(caller_cookies_expire(req, res));
    return pages_redirect(req, res, "/login?notice=account-closed");
}
