/* One operation of the OpenAPI description; a part of openapi.c. Pure functions, any thread. */
#pragma once

#include "app/buf.h"
#include "app/routes.h"

/* "get":{…} of a row for one of its methods. */
void openapi_operation(const struct route *route, enum method method, struct buf *out);
/* How a row takes its body. */
enum schema_view openapi_input_view(const struct route *route);
/* The name of a struct's component: one that goes several ways has several shapes. */
void openapi_component_name(const struct schema *schema, enum schema_view view, struct buf *out);
