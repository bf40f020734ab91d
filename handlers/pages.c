/* The front door: login and registration of a tenant, or what the service says about itself. */
#include "handlers/pages.h"

#include <string.h>

#include "app/app.h"
#include "app/ticket.h"
#include "handlers/pages_forms.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_next.h"
#include "handlers/pages_schema.h"
#include "handlers/pages_ticket.h"
#include "models/tenant.h"

/* --- login and registration --- */

struct login_tokens {
    const char *login, *registration;
};

static enum err issue_tokens(struct request *req, struct response *res,
                             struct login_tokens *ret_tokens)
{
    const char *nonce = NULL;

    TRY(pages_nonce(req, res, &nonce));
    TRY(ticket_form_issue(&req->ctx, "login", nonce, &ret_tokens->login));
    return ticket_form_issue(&req->ctx, "register", nonce, &ret_tokens->registration);
}

/* A wrong login reads the same whatever was wrong; it may name the place, which a visitor sees
 * anyway. */
static const char *message_for(struct request *req, const struct login_view *view)
{
    if (view->failed == NULL)
        return NULL;
    if (view->code == ERR_BAD_CREDENTIALS)
        return arena_printf(req->ctx.arena,
                            "Invalid credentials. Check the name and the password that you use "
                            "at %s.",
                            req->ctx.tenant->name);
    return page_error_text(&req->ctx, view->code);
}

enum err pages_registration_fields(struct request *req, struct schema_form *form)
{
    form->party = SHAPE_USER;
    form->id = "register-field";
    form->is_own = true;
    return schema_form_begin(req, form);
}

/* Marks nothing on a look; a refusal that is about custom fields stands beside them. */
static enum err make_fields(struct request *req, const struct login_view *view,
                            struct schema_form *form, struct template_var *ret_var)
{
    *ret_var = (struct template_var){.name = SCHEMA_INPUTS};
    if (!tenant_allows_registration(&req->ctx))
        return ERR_OK;
    form->is_refused = view->failed != NULL && strcmp(view->failed, "register") == 0;
    form->code = view->code;
    TRY(pages_registration_fields(req, form));
    return schema_form_show(req, form, ret_var);
}

/* The element that the message is about: it gets the focus and the mark. */
static const char *failed_id(const struct request *req, const struct login_view *view)
{
    if (view->failed == NULL)
        return view->wants_register ? "register-username" : "username";
    if (strcmp(view->failed, "login") == 0)
        return pages_typed(req, "username")[0] == '\0' ? "username" : "password";
    if (pages_field_failed(req, "email") || view->code == ERR_EMAIL_TAKEN)
        return "register-email";
    if (pages_field_failed(req, "password") && !pages_field_failed(req, "username"))
        return "register-password";
    return pages_field_failed(req, "custom_fields") ? "" : "register-username";
}

enum err pages_login(struct request *req, struct response *res, const struct login_view *view)
{
    const bool in_login = view->failed != NULL && strcmp(view->failed, "login") == 0;
    const bool in_register = view->failed != NULL && !in_login;
    const char *message = message_for(req, view), *focus = failed_id(req, view), *notice = NULL;
    const char *shortest =
        arena_printf(req->ctx.arena, "%lld", (long long)tenant_password_min_length(&req->ctx));
    struct login_tokens tokens = {0};
    struct authorization waiting = {0};
    const char *ticket = NULL, *next = NULL, *about_fields;
    struct schema_form fields = {0};
    struct template_var field_rows;

