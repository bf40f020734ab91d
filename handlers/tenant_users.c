/* Users of a tenant, for its administrators. What is allowed decides models/user_admin.h. */
#include "handlers/tenant_users.h"

#include "app/etag.h"
#include "app/routes.h"
#include "app/text.h"
#include "models/scope.h"
#include "models/tenant_rules.h"
#include "models/user_admin.h"
#include "models/user_fields.h"

struct user_patch_input {
    struct user_edit edit;
    /* These only stand here so that a patch of them is refused by name, or is read otherwise. */
    struct bytes custom_fields;
    struct uuid id;
    int64_t time, version;
};

struct role_input {
    int role;
};

struct user_answer {
    const char *message;
    struct user user;
};

/* clang-format off */
#define PATCHED_FIELDS \
    FIELD_STR(struct user_patch_input, edit.username, "username", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 64, .check = text_check_username), \
    FIELD_STR(struct user_patch_input, edit.email, "email", F_PATCH | F_TRIM | F_NULL_CLEARS, 3, 254, .check = text_check_email, .doc = "A new address is not verified; all sign-ins of the user end."), \
    FIELD_STR(struct user_patch_input, edit.name, "name", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 200, .check = text_check_name), \
    FIELD_BOOL_OPT(struct user_patch_input, edit.is_active, edit.has_is_active, "is_active", F_PATCH, .doc = "false ends all sign-ins; true takes back the deletion of a closed account."), \
    FIELD_DOC(struct user_patch_input, custom_fields, "custom_fields", F_PATCH | F_NULL_CLEARS, .doc = "Any JSON object within the limits."), \
    FIELD_UUID(struct user_patch_input, id, "id", F_READONLY), \
    FIELD_TIME(struct user_patch_input, time, "created_at", F_READONLY), \
    FIELD_TIME(struct user_patch_input, time, "updated_at", F_READONLY), \
    FIELD_TIME(struct user_patch_input, time, "last_login_at", F_READONLY), \
    FIELD_TIME(struct user_patch_input, time, "deletion_at", F_READONLY), \
    FIELD_INT(struct user_patch_input, version, "version", F_READONLY, 1, INT64_MAX)

static const struct field tenant_user_patch_fields[] = {
    PATCHED_FIELDS,
    FIELD_ENUM(struct user_patch_input, edit.role, "role", F_READONLY, role_names, .doc = "By PUT /tenants/users/{id}/role."),
    FIELD_BOOL_OPT(struct user_patch_input, edit.is_email_verified, edit.has_is_email_verified, "is_email_verified", F_READONLY),
};
const struct schema tenant_user_patch_schema = {
    .name = "tenant_user_patch", .size = sizeof(struct user_patch_input), SCHEMA_FIELDS(tenant_user_patch_fields),
};
static const struct field user_patch_fields[] = {
    PATCHED_FIELDS,
    FIELD_ENUM(struct user_patch_input, edit.role, "role", F_PATCH, role_names, .doc = "By owners, for others than themselves; all sign-ins of the user end."),
    FIELD_BOOL_OPT(struct user_patch_input, edit.is_email_verified, edit.has_is_email_verified, "is_email_verified", F_PATCH, .doc = "That the address was proven elsewhere, or has to be proven again."),
};
const struct schema user_patch_schema = {
    .name = "user_edit", .size = sizeof(struct user_patch_input), SCHEMA_FIELDS(user_patch_fields),
};
static const struct field role_fields[] = {
    FIELD_ENUM(struct role_input, role, "role", F_REQUIRED, role_names),
};
const struct schema tenant_user_role_schema = {
    .name = "tenant_user_role", .size = sizeof(struct role_input), SCHEMA_FIELDS(role_fields),
};
static const struct field user_answer_fields[] = {
    FIELD_STR(struct user_answer, message, "message", F_REQUIRED, 1, 200),
    FIELD_OBJECT(struct user_answer, user, "user", F_REQUIRED, &user_schema),
};
const struct schema tenant_user_answer_schema = {
    .name = "tenant_user_answer", .size = sizeof(struct user_answer), SCHEMA_FIELDS(user_answer_fields),
};
/* clang-format on */

/* The {id} of the path; what is no id names nobody. */
static enum err read_id(const struct request *req, struct uuid *ret_id)
{
    return uuid_parse(request_param(req, "id"), ret_id) ? ERR_OK : ERR_NOT_FOUND;
}

/* The version that the change is bound to, by If-Match; 0 when any will do. */
static enum err read_version(struct request *req, const struct uuid *id, int64_t *ret_version)
{
    struct user user = {0};

    *ret_version = 0;
    TRY(etag_demand(req, tenant_requires_if_match(&req->ctx)));
    if (request_header(req, "If-Match") == NULL)
        return ERR_OK;
    TRY(user_find(&req->ctx, id, &user));
    return etag_match(req, user.version, ret_version);
}

