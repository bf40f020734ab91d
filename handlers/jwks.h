/* The published keys of a tenant (RFC 7517), for whoever verifies its tokens. */
#pragma once

#include "app/http.h"

enum err handle_jwks(struct request *req, struct response *res);
