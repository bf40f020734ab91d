/* Closing one's own account: DELETE /users/me. */
#pragma once

#include "app/http.h"

extern const struct schema account_deletion_schema;

enum err handle_me_delete(struct request *req, struct response *res);
