/* Logins in four shapes. The page's own stands in handlers/pages.c and calls the same path. */
#include "handlers/login.h"

#include <string.h>

#include "app/cookies.h"
#include "models/device.h"
#include "models/grant.h"
#include "models/session.h"
#include "models/sign_in.h"
#include "models/tenant.h"

struct login_input {
    const char *username; /* a user name or an e-mail address */
    const char *email;
    const char *password;
};

struct oauth_login {
    const char *message;
    struct uuid user_id;
    const char *username;
    struct uuid tenant_id;
    const char *tenant_slug;
    int role;
};

/* clang-format off */
static const struct field login_input_fields[] = {
    FIELD_STR(struct login_input, username, "username", F_TRIM, 1, 254, .doc = "User name or e-mail address.", .example = "john"),
    FIELD_STR(struct login_input, email, "email", F_TRIM, 1, 254, .doc = "Instead of username.", .example = "john@example.com"),
    FIELD_STR(struct login_input, password, "password", F_REQUIRED | F_WRITE_ONLY | F_EMPTY_OK, 0, 1024),
};
const struct schema login_input_schema = {
    .name = "login_input", .size = sizeof(struct login_input), SCHEMA_FIELDS(login_input_fields),
};

static const struct field oauth_login_fields[] = {
    FIELD_STR(struct oauth_login, message, "message", F_REQUIRED, 1, 200),
    FIELD_UUID(struct oauth_login, user_id, "user_id", F_REQUIRED),
    FIELD_STR(struct oauth_login, username, "username", F_NONE, 1, 254),
    FIELD_UUID(struct oauth_login, tenant_id, "tenant_id", F_REQUIRED),
    FIELD_STR(struct oauth_login, tenant_slug, "tenant_slug", F_REQUIRED, 1, 63),
    FIELD_ENUM(struct oauth_login, role, "role", F_REQUIRED, role_names),
};
const struct schema oauth_login_schema = {
    .name = "oauth_login", .size = sizeof(struct oauth_login), SCHEMA_FIELDS(oauth_login_fields),
};

static const struct field token_pair_fields[] = {
    FIELD_STR(struct token_pair, access_token, "access_token", F_REQUIRED, 1, 8192),
    FIELD_STR(struct token_pair, refresh_token, "refresh_token", F_REQUIRED, 1, 512),
    FIELD_STR(struct token_pair, token_type, "token_type", F_REQUIRED, 1, 16, .example = "bearer"),
    FIELD_INT(struct token_pair, expires_in, "expires_in", F_REQUIRED, 1, INT64_MAX, .doc = "Seconds."),
};
const struct schema token_pair_schema = {
    .name = "token_pair", .size = sizeof(struct token_pair), SCHEMA_FIELDS(token_pair_fields),
};

static const struct field client_tokens_fields[] = {
    FIELD_UUID(struct token_pair, user_id, "user_id", F_REQUIRED),
    FIELD_STR(struct token_pair, access_token, "access_token", F_REQUIRED, 1, 8192),
    FIELD_STR(struct token_pair, refresh_token, "refresh_token", F_REQUIRED, 1, 512),
    FIELD_STR(struct token_pair, token_type, "token_type", F_REQUIRED, 1, 16, .example = "bearer"),
    FIELD_INT(struct token_pair, expires_in, "expires_in", F_REQUIRED, 1, INT64_MAX, .doc = "Seconds."),
};
const struct schema client_tokens_schema = {
    .name = "client_tokens", .size = sizeof(struct token_pair), SCHEMA_FIELDS(client_tokens_fields),
};
/* clang-format on */

/* Proves who logs in; the caller opens a grant or a session. res: the answer sets cookies, and with
 * them the one of a known device; NULL: it does not, and none counts. */
static enum err log_in(struct request *req, struct response *res, struct user *ret_user)
{
    struct sign_in_device device = {.sent = NULL};
    struct login_input in;

    TRY(request_input(req, &in));

    const char *login = in.username != NULL ? in.username : in.email;

    if (login == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "username", "Missing: username or email");
    if (res == NULL)
        return sign_in(&req->ctx, login, in.password, NULL, ret_user);
    TRY(tenant_cookie_get(req, "device", &device.sent));
    TRY(sign_in(&req->ctx, login, in.password, &device, ret_user));
    return tenant_cookie_set(req, res, "device", device.made, DEVICE_SECONDS);
}

static enum err log_in_for_tokens(struct request *req, struct response *res,
                                  struct token_pair *ret_pair)
{
    struct user user;

    TRY(log_in(req, res, &user));
    return grant_open(&req->ctx, &user, "login", res != NULL, ret_pair);
}

enum err handle_api_login(struct request *req, struct response *res)
{
    struct token_pair pair;

    TRY(log_in_for_tokens(req, NULL, &pair));
    return respond(req, res, 200, &pair);
}

enum err handle_client_login(struct request *req, struct response *res)
{
    struct token_pair pair;

    TRY(log_in_for_tokens(req, NULL, &pair));
    return respond(req, res, 200, &pair);
}

/* ?cookies=true delivers the pair as cookies too, for pages that must not touch tokens. */
enum err handle_auth_login(struct request *req, struct response *res)
{
    struct token_pair pair;
    const char *wanted = NULL;

    TRY(request_query(req, "cookies", &wanted));

    const bool cookies = wanted != NULL && strcmp(wanted, "true") == 0;

    TRY(log_in_for_tokens(req, cookies ? res : NULL, &pair));
    if (cookies) {
        TRY(tenant_cookie_set(req, res, "access", pair.access_token, pair.expires_in));
        TRY(tenant_cookie_set(req, res, "refresh", pair.refresh_token, pair.refresh_expires_in));
    }
    return respond(req, res, 200, &pair);
}

enum err handle_oauth_login(struct request *req, struct response *res)
{
    struct user user;
    struct session session;
    struct session_origin origin = {.audit_action = "login"};
    const char *cookie = NULL;

    TRY(log_in(req, res, &user));
    TRY(tenant_cookie_get(req, "session", &origin.replaces));
    TRY(session_open(&req->ctx, &user, &origin, &cookie, &session));
    TRY(tenant_cookie_set(req, res, "session", cookie, tenant_session_ttl(&req->ctx)));

    const struct oauth_login answer = {
        .message = "Login successful",
        .user_id = user.id,
        .username = user_login_name(&user),
        .tenant_id = req->ctx.tenant_id,
        .tenant_slug = req->ctx.tenant->slug,
        .role = user.role,
    };

    return respond(req, res, 200, &answer);
}
