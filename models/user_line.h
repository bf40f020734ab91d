/*
 * One user as a line of NDJSON: what an export writes and an import reads back. The table is the
 * format (docs/MIGRATION.md "Importing users"); what it does not hold, such as sessions, second
 * factors and the version, does not travel. Any thread.
 */
#pragma once

#include "app/schema.h"
#include "models/user.h"

struct user_line {
    struct uuid id;
    const char *username, *email, *name;
    const char *password;      /* in only */
    const char *password_hash; /* instead: what is stored, here or elsewhere */
    int role;
    bool is_active, has_is_active;
    bool is_email_verified, has_is_email_verified;
    struct bytes custom_fields;
    int64_t created_at, updated_at, last_login_at;
    int64_t deletion_at; /* of an account that its user closed */
};

extern const struct schema user_line_schema;

/* Borrows the user's strings. */
struct user_line user_line_of(const struct user *user, bool with_hash);
