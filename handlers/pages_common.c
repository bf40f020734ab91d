/* What pages share: addresses that keep the tenant, form tokens, messages. */
#include "handlers/pages.h"

#include <string.h>

#include "app/cookies.h"
#include "app/secret.h"
#include "app/ticket.h"
#include "handlers/pages_internal.h"
#include "models/device.h"
#include "models/tenant.h"

#define NONCE_BYTES 16

/* --- where a page is --- */

enum err pages_prefix(struct request *req, const char **ret_prefix)
{
    const bool by_path =
        req->hint == HINT_PATH || req->hint == HINT_DEFAULT || req->hint == HINT_CREDENTIAL;

    *ret_prefix = "";
    if (req->ctx.tenant == NULL || !by_path)
        return ERR_OK;
    *ret_prefix = arena_printf(req->ctx.arena, "/t/%s", req->ctx.tenant->slug);
    return *ret_prefix == NULL ? ERR_MEMORY : ERR_OK;
}

enum err pages_redirect(struct request *req, struct response *res, const char *path)
{
    const char *prefix = NULL;

    TRY(pages_prefix(req, &prefix));

    const char *location = arena_printf(req->ctx.arena, "%s%s", prefix, path);

    return location == NULL ? ERR_MEMORY : respond_redirect(req, res, location);
}

enum err pages_respond(struct request *req, struct response *res, int status,
                       const struct page *page)
{
    struct page branded = *page;

    TRY(pages_prefix(req, &branded.prefix));
    branded.brand = req->ctx.tenant->name;
    branded.slug = req->ctx.tenant->slug;
    response_no_store(res);
    return page_respond(req, res, status, &branded);
}

enum err pages_add_vars(struct request *req, struct page *page, const struct template_var *vars,
                        size_t count)
{
    struct template_var *all =
        arena_array(req->ctx.arena, page->var_count + count + 1, sizeof *all);

    if (all == NULL)
        return ERR_MEMORY;
    if (page->var_count > 0)
        memcpy(all, page->vars, page->var_count * sizeof *all);
    memcpy(all + page->var_count, vars, count * sizeof *all);
    page->vars = all;
    page->var_count += count;
    return ERR_OK;
}

bool pages_has_session(const struct request *req)
{
    return req->ctx.who.credential == CREDENTIAL_SESSION && req->ctx.tenant != NULL;
}

enum err pages_read_user(struct request *req, struct user *ret_user)
{
    if (!pages_has_session(req))
        return ERR_UNAUTHENTICATED;

    const enum err found = user_find(&req->ctx, &req->ctx.who.user_id, ret_user);

    return found == ERR_NOT_FOUND || (found == ERR_OK && !ret_user->is_active) ? ERR_UNAUTHENTICATED
                                                                               : found;
}

enum err pages_to_login(struct request *req, struct response *res, enum err code)
{
    if (code != ERR_UNAUTHENTICATED)
        return code;
    fail_clear(&req->ctx);
    /* Who sent a form must hear that it went nowhere. */
    return pages_redirect(req, res, req->method == POST ? "/login?notice=ended" : "/login");
}

enum err pages_set_session(struct request *req, struct response *res, const char *cookie)
{
    return tenant_cookie_set(req, res, "session", cookie, tenant_session_ttl(&req->ctx));
}

/* The new session is as old as the proof behind the one that asks: it must not count as a fresh
 * login (AU-5) or as an auth_time of now. */
static enum err open_again(struct request *req, struct response *res, const struct user *user)
{
    const struct session_origin origin = {.auth_time = req->ctx.who.issued_at * 1000};
    struct session session = {0};
    const char *cookie = NULL, *device = NULL;

    TRY(device_write(&req->ctx, user, &(struct device){.sign_in_at = 0}, &device));
    TRY(tenant_cookie_set(req, res, "device", device, DEVICE_SECONDS));
    TRY(session_open(&req->ctx, user, &origin, &cookie, &session));
    return pages_set_session(req, res, cookie);
}

enum err pages_go_on(struct request *req, struct response *res, const struct user *user,
                     const char *notice)
{
    const bool goes_on = user != NULL && open_again(req, res, user) == ERR_OK;
    const char *path =
        arena_printf(req->ctx.arena, "%s?notice=%s", goes_on ? "/dashboard" : "/login", notice);

    if (path == NULL)
        return ERR_MEMORY;
    if (!goes_on) {
        fail_clear(&req->ctx);
        TRY(caller_cookies_expire(req, res));
    }
    return pages_redirect(req, res, path);
}

/* --- form tokens --- */

static bool is_nonce(const char *text)
{
    uint8_t bytes[NONCE_BYTES];

    return strlen(text) == BASE64URL_LENGTH(NONCE_BYTES) &&
           base64url_decode(text, strlen(text), bytes, sizeof bytes) == NONCE_BYTES;
}

enum err pages_nonce(struct request *req, struct response *res, const char **ret_nonce)
{
    uint8_t bytes[NONCE_BYTES];
    const char *sent = NULL;
    char *nonce;

