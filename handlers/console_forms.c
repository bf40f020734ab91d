/* Field tables of the console's forms. */
#include "handlers/console_forms.h"

#include "app/redirect_uri.h"
#include "app/text.h"
#include "models/oauth_client.h"

#define TOKEN_FIELD(T) FIELD_STR(T, form_token, "form_token", F_WRITE_ONLY, 0, 4096)

/* clang-format off */
static const struct field user_new_fields[] = {
    TOKEN_FIELD(struct user_new_form),
    FIELD_STR(struct user_new_form, username, "username", F_TRIM, 1, 64),
    FIELD_STR(struct user_new_form, email, "email", F_TRIM, 3, 254),
    FIELD_STR(struct user_new_form, name, "name", F_TRIM, 1, 200),
    FIELD_STR(struct user_new_form, password, "password", F_REQUIRED | F_WRITE_ONLY, 1, 1024),
    FIELD_STR(struct user_new_form, role, "role", F_NONE, 1, 16),
};
static const struct field user_edit_fields[] = {
    TOKEN_FIELD(struct user_edit_form),
    FIELD_STR(struct user_edit_form, part, "part", F_NONE, 1, 16),
    FIELD_STR(struct user_edit_form, custom_fields, "custom_fields", F_TRIM, 1, 65536),
    FIELD_STR(struct user_edit_form, username, "username", F_TRIM, 1, 64),
    FIELD_STR(struct user_edit_form, email, "email", F_TRIM, 3, 254),
    FIELD_STR(struct user_edit_form, name, "name", F_TRIM, 1, 200),
    FIELD_STR(struct user_edit_form, version, "version", F_NONE, 1, 20),
};
static const struct field user_step_fields[] = {
    TOKEN_FIELD(struct user_step_form),
    FIELD_STR(struct user_step_form, role, "role", F_NONE, 1, 16),
    FIELD_STR(struct user_step_form, active, "active", F_NONE, 1, 5),
    FIELD_STR(struct user_step_form, confirm, "confirm", F_TRIM, 1, 254),
};
static const struct field settings_fields[] = {
    TOKEN_FIELD(struct settings_form),
    FIELD_STR(struct settings_form, version, "version", F_NONE, 1, 20),
};
static const struct field key_fields[] = {
    TOKEN_FIELD(struct key_form),
    FIELD_STR(struct key_form, once, "once", F_NONE, 1, 36),
    FIELD_STR(struct key_form, label, "label", F_TRIM, 1, 100, .check = text_check_name),
    FIELD_STR(struct key_form, expires, "expires_at", F_TRIM, 1, 20),
    FIELD_STR(struct key_form, overlap, "overlap", F_NONE, 1, 10),
};
static const struct field client_form_fields[] = {
    TOKEN_FIELD(struct client_form),
    FIELD_STR(struct client_form, once, "once", F_NONE, 1, 63),
    FIELD_STR(struct client_form, version, "version", F_NONE, 1, 20),
    FIELD_STR(struct client_form, name, "client_name", F_TRIM, 1, 100, .check = text_check_name),
    FIELD_STR(struct client_form, kind, "kind", F_NONE, 1, 16),
    FIELD_STR(struct client_form, redirect_uris, "redirect_uris", F_NONE, 1, 65536),
    FIELD_STR(struct client_form, post_logout_redirect_uris, "post_logout_redirect_uris", F_NONE, 1, 65536),
    FIELD_STR(struct client_form, backchannel_logout_uri, "backchannel_logout_uri", F_TRIM, 1, REDIRECT_URI_MAX),
    FIELD_STR(struct client_form, scope, "scope", F_TRIM, 1, CLIENT_MAX_SCOPE),
    FIELD_STR(struct client_form, first_party, "first_party", F_NONE, 1, 8),
};
static const struct field client_step_fields[] = {
    TOKEN_FIELD(struct client_step_form),
    FIELD_STR(struct client_step_form, version, "version", F_NONE, 1, 20),
    FIELD_STR(struct client_step_form, overlap, "overlap", F_NONE, 1, 10),
    FIELD_STR(struct client_step_form, confirm, "confirm", F_TRIM, 1, 100),
};
static const struct field fields_fields[] = {
    TOKEN_FIELD(struct fields_form),
    FIELD_STR(struct fields_form, step, "step", F_NONE, 1, 16),
    FIELD_STR(struct fields_form, version, "version", F_NONE, 1, 20),
    FIELD_STR(struct fields_form, schema, "schema", F_TRIM, 1, CONSOLE_SCHEMA_MAX),
    FIELD_STR(struct fields_form, name, "name", F_TRIM, 1, 200),
    FIELD_STR(struct fields_form, title, "title", F_TRIM, 1, 200),
    FIELD_STR(struct fields_form, description, "description", F_TRIM, 1, 1000),
    FIELD_STR(struct fields_form, kind, "kind", F_NONE, 1, 16),
    FIELD_STR(struct fields_form, values, "values", F_NONE, 1, 16384),
    FIELD_STR(struct fields_form, required, "required", F_NONE, 1, 8),
    FIELD_STR(struct fields_form, unique, "unique", F_NONE, 1, 8),
    FIELD_STR(struct fields_form, index, "index", F_NONE, 1, 8),
    FIELD_STR(struct fields_form, read, "read", F_NONE, 1, 8),
    FIELD_STR(struct fields_form, write, "write", F_NONE, 1, 8),
};

const struct schema fields_form_schema = {.name = "fields_form", .size = sizeof(struct fields_form), SCHEMA_FIELDS(fields_fields)};
const struct schema user_new_form_schema = {.name = "user_new_form", .size = sizeof(struct user_new_form), SCHEMA_FIELDS(user_new_fields)};
const struct schema user_edit_form_schema = {.name = "user_edit_form", .size = sizeof(struct user_edit_form), SCHEMA_FIELDS(user_edit_fields)};
const struct schema user_step_form_schema = {.name = "user_step_form", .size = sizeof(struct user_step_form), SCHEMA_FIELDS(user_step_fields)};
const struct schema settings_form_schema = {.name = "settings_form", .size = sizeof(struct settings_form), SCHEMA_FIELDS(settings_fields)};
const struct schema key_form_schema = {.name = "key_form", .size = sizeof(struct key_form), SCHEMA_FIELDS(key_fields)};
const struct schema client_form_schema = {.name = "client_form", .size = sizeof(struct client_form), SCHEMA_FIELDS(client_form_fields)};
const struct schema client_step_form_schema = {.name = "client_step_form", .size = sizeof(struct client_step_form), SCHEMA_FIELDS(client_step_fields)};
/* clang-format on */
