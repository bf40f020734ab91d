/* POST /admin/tenants: the same path as registration, without its limits. */
#include "app/app.h"
#include "app/password.h"
#include "app/router.h"
#include "handlers/admin.h"
#include "handlers/admin_tenants.h"

struct admin_tenant_created {
    struct admin_tenant tenant;
    struct uuid owner_id;
    const char *access_key;
};

/* clang-format off */
static const struct field admin_tenant_created_fields[] = {
    FIELD_OBJECT(struct admin_tenant_created, tenant, "tenant", F_REQUIRED, &admin_tenant_schema),
    FIELD_UUID(struct admin_tenant_created, owner_id, "owner_id", F_NONE),
    FIELD_STR(struct admin_tenant_created, access_key, "access_key", F_NONE, 1, 256, .doc = "Shown once."),
};
const struct schema admin_tenant_created_schema = {
    .name = "admin_tenant_created", .size = sizeof(struct admin_tenant_created), SCHEMA_FIELDS(admin_tenant_created_fields),
};
/* clang-format on */

static enum err check(struct request *req, const struct admin_tenant_input *in)
{
    const bool named = in->owner_username != NULL || in->owner_email != NULL;

    if (in->slug != NULL && router_is_reserved_slug(in->slug))
        return fail(&req->ctx, ERR_SLUG_RESERVED, "slug",
                    "The slug \"%s\" is reserved; choose another.", in->slug);
    if (named && in->owner_password == NULL)
        return fail(&req->ctx, ERR_VALIDATION, "owner_password",
                    "Missing: owner_password. An owner needs a name or address and a password; "
                    "leave all out for a tenant without users.");
    if (!named && in->owner_password != NULL)
        return fail(&req->ctx, ERR_VALIDATION, "owner_email",
                    "Missing: owner_email or owner_username beside owner_password.");
    return ERR_OK;
}

static enum err hash_password(struct request *req, const struct admin_tenant_input *in,
                              const char **ret_hash)
{
    const char *password = NULL;

    if (in->owner_password == NULL)
        return ERR_OK;
    TRY(password_prepare(&req->ctx, "owner_password", in->owner_password,
                         app_config(req->ctx.app)->password.min_length, &password));
    return password_hash(&req->ctx, password, ret_hash);
}

enum err handle_admin_tenant_create(struct request *req, struct response *res)
{
    struct admin_tenant_input in;
    struct created_tenant created = {0};
    const char *hash = NULL;

    TRY(request_input(req, &in));
    TRY(check(req, &in));
    TRY(hash_password(req, &in, &hash));

    const struct new_tenant wanted = {
        .slug = in.slug,
        .is_reserved = router_is_reserved_slug,
        .name = in.name,
        .industry = in.industry,
        .plan = in.plan != PLAN_UNSET ? in.plan : PLAN_FREE,
        .limits = in.limits,
        .owner_username = in.owner_username,
        .owner_email = in.owner_email,
        .owner_password_hash = hash,
        .with_key = in.with_key,
    };

    TRY(tenant_create(&req->ctx, &wanted, &created));

    const bool has_owner = !uuid_is_zero(&created.owner_id);
    const struct admin_tenant_created answer = {
        .tenant = admin_tenant_of(req->ctx.app, &created.tenant, has_owner ? 1 : 0),
        .owner_id = created.owner_id,
        .access_key = created.access_key,
    };

    return respond(req, res, 201, &answer);
}
