/*
 * GET /auth/verify: whether a request that a gateway is about to pass on carries a good token or
 * session, and whose (api.md §6). The answer has no body: what the application behind the gateway
 * needs stands in headers. A token costs no read.
 */
#pragma once

#include "app/http.h"

extern const struct schema auth_verify_query_schema;

enum err handle_auth_verify(struct request *req, struct response *res);
