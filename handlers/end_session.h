/* The logout endpoint of OpenID Connect (RP-Initiated Logout 1.0). */
#pragma once

#include "app/http.h"
#include "app/schema.h"

extern const struct schema end_session_schema;

enum err handle_end_session(struct request *req, struct response *res);
