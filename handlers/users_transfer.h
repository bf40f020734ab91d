/* Taking all users of a tenant out (and in): NDJSON, a user a line. */
#pragma once

#include "app/http.h"

enum err handle_users_export(struct request *req, struct response *res);

extern const struct schema users_export_query_schema;
