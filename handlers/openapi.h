/* GET /openapi.json. */
#pragma once

#include "app/http.h"

CHECKED enum err handle_openapi(struct request *req, struct response *res);
