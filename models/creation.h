/*
 * What callers say about something new, and the tables that check it: the routes of the API and the
 * commands decode by the same ones, so that both refuse the same with the same sentence. Tables
 * only.
 */
#pragma once

#include "app/schema.h"
#include "models/tenant.h"

struct admin_tenant_input {
    const char *name, *slug, *industry;
    int plan;
    struct tenant_overrides limits;
    const char *owner_username, *owner_email, *owner_password;
    bool with_key;
};

struct user_input {
    const char *username, *email, *name;
    const char *password, *password_hash; /* one of them */
    struct bytes custom_fields;
    int role;
};

struct access_key_input {
    const char *label;
    struct strs scopes;
    int64_t expires_at;
};

struct admin_key_input {
    const char *label;
    int64_t expires_at;
};

extern const struct schema admin_tenant_input_schema;
extern const struct schema tenant_user_input_schema;
extern const struct schema access_key_input_schema;
extern const struct schema admin_key_input_schema;
