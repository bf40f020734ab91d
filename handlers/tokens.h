/* Refresh, logout and password change. */
#pragma once

#include "app/http.h"

extern const struct schema refresh_input_schema;
extern const struct schema password_change_input_schema;

enum err handle_refresh(struct request *req,
                        struct response *res); /* POST /auth/refresh, /api/v1/{cid}/refresh */
enum err handle_logout(struct request *req,
                       struct response *res); /* refresh token in body or cookie */
enum err handle_session_logout(struct request *req, struct response *res); /* POST /oauth/logout */
enum err handle_logout_all(struct request *req, struct response *res);
enum err handle_password_change(struct request *req, struct response *res);
