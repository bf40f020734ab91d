/* GET and PUT /tenants/settings: partial, null gives a setting back to the configuration. */
#include "app/app.h"
#include "app/document.h"
#include "app/etag.h"
#include "handlers/tenants.h"
#include "models/claims.h"
#include "models/tenant.h"
#include "models/tenant_origin.h"

struct settings_answer {
    const char *message;
    struct tenant_settings settings;
    int plan;
    int64_t max_users;
};

struct settings_input {
    struct tenant_settings settings;
};

/* clang-format off */
static const struct field settings_input_fields[] = {
    FIELD_OBJECT(struct settings_input, settings, "settings", F_REQUIRED | F_PATCH, &tenant_settings_schema),
};
const struct schema settings_input_schema = {
    .name = "settings_input", .size = sizeof(struct settings_input), SCHEMA_FIELDS(settings_input_fields),
};
static const struct field settings_fields[] = {
    FIELD_STR(struct settings_answer, message, "message", F_NONE, 1, 200),
    FIELD_OBJECT(struct settings_answer, settings, "settings", F_REQUIRED, &tenant_settings_schema, .doc = "With the values in force."),
    FIELD_ENUM(struct settings_answer, plan, "plan", F_REQUIRED, plan_names),
    FIELD_INT(struct settings_answer, max_users, "max_users", F_REQUIRED, 0, INT64_MAX, .doc = "0 = unlimited."),
};
const struct schema settings_schema = {
    .name = "settings", .size = sizeof(struct settings_answer), SCHEMA_FIELDS(settings_fields),
};
/* clang-format on */

static enum err answer(struct request *req, struct response *res, const char *message)
{
    const struct ctx *ctx = &req->ctx;
    struct settings_answer answer = {
        .message = message,
        .plan = ctx->tenant->plan,
        .max_users = tenant_max_users(ctx),
    };

    tenant_settings_in_force(ctx, &answer.settings);
    return respond(req, res, 200, &answer);
}

enum err handle_settings_get(struct request *req, struct response *res)
{
    TRY(etag_set(req, res, req->ctx.tenant->version));
    return answer(req, res, NULL);
}

static enum err check_minimum(struct ctx *ctx, const char *name, bool given, int64_t seconds)
{
    if (!given || seconds >= 60 || app_is_development(ctx->app))
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, name, "%s must be at least 60 seconds.", name);
}

/* What nothing here could keep is not accepted. */
static enum err check_supported(struct ctx *ctx, const struct tenant_settings *s)
{
    if (s->email_verification == EMAIL_VERIFICATION_REQUIRED)
        return fail(ctx, ERR_VALIDATION, "email_verification",
                    "email_verification must be off or optional: \"required\" needs outgoing mail, "
                    "which this version does not send.");
    if (s->mfa != MFA_UNSET && s->mfa != MFA_OFF)
        return fail(ctx, ERR_VALIDATION, "mfa",
                    "mfa must be off: this version has no second factor.");
    return ERR_OK;
}

static enum err check_password(struct ctx *ctx, const struct tenant_settings *s)
{
    const int64_t least = app_config(ctx->app)->password.min_length;

    if (!s->has_password_min_length || s->password_min_length >= least)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "password_min_length",
                "password_min_length must be at least %lld, the service's own minimum.",
                (long long)least);
}

static enum err check(struct ctx *ctx, struct tenant_settings *s)
{
    TRY(check_supported(ctx, s));
    TRY(tenant_origins_settle(ctx, &s->allowed_origins));
    TRY(check_password(ctx, s));
    TRY(check_minimum(ctx, "access_token_ttl", s->has_access_token_ttl, s->access_token_ttl));
    TRY(check_minimum(ctx, "refresh_token_ttl", s->has_refresh_token_ttl, s->refresh_token_ttl));
    TRY(check_minimum(ctx, "refresh_token_max_ttl", s->has_refresh_token_max_ttl,
                      s->refresh_token_max_ttl));
    TRY(check_minimum(ctx, "id_token_ttl", s->has_id_token_ttl, s->id_token_ttl));
    return check_minimum(ctx, "session_ttl", s->has_session_ttl, s->session_ttl);
}

/* Replaced as a whole; the table only checks that it is an object. */
static enum err take_claims(struct ctx *ctx, const struct value *given,
                            struct tenant_settings *settings)
{
    const struct value *claims = value_get(given, "claims");

    if (claims == NULL || claims->type != VALUE_OBJECT)
        return ERR_OK;
    TRY(document_from_value(ctx, "claims", claims, &settings->claims));
    return claims_check_setting(ctx, &settings->claims);
}

enum err settings_apply(struct request *req, const struct value *given, int64_t version)
{
    struct tenant_settings settings = {0};
    struct tenant *tenant = ARENA_NEW(req->ctx.arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    TRY(schema_decode(&req->ctx, &tenant_settings_schema, given, DECODE_PATCH, &settings));
    TRY(take_claims(&req->ctx, given, &settings));
    TRY(check(&req->ctx, &settings));
    TRY(tenant_settings_update(&req->ctx, &settings, schema_present(&tenant_settings_schema, given),
                               version, tenant));
    ctx_set_tenant(&req->ctx, tenant, &tenant->id);
    return ERR_OK;
}

enum err handle_settings_put(struct request *req, struct response *res)
{
    const struct value *given = value_get(req->input, "settings");
    int64_t version = 0;

    if (given == NULL || given->type != VALUE_OBJECT)
        return fail(&req->ctx, ERR_VALIDATION, "settings", "Missing: settings, an object.");
    TRY(etag_demand(req, tenant_requires_if_match(&req->ctx)));
    TRY(tenant_expected_version(req, &version));
    TRY(settings_apply(req, given, version));
    TRY(etag_set(req, res, req->ctx.tenant->version));
    return answer(req, res, "Settings saved");
}
