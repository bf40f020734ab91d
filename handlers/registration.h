/* Registrations: every entry calls one path (models/sign_up.h) and answers in the shape of its
 * origin. */
#pragma once

#include "app/http.h"

extern const struct schema api_register_input_schema;   /* 000 */
extern const struct schema oauth_register_input_schema; /* 004 */
extern const struct schema auth_register_input_schema;  /* 001, 003 */
extern const struct schema api_register_schema;
extern const struct schema oauth_register_schema;
extern const struct schema auth_register_schema;

enum err handle_api_register(struct request *req, struct response *res);
enum err handle_oauth_register(struct request *req, struct response *res);
enum err handle_auth_register(struct request *req, struct response *res);
enum err handle_client_signup(struct request *req, struct response *res);
