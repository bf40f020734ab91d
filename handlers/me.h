/* The caller's own user: document, patch, and the small identity answers of the origin systems. */
#pragma once

#include "app/http.h"

extern const struct schema api_dashboard_schema;
extern const struct schema whoami_schema;
extern const struct schema protected_schema;
extern const struct schema api_users_me_schema;
extern const struct schema api_data_schema;
extern const struct schema api_admin_schema;

enum err handle_me_get(struct request *req, struct response *res);
enum err handle_me_patch(struct request *req, struct response *res);
enum err handle_api_dashboard(struct request *req, struct response *res);
enum err handle_whoami(struct request *req, struct response *res);
enum err handle_protected(struct request *req, struct response *res);
enum err handle_api_users_me(struct request *req, struct response *res);
enum err handle_api_data(struct request *req, struct response *res);
enum err handle_api_admin(struct request *req, struct response *res);
