/* POST /tenants/register: a tenant and its owner in one step. */
#include <string.h>

#include "app/app.h"
#include "app/password.h"
#include "app/router.h"
#include "app/text.h"
#include "handlers/tenants.h"
#include "models/tenant.h"

struct tenant_register_input {
    const char *tenant_name;
    const char *tenant_slug;
    const char *admin_username;
    const char *admin_email;
    const char *admin_password;
    int plan;
    const char *domain;
    const char *industry;
};

struct registered_tenant {
    struct uuid id;
    const char *name, *slug, *domain;
    int plan;
};

struct registered_admin {
    struct uuid id;
    const char *username, *email, *role;
};

struct access_info {
    const char *subdomain, *header, *path;
};

struct tenant_registered {
    const char *message;
    struct registered_tenant tenant;
    struct registered_admin admin;
    struct access_info access_info;
};

/* clang-format off */
static const struct field tenant_register_input_fields[] = {
    FIELD_STR(struct tenant_register_input, tenant_name, "tenant_name", F_REQUIRED | F_TRIM, 1, 200, .check = text_check_name, .example = "Acme Corporation"),
    FIELD_STR(struct tenant_register_input, tenant_slug, "tenant_slug", F_REQUIRED | F_TRIM | F_LOWER, 1, 63, .check = text_check_slug, .example = "acme"),
    FIELD_STR(struct tenant_register_input, admin_username, "admin_username", F_REQUIRED | F_TRIM, 1, 64, .check = text_check_username),
    FIELD_STR(struct tenant_register_input, admin_email, "admin_email", F_REQUIRED | F_TRIM, 3, 254, .check = text_check_email),
    FIELD_STR(struct tenant_register_input, admin_password, "admin_password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
    FIELD_ENUM(struct tenant_register_input, plan, "plan", F_NONE, plan_names),
    FIELD_STR(struct tenant_register_input, domain, "domain", F_TRIM | F_LOWER, 1, 253, .check = text_check_domain, .doc = "Pending until verified."),
    FIELD_STR(struct tenant_register_input, industry, "industry", F_TRIM, 1, 64, .check = text_check_name),
};
const struct schema tenant_register_input_schema = {
    .name = "tenant_register_input", .size = sizeof(struct tenant_register_input), SCHEMA_FIELDS(tenant_register_input_fields),
};

static const struct field registered_tenant_fields[] = {
    FIELD_UUID(struct registered_tenant, id, "id", F_REQUIRED),
    FIELD_STR(struct registered_tenant, name, "name", F_REQUIRED, 1, 200),
    FIELD_STR(struct registered_tenant, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct registered_tenant, domain, "domain", F_ALWAYS, 1, 253),
    FIELD_ENUM(struct registered_tenant, plan, "plan", F_REQUIRED, plan_names),
};
static const struct schema registered_tenant_schema = {
    .name = "registered_tenant", .size = sizeof(struct registered_tenant), SCHEMA_FIELDS(registered_tenant_fields),
};
static const struct field registered_admin_fields[] = {
    FIELD_UUID(struct registered_admin, id, "id", F_REQUIRED),
    FIELD_STR(struct registered_admin, username, "username", F_REQUIRED, 1, 64),
    FIELD_STR(struct registered_admin, email, "email", F_REQUIRED, 3, 254),
    FIELD_STR(struct registered_admin, role, "role", F_REQUIRED, 1, 16, .example = "owner"),
};
static const struct schema registered_admin_schema = {
    .name = "registered_admin", .size = sizeof(struct registered_admin), SCHEMA_FIELDS(registered_admin_fields),
};
static const struct field access_info_fields[] = {
    FIELD_STR(struct access_info, subdomain, "subdomain", F_REQUIRED, 1, 512, .doc = "URL of the tenant by host."),
    FIELD_STR(struct access_info, header, "header", F_REQUIRED, 1, 128, .example = "X-Tenant-Slug: acme"),
    FIELD_STR(struct access_info, path, "path", F_REQUIRED, 1, 512, .doc = "URL of the tenant by path."),
};
static const struct schema access_info_schema = {
    .name = "access_info", .size = sizeof(struct access_info), SCHEMA_FIELDS(access_info_fields),
};
static const struct field tenant_registered_fields[] = {
    FIELD_STR(struct tenant_registered, message, "message", F_REQUIRED, 1, 200),
    FIELD_OBJECT(struct tenant_registered, tenant, "tenant", F_REQUIRED, &registered_tenant_schema),
    FIELD_OBJECT(struct tenant_registered, admin, "admin", F_REQUIRED, &registered_admin_schema),
    FIELD_OBJECT(struct tenant_registered, access_info, "access_info", F_REQUIRED, &access_info_schema),
};
const struct schema tenant_registered_schema = {
    .name = "tenant_registered", .size = sizeof(struct tenant_registered), SCHEMA_FIELDS(tenant_registered_fields),
};
/* clang-format on */

static enum err check_plan(struct request *req, int plan)
{
    const struct strs *allowed = &app_config(req->ctx.app)->tenants.self_service_plans;

    if (req->ctx.who.credential == CREDENTIAL_PLATFORM)
        return ERR_OK;
    if (strs_has(allowed, plan_names[plan]))
        return ERR_OK;
    return fail(&req->ctx, ERR_PLAN_NOT_SELF, "plan",
                "The plan \"%s\" cannot be chosen at registration; \"free\" can.",
                plan_names[plan]);
}

/* base itself, or a name below it. */
static bool is_at_or_below(const char *domain, const char *base, size_t base_length)
{
    const size_t length = strlen(domain);

    return length >= base_length &&
           strncmp(domain + length - base_length, base, base_length) == 0 &&
           (length == base_length || domain[length - base_length - 1] == '.');
}

static bool is_ours(const struct config *config, const char *domain)
{
    const char *host = strstr(config->server.public_url, "://");

    host = host != NULL ? host + 3 : config->server.public_url;
    for (size_t i = 0; i < config->tenants.base_domains.count; i++) {
        const char *base = config->tenants.base_domains.items[i];

        if (is_at_or_below(domain, base, strlen(base)))
            return true;
    }
    return is_at_or_below(domain, host, strcspn(host, ":/"));
}

/* A domain under one of ours would let its owner answer for other tenants. */
static enum err check_domain(struct request *req, const char *domain)
{
    if (domain == NULL)
        return ERR_OK;
    if (is_ours(app_config(req->ctx.app), domain))
        return fail(&req->ctx, ERR_DOMAIN_NOT_ALLOWED, "domain",
                    "%s belongs to this service; name a domain of your own.", domain);

    const struct tenant *holder = NULL;
    const enum err held = tenant_get_by_domain(&req->ctx, domain, &holder);

    if (held == ERR_OK)
        return fail(&req->ctx, ERR_DOMAIN_TAKEN, "domain", "%s is another tenant's.", domain);
    fail_clear(&req->ctx);
    return held == ERR_TENANT_NOT_FOUND ? ERR_OK : held;
}

/* Asked before the password is hashed: what is refused here costs the address no budget of its own,
 * so it must be cheap. The unique index decides. */
static enum err check_slug_is_free(struct request *req, const char *slug)
{
    const struct tenant *holder = NULL;
    const enum err held = tenant_get_by_slug(&req->ctx, slug, &holder);

    if (held == ERR_OK)
        return fail(&req->ctx, ERR_SLUG_TAKEN, "tenant_slug", "The slug \"%s\" is taken.", slug);
    fail_clear(&req->ctx);
    return held == ERR_TENANT_NOT_FOUND ? ERR_OK : held;
}

static enum err check(struct request *req, const struct tenant_register_input *in)
{
    TRY(tenant_check_creation(&req->ctx));
    if (router_is_reserved_slug(in->tenant_slug))
        return fail(&req->ctx, ERR_SLUG_RESERVED, "tenant_slug",
                    "The slug \"%s\" is reserved; choose another.", in->tenant_slug);
    TRY(check_plan(req, in->plan));
    return check_domain(req, in->domain);
}

/* How clients reach the new tenant, in the three ways of document 004. */
static enum err describe_access(struct request *req, const char *slug, struct access_info *ret_info)
{
    const struct config *config = app_config(req->ctx.app);
    const char *url = config->server.public_url, *scheme_end = strstr(url, "://");
    const size_t scheme = scheme_end != NULL ? (size_t)(scheme_end - url) + 3 : 0;
    const char *port = scheme_end != NULL ? strchr(url + scheme, ':') : NULL;

    ret_info->subdomain =
        arena_printf(req->ctx.arena, "%.*s%s.%s%s", (int)scheme, url, slug,
                     config->tenants.base_domains.items[0], port != NULL ? port : "");
    ret_info->header = arena_printf(req->ctx.arena, "X-Tenant-Slug: %s", slug);
    ret_info->path = arena_printf(req->ctx.arena, "%s/t/%s", url, slug);
    return ret_info->subdomain != NULL && ret_info->header != NULL && ret_info->path != NULL
               ? ERR_OK
               : ERR_MEMORY;
}

struct registering {
    struct tenant_register_input in;
    struct created_tenant created;
};

static enum err answer(struct request *req, struct response *res, void *arg)
{
    const struct registering *registering = arg;
    const struct tenant_register_input *in = &registering->in;
    const struct created_tenant *created = &registering->created;
    struct tenant_registered answer = {
        .message = "Tenant registered successfully",
        .tenant = {.id = created->tenant.id,
                   .name = created->tenant.name,
                   .slug = created->tenant.slug,
                   .domain = in->domain,
                   .plan = created->tenant.plan},
        .admin = {.id = created->owner_id,
                  .username = in->admin_username,
                  .email = in->admin_email,
                  .role = "owner"},
    };

    TRY(describe_access(req, in->tenant_slug, &answer.access_info));
    return respond(req, res, 201, &answer);
}

enum err handle_tenant_register(struct request *req, struct response *res)
{
    struct registering registering = {0};
    struct tenant_register_input *in = &registering.in;
    const char *password = NULL, *hash = NULL;

    TRY(request_input(req, in));
    if (in->plan == PLAN_UNSET)
        in->plan = PLAN_FREE;
    TRY(check(req, in));
    TRY(password_prepare(&req->ctx, "admin_password", in->admin_password,
                         app_config(req->ctx.app)->password.min_length, &password));
    TRY(check_slug_is_free(req, in->tenant_slug));
    TRY(password_hash(&req->ctx, password, &hash));
    respond_within(req, res, answer, &registering);
    return tenant_create(&req->ctx,
                         &(struct new_tenant){.slug = in->tenant_slug,
                                              .name = in->tenant_name,
                                              .industry = in->industry,
                                              .domain = in->domain,
                                              .plan = in->plan,
                                              .owner_username = in->admin_username,
                                              .owner_email = in->admin_email,
                                              .owner_password_hash = hash},
                         &registering.created);
}
