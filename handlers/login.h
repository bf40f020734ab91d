/* Logins: every entry calls one path (models/sign_in.h) and answers in the shape of its origin. */
#pragma once

#include "app/http.h"

extern const struct schema login_input_schema;   /* username or email, password */
extern const struct schema oauth_login_schema;   /* 004 */
extern const struct schema token_pair_schema;    /* 001: access, refresh, token_type, expires_in */
extern const struct schema client_tokens_schema; /* 003: user_id, access_token, refresh_token */

enum err handle_api_login(struct request *req, struct response *res);
enum err handle_oauth_login(struct request *req, struct response *res);
enum err handle_auth_login(struct request *req, struct response *res);
enum err handle_client_login(struct request *req, struct response *res);
