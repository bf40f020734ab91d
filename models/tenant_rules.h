/*
 * What a tenant decided for itself: its settings as they are stored, and the values in force (a
 * setting that is absent means the configuration's or the program's default). Read from the cached
 * tenant of the ctx: a change is in force on every instance within a second. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/ctx.h"
#include "app/schema.h"

enum email_verification {
    EMAIL_VERIFICATION_UNSET = 0,
    EMAIL_VERIFICATION_OFF,
    EMAIL_VERIFICATION_OPTIONAL,
    EMAIL_VERIFICATION_REQUIRED, /* needs outgoing mail: refused until there is some */
};

enum mfa_rule { MFA_UNSET = 0, MFA_OFF, MFA_OPTIONAL, MFA_ADMINS, MFA_REQUIRED };

/* All optional. */
struct tenant_settings {
    int64_t access_token_ttl, refresh_token_ttl, refresh_token_max_ttl, session_ttl, refresh_grace,
        password_min_length, id_token_ttl;
    bool has_access_token_ttl, has_refresh_token_ttl, has_refresh_token_max_ttl, has_session_ttl,
        has_refresh_grace, has_password_min_length, has_id_token_ttl;
    int email_verification; /* enum email_verification */
    int mfa;                /* enum mfa_rule */
    struct strs allowed_origins;
    struct strs resources;
    struct bytes claims; /* further claims from custom fields (models/claims.h) */
    bool self_registration, require_access_key, require_if_match, password_blocklist, discoverable,
        require_pkce, users_may_register_clients;
    bool has_self_registration, has_require_access_key, has_require_if_match,
        has_password_blocklist, has_discoverable, has_require_pkce, has_users_may_register_clients;
};

extern const struct schema tenant_settings_schema;

/* Every setting with the value in force. Lists are borrowed from the tenant. */
void tenant_settings_in_force(const struct ctx *ctx, struct tenant_settings *ret_settings);

/* Anybody may register an account; off: only access keys and administrators make users. */
bool tenant_allows_registration(const struct ctx *ctx);
/* ERR_REGISTRATION_CLOSED, with the sentence for those who wanted to register. */
CHECKED enum err tenant_check_registration(struct ctx *ctx);
/* /api/v1/{cid}/signup, login, refresh and logout need an access key (C33). */
bool tenant_requires_access_key(const struct ctx *ctx);
/* Changes of user documents and settings need If-Match (428 without). */
bool tenant_requires_if_match(const struct ctx *ctx);
/* Confidential OAuth clients need PKCE as public ones do. */
bool tenant_requires_pkce(const struct ctx *ctx);
/* Users below an administrator may register OAuth clients, within their own scopes. */
bool tenant_lets_users_register_clients(const struct ctx *ctx);
/* Code points; never below the configuration's. Without a tenant the configuration's. */
int64_t tenant_password_min_length(const struct ctx *ctx);
/* New passwords are checked against common ones and the words of tenant and user (PW-5). */
bool tenant_blocks_common_passwords(const struct ctx *ctx);
