/*
 * The authorization endpoint: who is signed in, whether they have to sign in anew, whether they
 * have to be asked, and the code.
 */
#include "handlers/authorize.h"

#include <string.h>

#include "app/clock.h"
#include "app/redirect_uri.h"
#include "app/ticket.h"
#include "handlers/authorize_internal.h"
#include "handlers/pages_internal.h"
#include "handlers/pages_ticket.h"
#include "models/audit.h"
#include "models/authorization.h"
#include "models/consent.h"
#include "models/grant_code.h"
#include "models/scope.h"
#include "models/tenant.h"

#define ADDRESS_MAX ((size_t)12000) /* of a request that goes on by GET */

struct authorize_input {
    const char *client_id, *redirect_uri, *response_type, *response_mode, *scope, *state, *nonce;
    const char *code_challenge, *code_challenge_method, *prompt, *max_age, *claims, *login_hint;
    const char *resource, *id_token_hint, *ui_locales, *display, *acr_values, *confirm, *form_token;
};

/* clang-format off */
static const struct field authorize_input_fields[] = {
    FIELD_STR(struct authorize_input, client_id, "client_id", F_NONE, 1, 63),
    FIELD_STR(struct authorize_input, redirect_uri, "redirect_uri", F_NONE, 1, REDIRECT_URI_MAX, .doc = "Byte for byte as registered."),
    FIELD_STR(struct authorize_input, response_type, "response_type", F_NONE, 1, 64, .doc = "code"),
    FIELD_STR(struct authorize_input, response_mode, "response_mode", F_NONE, 1, 64, .doc = "query (default) or form_post"),
    FIELD_STR(struct authorize_input, scope, "scope", F_NONE, 1, 12000, .doc = "Absent: all that the client registered."),
    FIELD_STR(struct authorize_input, state, "state", F_NONE, 1, 12000, .doc = "Comes back unchanged; up to 4096 bytes."),
    FIELD_STR(struct authorize_input, nonce, "nonce", F_NONE, 1, 12000),
    FIELD_STR(struct authorize_input, code_challenge, "code_challenge", F_NONE, 1, 12000, .doc = "PKCE (RFC 7636); public clients must send it."),
    FIELD_STR(struct authorize_input, code_challenge_method, "code_challenge_method", F_NONE, 1, 64, .doc = "S256"),
    FIELD_STR(struct authorize_input, prompt, "prompt", F_NONE, 1, 200, .doc = "none, login, consent, select_account"),
    FIELD_STR(struct authorize_input, max_age, "max_age", F_NONE, 1, 64, .doc = "Seconds since the person signed in."),
    FIELD_STR(struct authorize_input, claims, "claims", F_NONE, 1, 12000, .doc = "OIDC Core section 5.5."),
    FIELD_STR(struct authorize_input, resource, "resource", F_NONE, 1, 12000, .doc = "RFC 8707: whom access tokens are for, of the tenant's setting resources. May be given several times."),
    FIELD_STR(struct authorize_input, login_hint, "login_hint", F_NONE, 1, 12000),
    FIELD_STR(struct authorize_input, id_token_hint, "id_token_hint", F_NONE, 1, 12000, .doc = "Who has to be signed in; expired is fine."),
    FIELD_STR(struct authorize_input, ui_locales, "ui_locales", F_NONE, 1, 12000),
    FIELD_STR(struct authorize_input, display, "display", F_NONE, 1, 64),
    FIELD_STR(struct authorize_input, acr_values, "acr_values", F_NONE, 1, 12000),
    FIELD_STR(struct authorize_input, confirm, "confirm", F_NONE, 1, 16, .doc = "POST: yes or no, with form_token and the same parameters."),
    FIELD_STR(struct authorize_input, form_token, "form_token", F_WRITE_ONLY, 1, 4096),
};
const struct schema authorize_input_schema = {
    .name = "authorize_input", .size = sizeof(struct authorize_input), SCHEMA_FIELDS(authorize_input_fields),
};
/* clang-format on */

/* --- going on as a GET --- */

static enum err go_on(struct request *req, struct response *res, const struct authorize *request)
{
    const char *prefix = NULL;
    struct buf query;

    buf_init(&query, req->ctx.arena, ADDRESS_MAX);
    authorize_put_query(&query, request);

    const char *text = buf_text(&query);

    if (text == NULL)
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "The request is too long.");
    TRY(pages_prefix(req, &prefix));
    return respond_redirect(req, res,
                            arena_printf(req->ctx.arena, "%s/oauth/authorize?%s", prefix, text));
}

