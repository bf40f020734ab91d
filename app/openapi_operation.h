/* One operation of the OpenAPI description; a part of openapi.c. Pure functions, any thread. */
#pragma once

#include "app/buf.h"
#include "app/routes.h"

/* "get":{…} of a row for one of its methods. */
void openapi_operation(const struct route *route, enum method method, struct buf *out);
/* The name of a struct's component: as it is taken in, or as it is given out. */
void openapi_component_name(const struct schema *schema, bool input, struct buf *out);
