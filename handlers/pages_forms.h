/* What the forms of the pages send, and the JSON that `/` answers to programs. Field tables only.
 */
#pragma once

#include "app/schema.h"

/* Every form carries a token bound to tenant, use and session (api.md §11). Typed text is checked
 * by the models: the tables here only bound it, so that one page words all refusals. */
struct token_form {
    const char *form_token;
};

struct login_form {
    const char *form_token;
    const char *ticket;   /* pages_ticket.h */
    const char *next;     /* pages_next.h */
    const char *username; /* or an e-mail address */
    const char *password;
};

/* Custom fields are read by the form that the tenant's schema makes (handlers/pages_schema.h). */
struct register_form {
    const char *form_token;
    const char *ticket;
    const char *next;
    const char *username;
    const char *email;
    const char *password;
};

/* One form for the name and simple fields, another for all custom fields as JSON: part says which.
 * Simple fields come as members "field:<name>", read from the form itself. */
struct profile_form {
    const char *form_token;
    const char *part; /* "profile" or "json" */
    const char *name;
    const char *custom_fields;
    const char *version; /* of the user that the JSON form showed */
};

struct password_form {
    const char *form_token;
    const char *current_password;
    const char *new_password;
};

struct close_form {
    const char *form_token;
    const char *current_password;
};

struct session_form {
    const char *form_token;
    const char *session; /* id of the sign-in to end */
};

struct consent_form {
    const char *form_token;
    const char *client;
};

extern const struct schema token_form_schema;
extern const struct schema login_form_schema;
extern const struct schema register_form_schema;
extern const struct schema profile_form_schema;
extern const struct schema password_form_schema;
extern const struct schema consent_form_schema;
extern const struct schema session_form_schema;
extern const struct schema close_form_schema;

struct service_endpoints {
    const char *health, *openapi, *docs;
    const char *tenants_register, *tenants_info, *tenants_list;
    const char *oauth_register, *oauth_login;
    const char *auth_register, *auth_login, *auth_refresh;
};

/* 004's answer at `/`: its members keep their names. */
struct service_info {
    const char *message;
    const char *version;
    const char *auth_type;
    bool multi_tenant;
    struct service_endpoints endpoints;
};

extern const struct schema service_info_schema;
