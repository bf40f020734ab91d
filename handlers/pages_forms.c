/* Field tables of the page forms and of the service's self-description. */
#include "handlers/pages_forms.h"

#include "handlers/pages_next.h"

#define TOKEN_FIELD(T) FIELD_STR(T, form_token, "form_token", F_WRITE_ONLY, 0, 4096)

/* clang-format off */
static const struct field token_fields[] = {
    TOKEN_FIELD(struct token_form),
};

static const struct field login_fields[] = {
    TOKEN_FIELD(struct login_form),
    FIELD_STR(struct login_form, ticket, "ticket", F_NONE, 0, 64),
    FIELD_STR(struct login_form, next, "next", F_NONE, 0, PAGES_NEXT_MAX * 3),
    FIELD_STR(struct login_form, username, "username", F_REQUIRED | F_TRIM, 1, 254),
    FIELD_STR(struct login_form, password, "password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
};

static const struct field register_fields[] = {
    TOKEN_FIELD(struct register_form),
    FIELD_STR(struct register_form, ticket, "ticket", F_NONE, 0, 64),
    FIELD_STR(struct register_form, next, "next", F_NONE, 0, PAGES_NEXT_MAX * 3),
    FIELD_STR(struct register_form, username, "username", F_TRIM, 1, 64),
    FIELD_STR(struct register_form, email, "email", F_TRIM, 3, 254),
    FIELD_STR(struct register_form, password, "password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
};

static const struct field profile_fields[] = {
    TOKEN_FIELD(struct profile_form),
    FIELD_STR(struct profile_form, part, "part", F_NONE, 1, 16),
    FIELD_STR(struct profile_form, name, "name", F_TRIM, 1, 200),
    FIELD_STR(struct profile_form, custom_fields, "custom_fields", F_TRIM, 1, 65536),
    FIELD_STR(struct profile_form, version, "version", F_NONE, 1, 20),
};

static const struct field password_fields[] = {
    TOKEN_FIELD(struct password_form),
    FIELD_STR(struct password_form, current_password, "current_password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
    FIELD_STR(struct password_form, new_password, "new_password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
};

static const struct field close_fields[] = {
    TOKEN_FIELD(struct close_form),
    FIELD_STR(struct close_form, current_password, "current_password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
};

static const struct field session_fields[] = {
    TOKEN_FIELD(struct session_form),
    FIELD_STR(struct session_form, session, "session", F_NONE, 1, 64),
};

static const struct field consent_form_fields[] = {
    TOKEN_FIELD(struct consent_form),
    FIELD_STR(struct consent_form, client, "client", F_NONE, 1, 63),
};

static const struct field endpoint_fields[] = {
    FIELD_STR(struct service_endpoints, health, "health", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, openapi, "openapi", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, docs, "docs", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, tenants_register, "tenant_registration", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, tenants_info, "tenant_info", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, tenants_list, "tenant_list", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, oauth_register, "register", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, oauth_login, "login", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, auth_register, "auth_register", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, auth_login, "auth_login", F_REQUIRED, 1, 64),
    FIELD_STR(struct service_endpoints, auth_refresh, "auth_refresh", F_REQUIRED, 1, 64),
};

static const struct schema endpoints_schema = {
    .name = "service_endpoints", .size = sizeof(struct service_endpoints), SCHEMA_FIELDS(endpoint_fields)};

static const struct field service_info_fields[] = {
    FIELD_STR(struct service_info, message, "message", F_REQUIRED, 1, 200),
    FIELD_STR(struct service_info, version, "version", F_REQUIRED, 1, 32),
    FIELD_STR(struct service_info, auth_type, "auth_type", F_REQUIRED, 1, 32),
    FIELD_BOOL(struct service_info, multi_tenant, "multi_tenant", F_REQUIRED),
    FIELD_OBJECT(struct service_info, endpoints, "endpoints", F_REQUIRED, &endpoints_schema),
};

const struct schema token_form_schema = {.name = "token_form", .size = sizeof(struct token_form), SCHEMA_FIELDS(token_fields)};
const struct schema login_form_schema = {.name = "login_form", .size = sizeof(struct login_form), SCHEMA_FIELDS(login_fields)};
const struct schema register_form_schema = {.name = "register_form", .size = sizeof(struct register_form), SCHEMA_FIELDS(register_fields)};
const struct schema profile_form_schema = {.name = "profile_form", .size = sizeof(struct profile_form), SCHEMA_FIELDS(profile_fields)};
const struct schema password_form_schema = {.name = "password_form", .size = sizeof(struct password_form), SCHEMA_FIELDS(password_fields)};
const struct schema session_form_schema = {.name = "session_form", .size = sizeof(struct session_form), SCHEMA_FIELDS(session_fields)};
const struct schema consent_form_schema = {.name = "consent_form", .size = sizeof(struct consent_form), SCHEMA_FIELDS(consent_form_fields)};
const struct schema close_form_schema = {.name = "close_form", .size = sizeof(struct close_form), SCHEMA_FIELDS(close_fields)};
const struct schema service_info_schema = {.name = "service_info", .size = sizeof(struct service_info), SCHEMA_FIELDS(service_info_fields)};
/* clang-format on */
