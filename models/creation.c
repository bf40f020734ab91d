/* The tables of what callers say about something new. */
#include "models/creation.h"

#include "app/stored_hash.h"
#include "app/text.h"
#include "models/access_key_admin.h"
#include "models/user.h"

static const char *check_scope(const char *text)
{
    return access_key_is_scope(text)
               ? NULL
               : "must be one of auth, users:read, users:write, users:hashes, schema, audit:read";
}

/* clang-format off */
static const struct field admin_tenant_input_fields[] = {
    FIELD_STR(struct admin_tenant_input, name, "name", F_REQUIRED | F_TRIM, 1, 200, .check = text_check_name, .example = "Acme Corporation"),
    FIELD_STR(struct admin_tenant_input, slug, "slug", F_TRIM | F_LOWER, 1, 63, .check = text_check_slug, .doc = "Made from the name when absent."),
    FIELD_STR(struct admin_tenant_input, industry, "industry", F_TRIM, 1, 64, .check = text_check_name),
    FIELD_ENUM(struct admin_tenant_input, plan, "plan", F_NONE, plan_names),
    FIELD_OBJECT(struct admin_tenant_input, limits, "limits", F_NONE, &tenant_overrides_schema),
    FIELD_STR(struct admin_tenant_input, owner_username, "owner_username", F_TRIM, 1, 64, .check = text_check_username),
    FIELD_STR(struct admin_tenant_input, owner_email, "owner_email", F_TRIM, 3, 254, .check = text_check_email),
    FIELD_STR(struct admin_tenant_input, owner_password, "owner_password", F_WRITE_ONLY, 1, 1024),
    FIELD_BOOL(struct admin_tenant_input, with_key, "with_key", F_NONE, .doc = "Make an access key, too."),
};
const struct schema admin_tenant_input_schema = {
    .name = "admin_tenant_input", .size = sizeof(struct admin_tenant_input), SCHEMA_FIELDS(admin_tenant_input_fields),
};
static const struct field user_input_fields[] = {
    FIELD_STR(struct user_input, username, "username", F_TRIM, 1, 64, .check = text_check_username, .doc = "At least one of username and email."),
    FIELD_STR(struct user_input, email, "email", F_TRIM, 3, 254, .check = text_check_email),
    FIELD_STR(struct user_input, password, "password", F_WRITE_ONLY, 1, 1024, .doc = "Unless the hash of another system comes instead."),
    FIELD_STR(struct user_input, password_hash, "password_hash", F_WRITE_ONLY, 1, STORED_HASH_MAX, .check = stored_hash_problem, .doc = "What another system stored: bcrypt, Argon2, scrypt, PBKDF2 or SHA-crypt. Renewed by the first login."),
    FIELD_ENUM(struct user_input, role, "role", F_NONE, role_names, .doc = "Up to the caller's own; user when absent."),
    FIELD_STR(struct user_input, name, "name", F_TRIM, 1, 200, .check = text_check_name),
    FIELD_DOC(struct user_input, custom_fields, "custom_fields", F_NONE),
};
const struct schema tenant_user_input_schema = {
    .name = "tenant_user_input", .size = sizeof(struct user_input), SCHEMA_FIELDS(user_input_fields),
};
static const struct field access_key_input_fields[] = {
    FIELD_STR(struct access_key_input, label, "label", F_REQUIRED | F_TRIM, 1, 100, .check = text_check_name, .example = "billing service"),
    FIELD_STRS(struct access_key_input, scopes, "scopes", F_NONE, 1, 32, ACCESS_KEY_MAX_SCOPES, .check = check_scope, .doc = "Default: " ACCESS_KEY_DEFAULT_SCOPES "."),
    FIELD_TIME(struct access_key_input, expires_at, "expires_at", F_NONE, .doc = "Default: never."),
};
const struct schema access_key_input_schema = {
    .name = "access_key_input", .size = sizeof(struct access_key_input), SCHEMA_FIELDS(access_key_input_fields),
};
static const struct field admin_key_input_fields[] = {
    FIELD_STR(struct admin_key_input, label, "label", F_REQUIRED | F_TRIM, 1, 100, .check = text_check_name, .example = "deployment"),
    FIELD_TIME(struct admin_key_input, expires_at, "expires_at", F_NONE, .doc = "Absent: until it is revoked."),
};
const struct schema admin_key_input_schema = {
    .name = "platform_key_input", .size = sizeof(struct admin_key_input), SCHEMA_FIELDS(admin_key_input_fields),
};
/* clang-format on */