static enum err respond_user(struct request *req, struct response *res, const struct user *user)
{
    TRY(etag_set(req, res, user->version));
    return respond(req, res, 200, user);
}

static enum err head_created(struct request *req, struct response *res, const char *list,
                             const struct user *user)
{
    char id[UUID_TEXT_SIZE];

    uuid_text(&user->id, id);

    const char *location = arena_printf(req->ctx.arena, "%s/%s", list, id);

    if (location == NULL)
        return ERR_MEMORY;
    response_header(res, "Location", location);
    return etag_set(req, res, user->version);
}

static enum err answer_created(struct request *req, struct response *res, void *arg)
{
    const struct user_answer *answer = arg;

    TRY(head_created(req, res, "/tenants/users", &answer->user));
    return respond(req, res, 201, answer);
}

static enum err answer_user(struct request *req, struct response *res, void *arg)
{
    const struct user *user = arg;

    TRY(head_created(req, res, "/users", user));
    return respond(req, res, 201, user);
}

/* A key is trusted with hashes only by a scope of its own: whoever sets one chooses a password. */
static enum err check_hash(struct ctx *ctx, const struct user_input *in)
{
    if (in->password_hash == NULL || ctx->who.credential != CREDENTIAL_KEY ||
        scope_has(ctx->who.scope, "users:hashes"))
        return ERR_OK;
    return fail(ctx, ERR_SCOPE, "password_hash",
                "A password_hash needs the scope \"users:hashes\".");
}

static enum err create(struct request *req, struct user *ret_user)
{
    struct user_input in;

    TRY(request_input(req, &in));
    TRY(check_hash(&req->ctx, &in));
    return user_admin_create(
        &req->ctx,
        &(struct new_user){.username = in.username,
                           .email = in.email,
                           .name = in.name,
                           .password = in.password,
                           .password_hash = in.password_hash,
                           .custom_fields = in.custom_fields,
                           .role = in.role != ROLE_UNSET ? in.role : ROLE_USER},
        ret_user);
}

enum err handle_tenant_user_create(struct request *req, struct response *res)
{
    struct user_answer answer = {.message = "User created successfully"};

    respond_within(req, res, answer_created, &answer);
    return create(req, &answer.user);
}

enum err handle_user_create(struct request *req, struct response *res)
{
    struct user user = {0};

    respond_within(req, res, answer_user, &user);
    return create(req, &user);
}

enum err handle_tenant_user_get(struct request *req, struct response *res)
{
    struct user_fields fields;
    const char *wanted = NULL;
    struct user user = {0};
    struct uuid id;

    TRY(request_query(req, "fields", &wanted));
    TRY(user_fields_parse(&req->ctx, wanted, &fields));
    TRY(read_id(req, &id));
    TRY(user_find(&req->ctx, &id, &user));
    TRY(etag_set(req, res, user.version));
    if (etag_is_known(req, user.version))
        return respond_empty(res, 304);
    TRY(user_fields_apply(&req->ctx, &fields, &user));
    return respond(req, res, 200, &user);
}

enum err handle_tenant_user_patch(struct request *req, struct response *res)
{
    struct user_patch_input in = {.edit = {.version = 0}};
    struct user user = {0};
    struct uuid id;

    TRY(schema_decode(&req->ctx, req->route->in, req->input, DECODE_PATCH, &in));
    TRY(read_id(req, &id));
    in.edit.has_username = value_get(req->input, "username") != NULL;
    in.edit.has_email = value_get(req->input, "email") != NULL;
    in.edit.has_name = value_get(req->input, "name") != NULL;
    in.edit.custom_fields = value_get(req->input, "custom_fields");
    TRY(read_version(req, &id, &in.edit.version));
    TRY(user_admin_edit(&req->ctx, &id, &in.edit, &user));
    return respond_user(req, res, &user);
}

enum err handle_tenant_user_delete(struct request *req, struct response *res)
{
    int64_t version = 0;
    struct uuid id;

    TRY(read_id(req, &id));
    TRY(read_version(req, &id, &version));
    TRY(user_admin_delete(&req->ctx, &id, version));
    return respond_empty(res, 204);
}

enum err handle_tenant_user_role(struct request *req, struct response *res)
{
    struct user_answer answer = {.message = "User role updated successfully"};
    struct role_input in;
    int64_t version = 0;
    struct uuid id;

    TRY(request_input(req, &in));
    TRY(read_id(req, &id));
    TRY(read_version(req, &id, &version));
    TRY(user_admin_set_role(&req->ctx, &id, (enum role)in.role, version, &answer.user));
    TRY(etag_set(req, res, answer.user.version));
    return respond(req, res, 200, &answer);
}

enum err handle_tenant_user_end_sessions(struct request *req, struct response *res)
{
    struct uuid id;

    TRY(read_id(req, &id));
    TRY(user_admin_end_sessions(&req->ctx, &id));
    return respond_empty(res, 204);
}
