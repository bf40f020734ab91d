/* The token endpoint (RFC 6749 §3.2), revocation (RFC 7009) and introspection (RFC 7662). */
#pragma once

#include "app/http.h"

extern const struct schema token_input_schema;
extern const struct schema token_answer_schema;
extern const struct schema token_text_input_schema;
extern const struct schema introspection_schema;

enum err handle_oauth_token(struct request *req, struct response *res);
enum err handle_oauth_revoke(struct request *req, struct response *res);
enum err handle_oauth_introspect(struct request *req, struct response *res);
