/* The settings of a tenant: their table, and the values in force. */
#include "models/tenant_rules.h"

#include "app/app.h"
#include "models/resource.h"
#include "models/tenant.h"
#include "models/tenant_origin.h"

#define MAX_ORIGINS 50

static const char *const email_verification_names[] = {NULL, "off", "optional", "required", NULL};
static const char *const mfa_names[] = {NULL, "off", "optional", "admins", "required", NULL};

/* clang-format off */
#define SETTING_INT(member, ...)  FIELD_INT_OPT(struct tenant_settings, member, has_##member, #member, F_PATCH | F_NULL_CLEARS, __VA_ARGS__)
#define SETTING_BOOL(member, flags, ...) FIELD_BOOL_OPT(struct tenant_settings, member, has_##member, #member, F_PATCH | F_NULL_CLEARS | (flags), __VA_ARGS__)
#define SETTING_ENUM(member, ...) FIELD_ENUM(struct tenant_settings, member, #member, F_PATCH | F_NULL_CLEARS, __VA_ARGS__)

static const struct field tenant_settings_fields[] = {
    SETTING_INT(access_token_ttl, 1, 86400, .doc = "Seconds an access token lives."),
    SETTING_INT(refresh_token_ttl, 1, 31536000, .doc = "Seconds a refresh token may rest unused."),
    SETTING_INT(refresh_token_max_ttl, 1, 31536000, .doc = "Seconds after which a login ends, however often refreshed."),
    SETTING_INT(id_token_ttl, 1, 3600, .doc = "Seconds an ID token is good for."),
    SETTING_INT(session_ttl, 1, 31536000, .doc = "Seconds a browser session lives."),
    SETTING_INT(refresh_grace, 0, 30, .doc = "Seconds in which a spent refresh token still gets its successor."),
    SETTING_ENUM(email_verification, email_verification_names, .doc = "\"required\" needs outgoing mail, which this version does not send."),
    FIELD_STRS(struct tenant_settings, allowed_origins, "allowed_origins", F_PATCH | F_NULL_CLEARS | F_ALWAYS | F_TRIM | F_LOWER, 8, 261, MAX_ORIGINS, .check = tenant_origin_check, .doc = "Origins whose pages may call this tenant's API: scheme, host and perhaps port."),
    FIELD_STRS(struct tenant_settings, resources, "resources", F_PATCH | F_NULL_CLEARS | F_ALWAYS | F_TRIM, 1, RESOURCE_BYTES, RESOURCES_SET, .check = resource_check, .doc = "Services beside this one that access tokens may be for (RFC 8707): absolute URIs without a fragment."),
    SETTING_BOOL(self_registration, 0, .doc = "Whether anybody may register; off: only access keys and administrators make users."),
    SETTING_BOOL(discoverable, F_NOT_STORED, .doc = "Whether the public list of tenants names this one."),
    SETTING_BOOL(require_access_key, 0, .doc = "Whether sign-up, login, refresh and logout under /api/v1/{cid} need an access key."),
    SETTING_BOOL(require_if_match, 0, .doc = "Whether changes of user documents and settings need If-Match."),
    SETTING_BOOL(require_pkce, 0, .doc = "Whether confidential OAuth clients need PKCE too; public ones always do."),
    SETTING_BOOL(users_may_register_clients, 0, .doc = "Whether users who are no administrators may register OAuth clients."),
    SETTING_INT(password_min_length, 8, 64, .doc = "Characters of a new password; not below the service's own."),
    SETTING_BOOL(password_blocklist, 0, .doc = "Whether common passwords and words of the tenant and the user are refused."),
    FIELD_DOC(struct tenant_settings, claims, "claims", F_PATCH | F_NULL_CLEARS | F_ALWAYS, .doc = "Further claims of UserInfo with the custom field that each comes from."),
    SETTING_ENUM(mfa, mfa_names, .doc = "Only \"off\": this version has no second factor."),
};
/* clang-format on */

const struct schema tenant_settings_schema = {
    .name = "tenant_settings",
    .size = sizeof(struct tenant_settings),
    SCHEMA_FIELDS(tenant_settings_fields),
};

void tenant_settings_in_force(const struct ctx *ctx, struct tenant_settings *ret_settings)
{
    const struct tenant_settings *set = &ctx->tenant->settings;

    *ret_settings = (struct tenant_settings){
        .access_token_ttl = tenant_access_ttl(ctx),
        .refresh_token_ttl = tenant_refresh_ttl(ctx),
        .refresh_token_max_ttl = tenant_refresh_max_ttl(ctx),
        .id_token_ttl = tenant_id_token_ttl(ctx),
        .session_ttl = tenant_session_ttl(ctx),
        .refresh_grace = tenant_refresh_grace(ctx, false),
        .password_min_length = tenant_password_min_length(ctx),
        .email_verification =
            set->email_verification != 0 ? set->email_verification : EMAIL_VERIFICATION_OFF,
        .mfa = set->mfa != 0 ? set->mfa : MFA_OFF,
        .allowed_origins = set->allowed_origins,
        .resources = set->resources,
        .claims = set->claims,
        .self_registration = tenant_allows_registration(ctx),
        .discoverable = ctx->tenant->discoverable,
        .require_access_key = tenant_requires_access_key(ctx),
        .require_if_match = tenant_requires_if_match(ctx),
        .password_blocklist = tenant_blocks_common_passwords(ctx),
        .require_pkce = tenant_requires_pkce(ctx),
        .users_may_register_clients = tenant_lets_users_register_clients(ctx),
        .has_access_token_ttl = true,
        .has_refresh_token_ttl = true,
        .has_refresh_token_max_ttl = true,
        .has_id_token_ttl = true,
        .has_session_ttl = true,
        .has_refresh_grace = true,
        .has_password_min_length = true,
        .has_self_registration = true,
        .has_discoverable = true,
        .has_require_access_key = true,
        .has_require_if_match = true,
        .has_password_blocklist = true,
        .has_require_pkce = true,
        .has_users_may_register_clients = true,
    };
}

bool tenant_allows_registration(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return !settings->has_self_registration || settings->self_registration;
}

enum err tenant_check_registration(struct ctx *ctx)
{
    if (tenant_allows_registration(ctx))
        return ERR_OK;
    return fail(ctx, ERR_REGISTRATION_CLOSED, NULL,
                "Registration is closed here: ask an administrator for an account.");
}

bool tenant_requires_access_key(const struct ctx *ctx)
{
    const struct tenant_settings *settings = &ctx->tenant->settings;

    return !settings->has_require_access_key || settings->require_access_key;
}

bool tenant_requires_if_match(const struct ctx *ctx)
{
    return ctx->tenant->settings.require_if_match;
}

bool tenant_requires_pkce(const struct ctx *ctx)
{
    return ctx->tenant->settings.require_pkce;
}

bool tenant_lets_users_register_clients(const struct ctx *ctx)
{
    return ctx->tenant->settings.users_may_register_clients;
}

int64_t tenant_password_min_length(const struct ctx *ctx)
{
    const int64_t least = app_config(ctx->app)->password.min_length;

    if (ctx->tenant == NULL || ctx->tenant->settings.password_min_length < least)
        return least;
    return ctx->tenant->settings.password_min_length;
}

bool tenant_blocks_common_passwords(const struct ctx *ctx)
{
    return ctx->tenant != NULL && ctx->tenant->settings.password_blocklist;
}
