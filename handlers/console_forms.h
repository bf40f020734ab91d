/* What the forms of the console send. Field tables only; texts are checked by the models. */
#pragma once

#include "app/schema.h"

#define CONSOLE_SCHEMA_MAX (128 * 1024) /* a schema with the blanks that make it readable */

/* Custom fields of users are read by the form that the schema makes (handlers/pages_schema.h). */
struct user_new_form {
    const char *form_token;
    const char *username, *email, *name, *password;
    const char *role;
};

struct user_edit_form {
    const char *form_token;
    const char *part; /* "json": custom_fields replace all; else the rest */
    const char *username, *email, *name;
    const char *custom_fields;
    const char *version; /* of the user that the form showed */
};

/* One of the single steps of a user's page. */
struct user_step_form {
    const char *form_token;
    const char *role;    /* of /role */
    const char *active;  /* of /active: "true" or "false" */
    const char *confirm; /* of /delete: the name, typed */
};

/* The settings themselves are read from the form by their own names. */
struct settings_form {
    const char *form_token;
    const char *version; /* of the tenant that the form showed */
};

/* Scopes come as boxes named "scope:<name>". */
struct key_form {
    const char *form_token;
    const char *once; /* of a new key: the id that it will have */
    const char *label;
    const char *expires; /* a day */
    const char *overlap; /* of /rotate: seconds */
};

/* Of an application, new or changed. Lists have an entry a line. */
struct client_form {
    const char *form_token;
    const char *once;    /* of a new one: the client id that it will have */
    const char *version; /* of a changed one: of the client that the form showed */
    const char *name, *kind;
    const char *redirect_uris, *post_logout_redirect_uris, *backchannel_logout_uri;
    const char *scope;
    const char *first_party; /* a box */
};

/* One of the single steps of an application's page. */
struct client_step_form {
    const char *form_token;
    const char *version; /* of /rotate */
    const char *overlap; /* of /rotate: seconds */
    const char *confirm; /* of /delete: the name, typed */
};

/* Of the schema of custom fields: its text, and one field without JSON. */
struct fields_form {
    const char *form_token;
    const char *step;    /* "put", "remove": the field; "try", "publish": the schema */
    const char *version; /* of the schema that the form showed */
    const char *schema;
    const char *name, *title, *description, *kind, *values, *required, *unique, *index, *read,
        *write;
};

extern const struct schema fields_form_schema;
extern const struct schema user_new_form_schema;
extern const struct schema user_edit_form_schema;
extern const struct schema user_step_form_schema;
extern const struct schema settings_form_schema;
extern const struct schema key_form_schema;
extern const struct schema client_form_schema;
extern const struct schema client_step_form_schema;
