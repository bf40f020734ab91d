/* The table of a line. */
#include "models/user_line.h"

#include "app/stored_hash.h"
#include "app/text.h"

/* clang-format off */
static const struct field user_line_fields[] = {
    FIELD_UUID(struct user_line, id, "id", F_NONE, .doc = "Kept when given; else a new one."),
    FIELD_STR(struct user_line, username, "username", F_TRIM, 1, 64, .check = text_check_username, .doc = "At least one of username and email."),
    FIELD_STR(struct user_line, email, "email", F_TRIM, 3, 254, .check = text_check_email),
    FIELD_STR(struct user_line, name, "name", F_TRIM, 1, 200, .check = text_check_name),
    FIELD_STR(struct user_line, password, "password", F_WRITE_ONLY, 1, 1024, .doc = "Without it and without password_hash the user cannot sign in with a password until one is set."),
    FIELD_STR(struct user_line, password_hash, "password_hash", F_NONE, 1, STORED_HASH_MAX, .check = stored_hash_problem, .doc = "What is stored; only for access keys with the scope users:hashes."),
    FIELD_ENUM(struct user_line, role, "role", F_NONE, role_names, .doc = "user when absent."),
    FIELD_BOOL_OPT(struct user_line, is_active, has_is_active, "is_active", F_NONE, .doc = "true when absent."),
    FIELD_BOOL_OPT(struct user_line, is_email_verified, has_is_email_verified, "is_email_verified", F_NONE, .doc = "false when absent."),
    FIELD_DOC(struct user_line, custom_fields, "custom_fields", F_ALWAYS),
    FIELD_TIME(struct user_line, created_at, "created_at", F_NONE, .doc = "Now when absent."),
    FIELD_TIME(struct user_line, updated_at, "updated_at", F_NONE, .doc = "created_at when absent."),
    FIELD_TIME(struct user_line, last_login_at, "last_login_at", F_NONE),
    FIELD_TIME(struct user_line, deletion_at, "deletion_at", F_NONE, .doc = "Only of a closed account: when it is removed."),
};
const struct schema user_line_schema = {
    .name = "user_line", .size = sizeof(struct user_line), SCHEMA_FIELDS(user_line_fields),
};
/* clang-format on */

struct user_line user_line_of(const struct user *user, bool with_hash)
{
    return (struct user_line){
        .id = user->id,
        .username = user->username,
        .email = user->email,
        .name = user->name,
        .password_hash = with_hash ? user->password_hash : NULL,
        .role = user->role,
        .is_active = user->is_active,
        .has_is_active = true,
        .is_email_verified = user->is_email_verified,
        .has_is_email_verified = true,
        .custom_fields = user->custom_fields,
        .created_at = user->created_at,
        .updated_at = user->updated_at,
        .last_login_at = user->last_login_at,
        .deletion_at = user->deletion_at,
    };
}
