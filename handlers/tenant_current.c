/* GET, PATCH, DELETE /tenants/current. */
#include "handlers/tenants.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/cookies.h"
#include "app/etag.h"
#include "models/fresh_login.h"
#include "models/tenant.h"
#include "models/tenant_life.h"

struct tenant_delete_input {
    const char *confirm;
};

struct tenant_deletion {
    const char *message;
    int64_t deletion_at;
};

/* clang-format off */
static const struct field tenant_current_fields[] = {
    FIELD_UUID(struct tenant, id, "id", F_REQUIRED),
    FIELD_STR(struct tenant, slug, "slug", F_REQUIRED, 1, 63),
    FIELD_STR(struct tenant, name, "name", F_REQUIRED, 1, 200),
    FIELD_STR(struct tenant, industry, "industry", F_ALWAYS, 1, 64),
    FIELD_STR(struct tenant, domain, "domain", F_ALWAYS, 1, 253),
    FIELD_ENUM(struct tenant, plan, "plan", F_REQUIRED, plan_names),
    FIELD_BOOL(struct tenant, discoverable, "discoverable", F_REQUIRED, .doc = "Whether the public list of tenants names it."),
    FIELD_TIME(struct tenant, created_at, "created_at", F_REQUIRED),
    FIELD_INT(struct tenant, version, "version", F_REQUIRED, 1, INT64_MAX),
};
const struct schema tenant_current_schema = {
    .name = "tenant_current", .size = sizeof(struct tenant), SCHEMA_FIELDS(tenant_current_fields),
};
static const struct field tenant_delete_input_fields[] = {
    FIELD_STR(struct tenant_delete_input, confirm, "confirm", F_REQUIRED, 1, 63, .doc = "The slug of the tenant."),
};
const struct schema tenant_delete_input_schema = {
    .name = "tenant_delete_input", .size = sizeof(struct tenant_delete_input), SCHEMA_FIELDS(tenant_delete_input_fields),
};
static const struct field tenant_deletion_fields[] = {
    FIELD_STR(struct tenant_deletion, message, "message", F_REQUIRED, 1, 400),
    FIELD_TIME(struct tenant_deletion, deletion_at, "deletion_at", F_REQUIRED, .doc = "When everything is removed; until then the platform's administrator can restore it."),
};
const struct schema tenant_deletion_schema = {
    .name = "tenant_deletion", .size = sizeof(struct tenant_deletion), SCHEMA_FIELDS(tenant_deletion_fields),
};
/* clang-format on */

static enum err answer(struct request *req, struct response *res, const struct tenant *tenant)
{
    TRY(etag_set(req, res, tenant->version));
    return respond(req, res, 200, tenant);
}

enum err handle_tenant_current_get(struct request *req, struct response *res)
{
    return answer(req, res, req->ctx.tenant);
}

/* --- change --- */

/* The cached tenant may be a second old: only the document itself tells whether it is the one that
 * If-Match means. */
enum err tenant_expected_version(struct request *req, int64_t *ret_version)
{
    struct tenant *now;

    *ret_version = 0;
    if (request_header(req, "If-Match") == NULL)
        return ERR_OK;
    now = ARENA_NEW(req->ctx.arena, struct tenant);
    if (now == NULL)
        return ERR_MEMORY;
    TRY(tenant_find(&req->ctx, &req->ctx.tenant_id, now));
    return etag_match(req, now->version, ret_version);
}

enum err handle_tenant_current_patch(struct request *req, struct response *res)
{
    struct tenant *wanted = ARENA_NEW(req->ctx.arena, struct tenant);
    struct tenant *tenant = ARENA_NEW(req->ctx.arena, struct tenant);
    uint64_t mask = 0;
    int64_t version = 0;

    if (wanted == NULL || tenant == NULL)
        return ERR_MEMORY;
    TRY(etag_demand(req, tenant_requires_if_match(&req->ctx)));
    TRY(request_input(req, wanted));
    if (req->input != NULL)
        mask = schema_present(&tenant_schema, req->input);
    TRY(tenant_expected_version(req, &version));
    if (mask == 0)
        return answer(req, res, req->ctx.tenant);
    TRY(tenant_profile_update(&req->ctx, wanted, mask, version, tenant));
    return answer(req, res, tenant);
}

/* --- delete --- */

enum err handle_tenant_current_delete(struct request *req, struct response *res)
{
    struct tenant_delete_input in;
    struct tenant_deletion deletion;
    char when[TIME_TEXT_SIZE];

    TRY(request_input(req, &in));
    if (strcmp(in.confirm, req->ctx.tenant->slug) != 0)
        return fail(&req->ctx, ERR_VALIDATION, "confirm",
                    "confirm must be the slug of this tenant, \"%s\".", req->ctx.tenant->slug);
    TRY(fresh_login_demand(&req->ctx));
    TRY(tenant_schedule_deletion(&req->ctx, &deletion.deletion_at));
    TRY(caller_cookies_expire(req, res));
    time_text(deletion.deletion_at, when);
    deletion.message = arena_printf(
        req->ctx.arena,
        "This tenant answers nobody any more. Everything in it will be removed at %s; until then "
        "the administrator of the platform can restore it.",
        when);
    return deletion.message != NULL ? respond(req, res, 202, &deletion) : ERR_MEMORY;
}
