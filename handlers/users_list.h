/* GET /users: the users of a tenant, filtered, sorted, in pages. */
#pragma once

#include "app/http.h"

extern const struct schema users_query_schema, users_page_schema;

enum err handle_users_list(struct request *req, struct response *res);
