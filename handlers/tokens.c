/* What happens to tokens and sessions after login. */
#include "handlers/tokens.h"

#include "app/cookies.h"
#include "models/grant.h"
#include "models/session.h"
#include "models/tenant.h"
#include "models/user_security.h"

struct refresh_input {
    const char *refresh_token;
};

struct password_change_input {
    const char *current_password;
    const char *new_password;
};

/* clang-format off */
static const struct field refresh_input_fields[] = {
    FIELD_STR(struct refresh_input, refresh_token, "refresh_token", F_WRITE_ONLY, 1, 8192, .doc = "Not needed when it comes in its cookie."),
};
const struct schema refresh_input_schema = {
    .name = "refresh_input", .size = sizeof(struct refresh_input), SCHEMA_FIELDS(refresh_input_fields),
};
static const struct field password_change_input_fields[] = {
    FIELD_STR(struct password_change_input, current_password, "current_password", F_REQUIRED | F_WRITE_ONLY | F_EMPTY_OK, 0, 1024),
    FIELD_STR(struct password_change_input, new_password, "new_password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
};
const struct schema password_change_input_schema = {
    .name = "password_change_input", .size = sizeof(struct password_change_input), SCHEMA_FIELDS(password_change_input_fields),
};
/* clang-format on */

/* From the body, else from the tenant's cookie (then the cross-site rule was checked before). */
static enum err take_refresh_token(struct request *req, const char **ret_token, bool *ret_cookie)
{
    struct refresh_input in;

    TRY(request_input(req, &in));
    *ret_token = in.refresh_token;
    *ret_cookie = false;
    if (in.refresh_token != NULL)
        return ERR_OK;
    TRY(tenant_cookie_get(req, "refresh", ret_token));
    *ret_cookie = *ret_token != NULL;
    if (*ret_token == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "refresh_token", "Missing: refresh_token");
    return ERR_OK;
}

enum err handle_refresh(struct request *req, struct response *res)
{
    const char *token = NULL;
    struct token_pair pair;
    bool cookie = false;

    TRY(take_refresh_token(req, &token, &cookie));
    TRY(grant_refresh(&req->ctx, token, &pair));
    if (cookie) {
        TRY(tenant_cookie_set(req, res, "access", pair.access_token, pair.expires_in));
        TRY(tenant_cookie_set(req, res, "refresh", pair.refresh_token, pair.refresh_expires_in));
    }
    return respond(req, res, 200, &pair);
}

enum err handle_logout(struct request *req, struct response *res)
{
    const char *token = NULL;
    bool cookie = false;

    TRY(take_refresh_token(req, &token, &cookie));
    TRY(grant_logout(&req->ctx, token, NULL));
    if (cookie) {
        TRY(tenant_cookie_set(req, res, "access", "", 0));
        TRY(tenant_cookie_set(req, res, "refresh", "", 0));
    }
    return respond_empty(res, 204);
}

enum err handle_session_logout(struct request *req, struct response *res)
{
    const struct identity *who = &req->ctx.who;

    TRY(session_end(&req->ctx, &who->session_id, &who->user_id));
    TRY(tenant_cookie_set(req, res, "session", "", 0));
    return respond_empty(res, 204);
}

enum err handle_logout_all(struct request *req, struct response *res)
{
    TRY(user_end_all(&req->ctx, &req->ctx.who.user_id, "logout"));
    TRY(caller_cookies_expire(req, res));
    return respond_empty(res, 204);
}

enum err handle_password_change(struct request *req, struct response *res)
{
    struct password_change_input in;
    struct user user;

    TRY(request_input(req, &in));
    TRY(user_change_password(&req->ctx, &req->ctx.who.user_id, in.current_password, in.new_password,
                             &user));
    TRY(caller_cookies_expire(req, res));
    return respond_empty(res, 204);
}
