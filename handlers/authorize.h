/*
 * The authorization endpoint (RFC 6749 §4.1, OIDC Core §3.1.2): what an application asks for, the
 * person who decides, and the code that the application gets. A bad client or redirect URI is a
 * page and never a redirect; every other error goes back to the application.
 */
#pragma once

#include "app/http.h"
#include "app/schema.h"

extern const struct schema authorize_input_schema;
extern const struct schema authorize_answer_schema;

enum err handle_authorize(struct request *req, struct response *res);
enum err handle_authorize_form(struct request *req, struct response *res);
