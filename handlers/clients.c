/* Registering a client, its own document, and the rotation of its key. */
#include "handlers/clients.h"

#include "app/app.h"
#include "app/password.h"
#include "app/router.h"
#include "app/text.h"
#include "models/access_key_admin.h"
#include "models/tenant.h"

struct client_register_input {
    const char *client_name, *industry, *email, *password;
};

struct client_registered {
    struct uuid client_id;
    const char *slug, *access_key, *documentation_url;
};

struct client {
    struct uuid client_id;
    const char *client_name, *slug, *industry;
    int plan;
    int64_t created_at;
    const char *documentation_url;
};

struct client_key {
    struct uuid key_id;
    const char *access_key;
    struct strs scopes;
    const char *message;
};

/* clang-format off */
static const struct field client_register_input_fields[] = {
    FIELD_STR(struct client_register_input, client_name, "client_name", F_REQUIRED | F_TRIM, 1, 200, .check = text_check_name, .example = "AI Platform"),
    FIELD_STR(struct client_register_input, industry, "industry", F_REQUIRED | F_TRIM, 1, 64, .check = text_check_name, .example = "AI/ML"),
    FIELD_STR(struct client_register_input, email, "email", F_TRIM, 3, 254, .check = text_check_email, .doc = "With password: the owner's account."),
    FIELD_STR(struct client_register_input, password, "password", F_WRITE_ONLY, 1, 1024),
};
const struct schema client_register_input_schema = {
    .name = "client_register_input", .size = sizeof(struct client_register_input), SCHEMA_FIELDS(client_register_input_fields),
};
static const struct field client_registered_fields[] = {
    FIELD_UUID(struct client_registered, client_id, "client_id", F_REQUIRED),
    FIELD_STR(struct client_registered, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct client_registered, access_key, "access_key", F_REQUIRED, 1, 256, .doc = "Shown once."),
    FIELD_STR(struct client_registered, documentation_url, "documentation_url", F_REQUIRED, 1, 1024),
};
const struct schema client_registered_schema = {
    .name = "client_registered", .size = sizeof(struct client_registered), SCHEMA_FIELDS(client_registered_fields),
};
static const struct field client_fields[] = {
    FIELD_UUID(struct client, client_id, "client_id", F_REQUIRED),
    FIELD_STR(struct client, client_name, "client_name", F_REQUIRED, 1, 200),
    FIELD_STR(struct client, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct client, industry, "industry", F_ALWAYS, 1, 64),
    FIELD_ENUM(struct client, plan, "plan", F_REQUIRED, plan_names),
    FIELD_TIME(struct client, created_at, "created_at", F_REQUIRED),
    FIELD_STR(struct client, documentation_url, "documentation_url", F_REQUIRED, 1, 1024),
};
const struct schema client_schema = {
    .name = "client", .size = sizeof(struct client), SCHEMA_FIELDS(client_fields),
};
static const struct field client_key_fields[] = {
    FIELD_UUID(struct client_key, key_id, "key_id", F_REQUIRED),
    FIELD_STR(struct client_key, access_key, "access_key", F_REQUIRED, 1, 256, .doc = "Shown once; the old key has ended."),
    FIELD_STRS(struct client_key, scopes, "scopes", F_REQUIRED, 1, 32, 16),
    FIELD_STR(struct client_key, message, "message", F_REQUIRED, 1, 200),
};
const struct schema client_key_schema = {
    .name = "client_key", .size = sizeof(struct client_key), SCHEMA_FIELDS(client_key_fields),
};
/* clang-format on */

static const char *documentation_url(struct ctx *ctx, const struct uuid *tenant_id)
{
    char id[UUID_TEXT_SIZE];

    uuid_text(tenant_id, id);
    return arena_printf(ctx->arena, "%s/docs/%s", app_config(ctx->app)->server.public_url, id);
}

static enum err check(struct request *req, const struct client_register_input *in)
{
    TRY(tenant_check_creation(&req->ctx));
    if (in->email != NULL && in->password == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "password",
                    "Missing: password. An owner's account needs both email and password; leave "
                    "both out for a tenant with only a key.");
    if (in->password != NULL && in->email == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "email",
                    "Missing: email. An owner's account needs both email and password.");
    return ERR_OK;
}

static enum err answer_registered(struct request *req, struct response *res, void *arg)
{
    const struct created_tenant *created = arg;
    const struct client_registered answer = {
        .client_id = created->tenant.id,
        .slug = created->tenant.slug,
        .access_key = created->access_key,
        .documentation_url = documentation_url(&req->ctx, &created->tenant.id),
    };

    return answer.documentation_url != NULL ? respond(req, res, 201, &answer) : ERR_MEMORY;
}

enum err handle_client_register(struct request *req, struct response *res)
{
    struct client_register_input in;
    struct created_tenant created = {0};
    const char *password = NULL, *hash = NULL;

    TRY(request_input(req, &in));
    TRY(check(req, &in));
    if (in.password != NULL) {
        TRY(password_prepare(&req->ctx, "password", in.password,
                             app_config(req->ctx.app)->password.min_length, &password));
        TRY(password_hash(&req->ctx, password, &hash));
    }
    respond_within(req, res, answer_registered, &created);
    return tenant_create(&req->ctx,
                         &(struct new_tenant){.is_reserved = router_is_reserved_slug,
                                              .name = in.client_name,
                                              .industry = in.industry,
                                              .plan = PLAN_FREE,
                                              .owner_email = in.email,
                                              .owner_password_hash = hash,
                                              .with_key = true},
                         &created);
}

enum err handle_client_get(struct request *req, struct response *res)
{
    const struct tenant *tenant = req->ctx.tenant;
    const struct client answer = {
        .client_id = tenant->id,
        .client_name = tenant->name,
        .slug = tenant->slug,
        .industry = tenant->industry,
        .plan = tenant->plan,
        .created_at = tenant->created_at,
        .documentation_url = documentation_url(&req->ctx, &tenant->id),
    };

    return answer.documentation_url != NULL ? respond(req, res, 200, &answer) : ERR_MEMORY;
}

enum err handle_client_rotate_key(struct request *req, struct response *res)
{
    struct made_key made;
    const enum err rotated = access_key_rotate(&req->ctx, &req->ctx.who.key_id, 0, &made);

    TRY(rotated == ERR_NOT_FOUND ? ERR_BAD_KEY : rotated);

    const struct client_key answer = {
        .key_id = made.key.id,
        .access_key = made.text,
        .scopes = made.key.scopes,
        .message = "The old key has ended. Store the new one now: it is not shown again.",
    };

    return respond(req, res, 200, &answer);
}
