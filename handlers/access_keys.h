/* The owner's administration of the tenant's access keys. */
#pragma once

#include "app/http.h"
#include "models/creation.h"

extern const struct schema access_keys_schema;
extern const struct schema access_key_rotate_input_schema;
extern const struct schema made_access_key_schema;

enum err handle_access_keys_list(struct request *req, struct response *res);
enum err handle_access_key_create(struct request *req, struct response *res);
enum err handle_access_key_rotate(struct request *req, struct response *res);
enum err handle_access_key_delete(struct request *req, struct response *res);