/* The client alone named its tenant: from here on the path does. */
static enum err go_to_tenant(struct request *req, struct response *res,
                             const struct authorize *request)
{
    const struct tenant *tenant = NULL;
    const enum err found = tenant_get_by_id(&req->ctx, &request->client->tenant_id, &tenant);

    if (found == ERR_TENANT_NOT_FOUND)
        return fail(&req->ctx, ERR_BAD_REQUEST, "client_id",
                    "There is no such application here (client_id).");
    TRY(found);
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    req->hint = HINT_CREDENTIAL;
    return go_on(req, res, request);
}

/* --- signing in --- */

static const char *signed_in_binding(struct request *req, const struct authorize *request)
{
    char session[UUID_TEXT_SIZE];

    uuid_text(&req->ctx.who.session_id, session);
    return arena_printf(req->ctx.arena, "%s %lld %s", session, (long long)req->ctx.who.issued_at,
                        request->client->id);
}

/* This session was opened for such a request: what asks for a fresh sign-in had one. */
static bool has_just_signed_in(struct request *req, const struct authorize *request)
{
    const char *token = authorize_param(request, PARAM_SIGNED_IN);
    const char *binding = token != NULL ? signed_in_binding(req, request) : NULL;

    if (binding == NULL)
        return false;
    if (ticket_form_check(&req->ctx, TICKET_SIGNED_IN, binding, token) == ERR_OK)
        return true;
    fail_clear(&req->ctx);
    return false;
}

static bool is_wanted(const struct authorize *request)
{
    return uuid_is_zero(&request->subject) || uuid_equal(&request->subject, &request->user.id);
}

static bool needs_sign_in(struct request *req, const struct authorize *request)
{
    const int64_t age = clock_now_ms() / 1000 - req->ctx.who.issued_at;

    if (!request->wants_login && is_wanted(request) &&
        (request->max_age < 0 || age <= request->max_age))
        return false;
    return !has_just_signed_in(req, request);
}

/* The login page, with a ticket that brings the browser back here. */
static enum err go_to_login(struct request *req, struct response *res,
                            const struct authorize *request)
{
    const char *nonce = NULL, *ticket = NULL;
    const bool has_hint = request->login_hint != NULL && strlen(request->login_hint) <= 254;
    struct buf query;

    buf_init(&query, req->ctx.arena, AUTHORIZATION_MAX_QUERY);
    authorize_put_query(&query, request);
    if (buf_text(&query) == NULL)
        return fail(&req->ctx, ERR_BAD_REQUEST, NULL, "The request is too long.");

    const struct authorization kept = {.client_id = request->client->id,
                                       .redirect_uri = request->redirect_uri,
                                       .login_hint = has_hint ? request->login_hint : NULL,
                                       .query = buf_text(&query)};

    TRY(pages_nonce(req, res, &nonce));
    TRY(authorization_keep(&req->ctx, &kept, nonce, &ticket));
    return pages_redirect(req, res, arena_printf(req->ctx.arena, "/login?ticket=%s", ticket));
}

/* *ret_done: nobody is signed in as the request wants it, and the answer says so. */
static enum err settle_user(struct request *req, struct response *res, struct authorize *request,
                            bool *ret_done)
{
    const enum err found = pages_read_user(req, &request->user);
    const bool fresh = found == ERR_OK && !needs_sign_in(req, request);

    *ret_done = true;
    if (found != ERR_OK && found != ERR_UNAUTHENTICATED)
        return found;
    if (fresh) {
        *ret_done = false;
        return ERR_OK;
    }
    fail_clear(&req->ctx);
    if (request->is_silent) {
        (void)authorize_fail(request, "login_required", "nobody is signed in as this wants it");
        return authorize_refuse(req, res, request);
    }
    if (request_wants_json_only(req))
        return ERR_UNAUTHENTICATED;
    return go_to_login(req, res, request);
}

/* --- the code --- */

static enum err give_code(struct request *req, struct response *res,
                          const struct authorize *request)
{
    const struct code_terms terms = {
        .client = request->client,
        .user = &request->user,
        .session_id = req->ctx.who.session_id,
        .auth_time = req->ctx.who.issued_at * 1000,
        .scope = request->scope,
        .redirect_uri = request->redirect_uri,
        .challenge = request->challenge,
        .nonce = request->nonce,
        .claims = request->claims,
        .claims_scope = request->claims_scope,
        .resources = request->resources,
    };
    const char *code = NULL;

    TRY(grant_code_issue(&req->ctx, &terms, &code));
    return authorize_succeed(req, res, request, code);
}

/* Somebody else signed in than the one who was asked for. */
static enum err check_person(struct authorize *request)
{
    return is_wanted(request)
               ? ERR_OK
               : authorize_fail(request, "login_required", "somebody else is signed in");
}

