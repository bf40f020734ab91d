/* GET and POST /oauth/userinfo (OIDC Core §5.3): what the token's user allowed its client to know.
 */
#pragma once

#include "app/http.h"

extern const struct schema userinfo_schema;
extern const struct schema userinfo_input_schema;

enum err handle_userinfo(struct request *req, struct response *res);
