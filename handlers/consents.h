/* What the caller lets applications have: list, and take one back. */
#pragma once

#include "app/http.h"
#include "app/schema.h"

extern const struct schema user_consents_schema;

enum err handle_consents_list(struct request *req, struct response *res);
enum err handle_consent_delete(struct request *req, struct response *res);
