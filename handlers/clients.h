/* Document 003: tenants ("clients") that talk with an access key. */
#pragma once

#include "app/http.h"

extern const struct schema client_register_input_schema;
extern const struct schema client_registered_schema;
extern const struct schema client_schema;
extern const struct schema client_key_schema;
extern const struct schema client_users_schema;

enum err handle_client_register(struct request *req, struct response *res);
enum err handle_client_get(struct request *req, struct response *res);
enum err handle_client_rotate_key(struct request *req, struct response *res);
enum err handle_client_users(struct request *req, struct response *res);
