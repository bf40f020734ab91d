/* The forms that begin and end a session. */
#include "handlers/pages.h"

#include "app/cookies.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_ticket.h"
#include "models/device.h"
#include "models/sign_in.h"
#include "models/sign_up.h"
#include "models/tenant_rules.h"

/* The form again with what was wrong, or the error as a page of its own. */
static enum err show_again(struct request *req, struct response *res, const char *form,
                           enum err code)
{
    if (!pages_shows(code))
        return code;
    return pages_login(req, res, &(struct login_view){.failed = form, .code = code});
}

static enum err log_in(struct request *req, struct response *res, struct session *ret_session)
{
    struct login_form in;
    struct user user = {0};
    struct sign_in_device device = {.sent = NULL};
    const char *cookie = NULL;

    TRY(pages_check_nonce_form(req, "login", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(tenant_cookie_get(req, "device", &device.sent));
    TRY(sign_in(&req->ctx, in.username, in.password, &device, &user));
    TRY(tenant_cookie_set(req, res, "device", device.made, DEVICE_SECONDS));
    TRY(session_open(&req->ctx, &user, &(struct session_origin){.audit_action = "login"}, &cookie,
                     ret_session));
    return pages_set_session(req, res, cookie);
}

enum err handle_login_form(struct request *req, struct response *res)
{
    struct session session = {0};
    const enum err done = log_in(req, res, &session);

    if (done != ERR_OK)
        return show_again(req, res, "login", done);
    return pages_ticket_go_on(req, res, &session.id);
}

static enum err sign_up_from(struct request *req)
{
    struct register_form in;
    struct user user = {0};

    TRY(tenant_check_registration(&req->ctx));
    TRY(pages_check_nonce_form(req, "register", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    if (in.username == NULL && in.email == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "username",
                    "Give a user name, an e-mail address, or both.");

    const struct new_user new_user = {
        .username = in.username,
        .email = in.email,
        .password = in.password,
        .role = ROLE_USER,
    };

    return sign_up(&req->ctx, &new_user, &user);
}

enum err handle_register_form(struct request *req, struct response *res)
{
    struct authorization request = {0};
    const char *ticket = NULL;
    const enum err done = sign_up_from(req);

    if (done != ERR_OK)
        return show_again(req, res, "register", done);
    TRY(pages_ticket(req, &ticket, &request));
    return pages_redirect(req, res,
                          arena_printf(req->ctx.arena, "/login?notice=registered%s%s",
                                       ticket != NULL ? "&ticket=" : "",
                                       ticket != NULL ? ticket : ""));
}

static enum err log_out(struct request *req)
{
    TRY(pages_check_session_form(req, "logout", pages_typed(req, "form_token")));

    const enum err ended = session_end(&req->ctx, &req->ctx.who.session_id, &req->ctx.who.user_id);

    if (ended == ERR_UNAUTHENTICATED)
        fail_clear(&req->ctx);
    return ended == ERR_UNAUTHENTICATED ? ERR_OK : ended;
}

enum err handle_logout_form(struct request *req, struct response *res)
{
    if (req->ctx.tenant == NULL)
        return fail(&req->ctx, ERR_NO_TENANT, NULL, NULL);
    /* Without a session there is nothing to end, and nobody to protect from it. */
    if (pages_has_session(req))
        TRY(log_out(req));
    TRY(tenant_cookie_set(req, res, "session", "", 0));
    return pages_redirect(req, res, "/login?notice=signed-out");
}