/* A person below an administrator cannot give an administrator's powers away. */
static enum err cut_to_user(struct request *req, struct authorize *request)
{
    const char *asked = request->scope;

    TRY(scope_for_role(&req->ctx, asked, (enum role)request->user.role, &request->scope));
    if (request->scope[0] == '\0' && asked[0] != '\0')
        return authorize_fail(request, "invalid_scope", "the user may have none of this scope");

    const char *all = arena_printf(req->ctx.arena, "%s %s", request->scope, request->claims_scope);

    return all == NULL ? ERR_MEMORY : scope_normalise(&req->ctx, all, &request->consent);
}

static struct consent_terms consent_terms_of(const struct authorize *request)
{
    return (struct consent_terms){.user_id = &request->user.id,
                                  .client = request->client,
                                  .scope = request->consent,
                                  .resources = request->resources};
}

static enum err needs_consent(struct request *req, const struct authorize *request, bool *ret_needs)
{
    const struct consent_terms terms = consent_terms_of(request);
    bool covers = request->client->first_party;

    *ret_needs = true;
    if (request->wants_consent)
        return ERR_OK;
    if (!covers)
        TRY(consent_covers(&req->ctx, &terms, &covers));
    *ret_needs = !covers;
    return ERR_OK;
}

static enum err decide(struct request *req, struct response *res, struct authorize *request)
{
    bool done = false, needs = false;

    TRY(settle_user(req, res, request, &done));
    if (done)
        return ERR_OK;
    TRY(check_person(request));
    TRY(cut_to_user(req, request));
    if (request_wants_json_only(req) && !request->is_silent)
        return authorize_show_consent(req, res, request);
    TRY(needs_consent(req, request, &needs));
    if (!needs)
        return give_code(req, res, request);
    if (request->is_silent)
        return authorize_fail(request, "consent_required", "the user has to be asked");
    return authorize_show_consent(req, res, request);
}

/* What was found wrong after the redirect URI was proven goes back to the client. */
static enum err answer(struct request *req, struct response *res, const struct authorize *request,
                       enum err code)
{
    if (code != ERR_BAD_REQUEST || request->error == NULL)
        return code;
    fail_clear(&req->ctx);
    return authorize_refuse(req, res, request);
}

/* *ret_done: it goes on elsewhere, or the redirect URI is not the client's. */
static enum err begin(struct request *req, struct response *res, struct authorize *request,
                      bool *ret_done)
{
    const enum err read = authorize_read(req, request);

    *ret_done = true;
    if (read == ERR_TENANT_MISMATCH)
        return go_to_tenant(req, res, request);
    TRY(read);
    if (!oauth_client_has_redirect(request->client, request->redirect_uri))
        return authorize_show_redirect_error(req, res, request);
    /* Whose request it is, for the audit log. */
    req->ctx.who.client_id = request->client->id;
    *ret_done = false;
    return ERR_OK;
}

enum err handle_authorize(struct request *req, struct response *res)
{
    struct authorize request;
    bool done = false;

    TRY(begin(req, res, &request, &done));
    if (done)
        return ERR_OK;

    enum err code = authorize_check(req, &request);

    if (code == ERR_OK)
        code = decide(req, res, &request);
    return answer(req, res, &request, code);
}

/* --- what the person decided --- */

static enum err confirm(struct request *req, struct response *res, struct authorize *request,
                        const char *word)
{
    TRY(pages_read_user(req, &request->user));
    TRY(authorize_check(req, request));
    TRY(check_person(request));
    TRY(cut_to_user(req, request));
    TRY(authorize_check_form(req, request));
    if (strcmp(word, "no") == 0) {
        TRY(audit_write(&req->ctx, "consent.denied", "failed", &request->user.id, "user"));
        return authorize_fail(request, "access_denied", "the user did not allow it");
    }

    const struct consent_terms terms = consent_terms_of(request);

    TRY(consent_give(&req->ctx, &terms));
    return give_code(req, res, request);
}

enum err handle_authorize_form(struct request *req, struct response *res)
{
    struct authorize request;
    const char *word;
    bool done = false;

    TRY(begin(req, res, &request, &done));
    if (done)
        return ERR_OK;
    word = authorize_param(&request, PARAM_CONFIRM);
    if (word == NULL)
        return go_on(req, res, &request);
    if (strcmp(word, "yes") != 0 && strcmp(word, "no") != 0)
        return fail(&req->ctx, ERR_BAD_REQUEST, PARAM_CONFIRM, "confirm must be yes or no.");
    return answer(req, res, &request, confirm(req, res, &request, word));
}
