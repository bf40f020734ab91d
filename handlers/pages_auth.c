/* The forms that begin and end a session. */
#include "handlers/pages.h"

#include "app/cookies.h"
#include "app/form.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_next.h"
#include "handlers/pages_schema.h"
#include "handlers/pages_ticket.h"
#include "models/access_token.h"
#include "models/device.h"
#include "models/sign_in.h"
#include "models/sign_up.h"
#include "models/tenant_rules.h"
#include "models/user_sessions.h"

#define LOCATION_MAX ((size_t)8 * 1024)

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
    struct session_origin origin = {.audit_action = "login"};
    const char *cookie = NULL;

    TRY(pages_check_nonce_form(req, "login", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    TRY(tenant_cookie_get(req, "device", &device.sent));
    TRY(sign_in(&req->ctx, in.username, in.password, &device, &user));
    TRY(tenant_cookie_set(req, res, "device", device.made, DEVICE_SECONDS));
    TRY(tenant_cookie_get(req, "session", &origin.replaces));
    TRY(session_open(&req->ctx, &user, &origin, &cookie, ret_session));
    return pages_set_session(req, res, cookie);
}

enum err handle_login_form(struct request *req, struct response *res)
{
    struct session session = {0};
    const enum err done = log_in(req, res, &session);

    if (done != ERR_OK)
        return show_again(req, res, "login", done);
    return pages_ticket_go_on(req, res, &session);
}

static enum err read_fields(struct request *req, struct bytes *ret_fields, struct strs *ret_emptied)
{
    struct schema_form form = {0};

    TRY(pages_registration_fields(req, &form));
    return schema_form_read_new(req, &form, ret_fields, ret_emptied);
}

static enum err sign_up_from(struct request *req)
{
    struct register_form in;
    struct bytes fields = {0};
    struct strs emptied = {0};
    struct user user = {0};

    TRY(tenant_check_registration(&req->ctx));
    TRY(pages_check_nonce_form(req, "register", pages_typed(req, "form_token")));
    TRY(request_input(req, &in));
    if (in.username == NULL && in.email == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "username",
                    "Give a user name, an e-mail address, or both.");
    TRY(read_fields(req, &fields, &emptied));

    const struct new_user new_user = {
        .username = in.username,
        .email = in.email,
        .password = in.password,
        .custom_fields = fields,
        .emptied = emptied,
        .role = ROLE_USER,
    };

    return sign_up(&req->ctx, &new_user, &user);
}

/* With what waits for the sign-in. */
static enum err to_login(struct request *req, struct response *res, const char *ticket)
{
    const char *next = NULL;
    struct buf query;

    TRY(pages_next(req, &next));
    buf_init(&query, req->ctx.arena, LOCATION_MAX);
    form_put(&query, "notice", "registered");
    if (ticket != NULL)
        form_put(&query, "ticket", ticket);
    if (next != NULL)
        form_put(&query, "next", next);
    if (!buf_ok(&query))
        return ERR_MEMORY;
    return pages_redirect(req, res, arena_printf(req->ctx.arena, "/login?%s", buf_text(&query)));
}

enum err handle_register_form(struct request *req, struct response *res)
{
    struct authorization request = {0};
    const char *ticket = NULL;
    const enum err done = sign_up_from(req);

    if (done != ERR_OK)
        return show_again(req, res, "register", done);
    TRY(pages_ticket(req, &ticket, &request));
    return to_login(req, res, ticket);
}

/* What a login with cookies=true left in this browser: tokens of a grant of their own. */
static enum err end_cookie_tokens(struct request *req)
{
    struct token_claims *claims = ARENA_NEW(req->ctx.arena, struct token_claims);
    const struct tenant *tenant = NULL;
    const char *token = NULL;

    if (claims == NULL)
        return ERR_MEMORY;
    TRY(tenant_cookie_get(req, "access", &token));
    if (token == NULL)
        return ERR_OK;

    enum err ended = access_token_verify(&req->ctx, token, claims, &tenant);

    if (ended == ERR_OK && uuid_equal(&claims->tenant_id, &req->ctx.tenant_id))
        ended = user_sessions_end(&req->ctx, &claims->user_id, &claims->grant_id);
    if (ended != ERR_OK && ended != ERR_BAD_TOKEN && ended != ERR_NOT_FOUND)
        return ended;
    fail_clear(&req->ctx);
    return ERR_OK;
}

enum err pages_end_session(struct request *req)
{
    TRY(end_cookie_tokens(req));

    const enum err ended = session_end(&req->ctx, &req->ctx.who.session_id, &req->ctx.who.user_id);

    if (ended == ERR_UNAUTHENTICATED)
        fail_clear(&req->ctx);
    return ended == ERR_UNAUTHENTICATED ? ERR_OK : ended;
}

enum err pages_expire_cookies(struct request *req, struct response *res)
{
    TRY(tenant_cookie_set(req, res, "session", "", 0));
    TRY(tenant_cookie_set(req, res, "access", "", 0));
    return tenant_cookie_set(req, res, "refresh", "", 0);
}

enum err handle_logout_form(struct request *req, struct response *res)
{
    if (req->ctx.tenant == NULL)
        return fail(&req->ctx, ERR_NO_TENANT, NULL, NULL);
    /* Without a session there is nothing to end, and nobody to protect from it. */
    if (pages_has_session(req)) {
        TRY(pages_check_session_form(req, "logout", pages_typed(req, "form_token")));
        TRY(pages_end_session(req));
    }
    TRY(pages_expire_cookies(req, res));
    return pages_redirect(req, res, "/login?notice=signed-out");
}
