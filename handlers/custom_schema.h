/* GET and PUT /tenants/schema: the JSON Schema of a tenant's custom fields. */
#pragma once

#include "app/http.h"

extern const struct schema custom_schema_input_schema;
extern const struct schema custom_schema_answer_schema;
extern const struct schema custom_schema_result_schema;

enum err handle_schema_get(struct request *req, struct response *res);
enum err handle_schema_put(struct request *req, struct response *res);
enum err handle_schema_cancel(struct request *req, struct response *res);