    TRY(make_fields(req, view, &fields, &field_rows));
    about_fields = schema_form_message(req, &fields);
    if (about_fields != NULL)
        message = about_fields;
    TRY(pages_ticket(req, &ticket, &waiting));
    TRY(pages_next(req, &next));
    TRY(issue_tokens(req, res, &tokens));
    if (view->failed == NULL)
        TRY(pages_notice(req, &notice));

#define WHEN_FOCUS(id) (strcmp(focus, (id)) == 0 ? "yes" : NULL)
    const struct template_var vars[] = {
        {.name = "message", .text = message != NULL ? message : notice},
        {.name = "failed", .text = message != NULL ? "yes" : NULL},
        {.name = "failed-login", .text = in_login ? "yes" : NULL},
        {.name = "failed-id", .text = in_register ? focus : NULL},
        {.name = "login-token", .text = tokens.login},
        {.name = "registers", .text = tenant_allows_registration(&req->ctx) ? "yes" : NULL},
        {.name = "register-token", .text = tokens.registration},
        {.name = "ticket", .text = ticket},
        {.name = "next", .text = next},
        {.name = "username", .text = in_login ? pages_typed(req, "username") : waiting.login_hint},
        {.name = "register-username", .text = in_register ? pages_typed(req, "username") : NULL},
        {.name = "register-email", .text = in_register ? pages_typed(req, "email") : NULL},
        {.name = "shortest", .text = shortest},
        field_rows,
        {.name = "fields-state", .text = fields.state},
        {.name = "focus-username", .text = WHEN_FOCUS("username")},
        {.name = "focus-password", .text = WHEN_FOCUS("password")},
        {.name = "focus-register-username", .text = WHEN_FOCUS("register-username")},
        {.name = "focus-register-email", .text = WHEN_FOCUS("register-email")},
        {.name = "focus-register-password", .text = WHEN_FOCUS("register-password")},
    };
#undef WHEN_FOCUS
    const struct page page = {
        .template_name = "login",
        .title = arena_printf(req->ctx.arena, "Sign in to %s", req->ctx.tenant->name),
        .form_action = waiting.redirect_uri,
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    pages_error_headers(req, res);
    return pages_respond(req, res, view->failed != NULL ? error_info(view->code)->status : 200,
                         &page);
}

static enum err login_or_dashboard(struct request *req, struct response *res, bool wants_register)
{
    struct authorization waiting = {0};
    const char *ticket = NULL;

    if (req->ctx.tenant == NULL)
        return fail(&req->ctx, ERR_NO_TENANT, NULL, NULL);
    TRY(pages_ticket(req, &ticket, &waiting));
    /* Somebody who is signed in has to sign in again for a request that wants it. */
    if (ticket == NULL && pages_has_session(req))
        return pages_next_go(req, res);
    return pages_login(req, res, &(struct login_view){.wants_register = wants_register});
}

enum err handle_login_page(struct request *req, struct response *res)
{
    return login_or_dashboard(req, res, false);
}

enum err handle_register_page(struct request *req, struct response *res)
{
    const bool is_member = req->ctx.tenant == NULL || pages_has_session(req);
    const enum err open = is_member ? ERR_OK : tenant_check_registration(&req->ctx);

    if (open == ERR_REGISTRATION_CLOSED)
        return pages_login(req, res, &(struct login_view){.failed = "register", .code = open});
    TRY(open);
    return login_or_dashboard(req, res, true);
}

/* --- the root --- */

static enum err respond_info(struct request *req, struct response *res)
{
    const struct service_info info = {
        .message = "tenantd, a multi-tenant identity service",
        .version = TENANTD_VERSION,
        .auth_type = "OAuth 2.0",
        .multi_tenant = true,
        .endpoints =
            {
                .health = "/health",
                .openapi = "/openapi.json",
                .docs = "/docs",
                .tenants_register = "/tenants/register",
                .tenants_info = "/tenants/info",
                .tenants_list = "/tenants/list",
                .oauth_register = "/oauth/register",
                .oauth_login = "/oauth/login",
                .auth_register = "/auth/register",
                .auth_login = "/auth/login",
                .auth_refresh = "/auth/refresh",
            },
    };

    response_header(res, "Vary", "Accept, Cookie");
    return respond(req, res, 200, &info);
}

enum err handle_root(struct request *req, struct response *res)
{
    /* A session alone does not make the address that of its tenant: the front page stays reachable.
     */
    const bool is_tenant = req->ctx.tenant != NULL && req->hint != HINT_CREDENTIAL;

    if (is_tenant)
        return request_wants_json_only(req) ? respond_info(req, res)
                                            : login_or_dashboard(req, res, false);
    return request_accepts_html(req) ? pages_landing(req, res) : respond_info(req, res);
}