    TRY(tenant_cookie_get(req, "form", &sent));
    if (sent != NULL && is_nonce(sent)) {
        *ret_nonce = sent;
        return ERR_OK;
    }
    nonce = arena_alloc(req->ctx.arena, BASE64URL_LENGTH(NONCE_BYTES) + 1);
    if (nonce == NULL)
        return ERR_MEMORY;
    secret_random(bytes, sizeof bytes);
    base64url_encode(bytes, sizeof bytes, nonce);
    *ret_nonce = nonce;
    return tenant_cookie_set(req, res, "form", nonce, -1);
}

enum err pages_check_nonce_form(struct request *req, const char *use, const char *token)
{
    const char *nonce = NULL;

    TRY(tenant_cookie_get(req, "form", &nonce));
    if (nonce == NULL || token == NULL || !is_nonce(nonce))
        return ERR_FORM_TOKEN;
    return ticket_form_check(&req->ctx, use, nonce, token);
}

static const char *session_binding(struct request *req)
{
    char *text = arena_alloc(req->ctx.arena, UUID_TEXT_SIZE);

    if (text != NULL)
        uuid_text(&req->ctx.who.session_id, text);
    return text;
}

enum err pages_session_token(struct request *req, const char *use, const char **ret_token)
{
    const char *binding = session_binding(req);

    return binding == NULL ? ERR_MEMORY : ticket_form_issue(&req->ctx, use, binding, ret_token);
}

enum err pages_check_session_form(struct request *req, const char *use, const char *token)
{
    const char *binding = session_binding(req);

    if (binding == NULL)
        return ERR_MEMORY;
    return token == NULL ? ERR_FORM_TOKEN : ticket_form_check(&req->ctx, use, binding, token);
}

/* --- messages --- */

bool pages_shows(enum err code)
{
    const int status = error_info(code)->status;

    return status == 400 || status == 401 || status == 403 || status == 409 || status == 412 ||
           status == 429 || code == ERR_BUSY;
}

void pages_error_headers(struct request *req, struct response *res)
{
    const int64_t seconds = req->ctx.failure.retry_after;

    if (seconds > 0)
        response_header(res, "Retry-After",
                        arena_printf(req->ctx.arena, "%lld", (long long)seconds));
}

bool pages_field_failed(const struct request *req, const char *name)
{
    const struct failure *failure = &req->ctx.failure;

    for (size_t i = 0; i < failure->required_count; i++) {
        if (strcmp(failure->required[i], name) == 0)
            return true;
    }
    if (failure->field == NULL)
        return false;

    const char *field = failure->field + (failure->field[0] == '/');
    const size_t length = strlen(name);

    /* An item of a list stands in the field of the list. */
    return strncmp(field, name, length) == 0 && strchr("./", field[length]) != NULL;
}

bool pages_is_typed(const struct request *req, const char *name)
{
    return req->input != NULL && value_get(req->input, name) != NULL;
}

const char *pages_typed(const struct request *req, const char *name)
{
    const struct value *value = req->input != NULL ? value_get(req->input, name) : NULL;

    return value != NULL && value->type == VALUE_STRING ? value->string.text : "";
}

enum err pages_notice(struct request *req, const char **ret_text)
{
    static const struct {
        const char *word;
        const char *text;
    } notices[] = {
        {"registered", "Your account is ready. Sign in with it."},
        {"signed-out", "You are signed out."},
        {"ended", "You were not signed in any more, so nothing was done. Sign in and do it again."},
        {"saved", "Your changes are saved."},
        {"unchanged", "Nothing was changed."},
        {"user-created", "The user was created."},
        {"user-saved", "The user is saved."},
        {"user-activated", "The user is active and can sign in."},
        {"user-deactivated", "The user is not active any more and was signed out everywhere."},
        {"user-signed-out", "The user was signed out everywhere."},
        {"user-deleted", "The user was deleted."},
        {"role-changed", "The role is changed. The user has to sign in again."},
        {"schema-published", "The schema is published. It is in force everywhere within a second."},
        {"schema-publishing", "The schema is being published. This page shows how far it is."},
        {"schema-cancelled", "It is cancelled. What was done of it is being taken back."},
        {"schema-ended", "There was nothing left to cancel: see below what came of it."},
        {"settings-saved", "The settings are saved. They are in force everywhere within a second."},
        {"key-made",
         "This key was made before, and it is shown only once. If you did not store it, "
         "delete it and make another."},
        {"key-ended", "That key was replaced or deleted before."},
        {"key-deleted", "The key is deleted. It does not work any more."},
        {"client-made",
         "This application was registered before, and its secret is shown only once. If you did "
         "not store it, open the application and replace the secret."},
        {"client-saved", "The application is saved. That is in force everywhere within a second."},
        {"client-deleted",
         "The application is deleted. Its secret and tokens do not work any more."},
        {"account-closed",
         "Your account is closed and will be deleted in seven days. Until then an "
         "administrator can take that back."},
        {"session-ended", "That device is signed out."},
        {"consent-ended", "That application has no access any more."},
        {"sessions-ended", "Every other device is signed out."},
        {"password-changed", "Your password is changed. Every other device was signed out."},
    };
    const char *word = NULL;

    *ret_text = NULL;
    TRY(request_query(req, "notice", &word));
    for (size_t i = 0; word != NULL && i < sizeof notices / sizeof notices[0]; i++) {
        if (strcmp(notices[i].word, word) == 0)
            *ret_text = notices[i].text;
    }
    return ERR_OK;
}
