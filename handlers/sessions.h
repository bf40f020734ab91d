/* The caller's own sign-ins: list, and end one. */
#pragma once

#include "app/http.h"

extern const struct schema user_sessions_schema;

enum err handle_sessions_list(struct request *req, struct response *res);
enum err handle_session_delete(struct request *req, struct response *res);
