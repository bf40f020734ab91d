/* Who am I, in the shapes of documents 000 and 004: each reads the user and answers. */
#include "handlers/me.h"
#include "models/tenant.h"
#include "models/user.h"

struct answer {
    const char *message;
    const char *user;
    const char *username;
    const char *email;
    const char *tenant;
    const char *client_id;
    const char *scope;
    struct uuid id;
    struct strs data;
    int64_t created_at;
    bool is_active;
};

/* clang-format off */
static const struct field api_dashboard_fields[] = {
    FIELD_STR(struct answer, message, "message", F_REQUIRED, 1, 400),
};
const struct schema api_dashboard_schema = {
    .name = "api_dashboard", .size = sizeof(struct answer), SCHEMA_FIELDS(api_dashboard_fields),
};
static const struct field whoami_fields[] = {
    FIELD_STR(struct answer, username, "username", F_REQUIRED, 1, 254),
    FIELD_STR(struct answer, tenant, "tenant", F_REQUIRED, 1, 63, .doc = "The tenant's slug."),
};
const struct schema whoami_schema = {
    .name = "whoami", .size = sizeof(struct answer), SCHEMA_FIELDS(whoami_fields),
};
static const struct field protected_fields[] = {
    FIELD_STR(struct answer, message, "message", F_REQUIRED, 1, 400),
    FIELD_STR(struct answer, user, "user", F_ALWAYS, 1, 254, .doc = "User name; null for a token without a user."),
    FIELD_STR(struct answer, client_id, "client_id", F_ALWAYS, 1, 63, .doc = "OAuth client; null for a session-less token."),
    FIELD_STR(struct answer, scope, "scope", F_REQUIRED | F_EMPTY_OK, 0, 1024),
};
const struct schema protected_schema = {
    .name = "protected", .size = sizeof(struct answer), SCHEMA_FIELDS(protected_fields),
};
static const struct field api_users_me_fields[] = {
    FIELD_UUID(struct answer, id, "id", F_REQUIRED),
    FIELD_STR(struct answer, username, "username", F_ALWAYS, 1, 64),
    FIELD_STR(struct answer, email, "email", F_ALWAYS, 3, 254),
    FIELD_TIME(struct answer, created_at, "created_at", F_REQUIRED),
    FIELD_BOOL(struct answer, is_active, "is_active", F_REQUIRED),
};
const struct schema api_users_me_schema = {
    .name = "api_users_me", .size = sizeof(struct answer), SCHEMA_FIELDS(api_users_me_fields),
};
static const struct field api_data_fields[] = {
    FIELD_STRS(struct answer, data, "data", F_ALWAYS, 0, 200, 100),
    FIELD_STR(struct answer, user, "user", F_ALWAYS, 1, 254),
};
const struct schema api_data_schema = {
    .name = "api_data", .size = sizeof(struct answer), SCHEMA_FIELDS(api_data_fields),
};
static const struct field api_admin_fields[] = {
    FIELD_STR(struct answer, message, "message", F_REQUIRED, 1, 400),
    FIELD_STR(struct answer, user, "user", F_REQUIRED, 1, 254),
    FIELD_STR(struct answer, scope, "scope", F_REQUIRED | F_EMPTY_OK, 0, 1024),
};
const struct schema api_admin_schema = {
    .name = "api_admin", .size = sizeof(struct answer), SCHEMA_FIELDS(api_admin_fields),
};
/* clang-format on */

/* The caller's user, freshly read. A token without a user leaves *ret_user zeroed. */
static enum err read_caller(struct request *req, struct user *ret_user)
{
    *ret_user = (struct user){0};
    if (uuid_is_zero(&req->ctx.who.user_id))
        return ERR_OK;

    const enum err found = user_find(&req->ctx, &req->ctx.who.user_id, ret_user);

    return found == ERR_NOT_FOUND || (found == ERR_OK && !ret_user->is_active) ? ERR_BAD_TOKEN
                                                                               : found;
}

static const char *shown_name(const struct user *user)
{
    return user_login_name(user);
}

static enum err answer_caller(struct request *req, struct response *res, const char *message)
{
    struct user user;

    TRY(read_caller(req, &user));

    const struct answer answer = {
        .message = message,
        .user = shown_name(&user),
        .username = user.username,
        .email = user.email,
        .tenant = req->ctx.tenant->slug,
        .client_id = req->ctx.who.client_id,
        .scope = req->ctx.who.scope,
        .id = user.id,
        .created_at = user.created_at,
        .is_active = user.is_active,
    };

    return respond(req, res, 200, &answer);
}

enum err handle_whoami(struct request *req, struct response *res)
{
    struct user user;

    TRY(read_caller(req, &user));

    const struct answer answer = {.username = shown_name(&user), .tenant = req->ctx.tenant->slug};

    return respond(req, res, 200, &answer);
}

enum err handle_api_dashboard(struct request *req, struct response *res)
{
    struct user user;

    TRY(read_caller(req, &user));

    const char *name = user.name != NULL ? user.name : shown_name(&user);
    const struct answer answer = {.message = arena_printf(req->ctx.arena, "Welcome, %s, to %s.",
                                                          name, req->ctx.tenant->name)};

    return answer.message != NULL ? respond(req, res, 200, &answer) : ERR_MEMORY;
}

enum err handle_protected(struct request *req, struct response *res)
{
    return answer_caller(req, res, "This is a protected resource.");
}

enum err handle_api_users_me(struct request *req, struct response *res)
{
    return answer_caller(req, res, NULL);
}

enum err handle_api_data(struct request *req, struct response *res)
{
    return answer_caller(req, res, NULL);
}

enum err handle_api_admin(struct request *req, struct response *res)
{
    return answer_caller(req, res, "This is an administrator's resource.");
}
