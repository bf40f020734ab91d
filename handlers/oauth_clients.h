/* Registering and administering OAuth clients (RFC 7591, RFC 7592). */
#pragma once

#include "app/http.h"

extern const struct schema oauth_client_answer_schema;
extern const struct schema oauth_client_page_schema;
extern const struct schema rotate_secret_input_schema;

enum err handle_oauth_client_register(struct request *req, struct response *res);
enum err handle_oauth_client_list(struct request *req, struct response *res);
enum err handle_oauth_client_get(struct request *req, struct response *res);
enum err handle_oauth_client_put(struct request *req, struct response *res);
enum err handle_oauth_client_delete(struct request *req, struct response *res);
enum err handle_oauth_client_rotate(struct request *req, struct response *res);
