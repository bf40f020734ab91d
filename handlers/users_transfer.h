/* Taking all users of a tenant out and in: NDJSON, a user a line (models/user_line.h). */
#pragma once

#include "app/http.h"

enum err handle_users_export(struct request *req, struct response *res);
enum err handle_users_import(struct request *req, struct response *res);
enum err handle_users_import_get(struct request *req, struct response *res);
enum err handle_users_import_cancel(struct request *req, struct response *res);

extern const struct schema users_export_query_schema;
extern const struct schema users_import_query_schema;
