/* Registrations in four shapes; who is asked for what differs, what happens does not. */
#include "handlers/registration.h"

#include <string.h>

#include "app/app.h"
#include "app/routes.h"
#include "models/grant.h"
#include "models/sign_up.h"
#include "models/tenant.h"

struct register_input {
    const char *username;
    const char *email;
    const char *password;
    const char *name;
    const char *role;
    struct bytes custom_fields;
};

struct registered {
    const char *message;
    struct uuid user_id;
    const char *username;
    const char *email;
    struct uuid tenant_id;
    const char *tenant_slug;
};

/* clang-format off */
#define USERNAME(flags) FIELD_STR(struct register_input, username, "username", (flags) | F_TRIM, 1, 64, .example = "john")
#define EMAIL(flags) FIELD_STR(struct register_input, email, "email", (flags) | F_TRIM, 3, 254, .example = "john@example.com")
#define COMMON \
    FIELD_STR(struct register_input, password, "password", F_REQUIRED | F_WRITE_ONLY, 1, 1024, .doc = "At least 8 characters.", .example = "a long passphrase"), \
    FIELD_STR(struct register_input, name, "name", F_TRIM, 1, 200), \
    FIELD_STR(struct register_input, role, "role", F_TRIM, 1, 16, .doc = "Only \"user\"; higher roles are given by an owner."), \
    FIELD_DOC(struct register_input, custom_fields, "custom_fields", F_NONE, .doc = "Any JSON object within the limits.")

static const struct field api_register_input_fields[] = {USERNAME(F_REQUIRED), EMAIL(F_NONE), COMMON};
const struct schema api_register_input_schema = {
    .name = "api_register_input", .size = sizeof(struct register_input), SCHEMA_FIELDS(api_register_input_fields),
};
static const struct field oauth_register_input_fields[] = {USERNAME(F_REQUIRED), EMAIL(F_REQUIRED), COMMON};
const struct schema oauth_register_input_schema = {
    .name = "oauth_register_input", .size = sizeof(struct register_input), SCHEMA_FIELDS(oauth_register_input_fields),
};
static const struct field auth_register_input_fields[] = {EMAIL(F_REQUIRED), USERNAME(F_NONE), COMMON};
const struct schema auth_register_input_schema = {
    .name = "auth_register_input", .size = sizeof(struct register_input), SCHEMA_FIELDS(auth_register_input_fields),
};

static const struct field api_register_fields[] = {
    FIELD_STR(struct registered, message, "message", F_REQUIRED, 1, 200),
    FIELD_UUID(struct registered, user_id, "user_id", F_REQUIRED),
};
const struct schema api_register_schema = {
    .name = "api_registered", .size = sizeof(struct registered), SCHEMA_FIELDS(api_register_fields),
};
static const struct field oauth_register_fields[] = {
    FIELD_STR(struct registered, message, "message", F_REQUIRED, 1, 200),
    FIELD_UUID(struct registered, user_id, "user_id", F_REQUIRED),
    FIELD_STR(struct registered, username, "username", F_REQUIRED, 1, 64),
    FIELD_UUID(struct registered, tenant_id, "tenant_id", F_REQUIRED),
    FIELD_STR(struct registered, tenant_slug, "tenant_slug", F_REQUIRED, 1, 63),
};
const struct schema oauth_register_schema = {
    .name = "oauth_registered", .size = sizeof(struct registered), SCHEMA_FIELDS(oauth_register_fields),
};
static const struct field auth_register_fields[] = {
    FIELD_UUID(struct registered, user_id, "id", F_REQUIRED),
    FIELD_STR(struct registered, email, "email", F_REQUIRED, 3, 254),
    FIELD_UUID(struct registered, tenant_id, "tenant_id", F_REQUIRED),
};
const struct schema auth_register_schema = {
    .name = "auth_registered", .size = sizeof(struct registered), SCHEMA_FIELDS(auth_register_fields),
};
/* clang-format on */

/* Nobody becomes more than a user by registering (C16). */
static enum err check_role(struct request *req, const char *role)
{
    if (role == NULL || strcmp(role, "user") == 0)
        return ERR_OK;
    if (strcmp(role, "admin") == 0 || strcmp(role, "owner") == 0)
        return fail(&req->ctx, ERR_ROLE_NOT_GRANTED, "role",
                    "The role \"%s\" cannot be chosen at registration.", role);
    return fail(&req->ctx, ERR_VALIDATION, "role", "role must be one of: user, admin, owner.");
}

/* A key may always make users: it is its owner's. */
static enum err check_open(struct request *req)
{
    const bool by_key =
        (req->route->auth & AUTH_KEY) != 0 && req->ctx.who.credential == CREDENTIAL_KEY;

    return by_key ? ERR_OK : tenant_check_registration(&req->ctx);
}

static enum err create_user(struct request *req, struct user *ret_user)
{
    struct register_input in;

    TRY(check_open(req));
    TRY(request_input(req, &in));
    TRY(check_role(req, in.role));
    return sign_up(&req->ctx,
                   &(struct new_user){.username = in.username,
                                      .email = in.email,
                                      .name = in.name,
                                      .password = in.password,
                                      .custom_fields = in.custom_fields,
                                      .role = ROLE_USER},
                   ret_user);
}

/* The routes' output schemas choose the members. */
static enum err answer(struct request *req, struct response *res, void *arg)
{
    const struct user *user = arg;
    const struct registered answer = {
        .message = "User registered successfully",
        .user_id = user->id,
        .username = user->username,
        .email = user->email,
        .tenant_id = req->ctx.tenant_id,
        .tenant_slug = req->ctx.tenant->slug,
    };

    return respond(req, res, 201, &answer);
}

static enum err register_and_respond(struct request *req, struct response *res)
{
    struct user user;

    respond_within(req, res, answer, &user);
    return create_user(req, &user);
}

enum err handle_api_register(struct request *req, struct response *res)
{
    return register_and_respond(req, res);
}

enum err handle_oauth_register(struct request *req, struct response *res)
{
    return register_and_respond(req, res);
}

enum err handle_auth_register(struct request *req, struct response *res)
{
    return register_and_respond(req, res);
}

/* The grant belongs to the transaction that makes the user: never a user without the tokens that
 * were promised. */
static enum err answer_with_tokens(struct request *req, struct response *res, void *arg)
{
    const struct user *user = arg;
    struct token_pair pair;

    TRY(grant_open(&req->ctx, user, NULL, false, &pair));
    return respond(req, res, 201, &pair);
}

/* 003: signing up answers with tokens at once. */
enum err handle_client_signup(struct request *req, struct response *res)
{
    struct user user;

    respond_within(req, res, answer_with_tokens, &user);
    return create_user(req, &user);
}
