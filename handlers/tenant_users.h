/* Users of a tenant, for its administrators and keys: /users/{id} and, with the paths of document
 * 004, /tenants/users/{id}. */
#pragma once

#include "app/http.h"
#include "models/creation.h"

extern const struct schema tenant_user_patch_schema;
extern const struct schema user_patch_schema; /* at /users/{id}: role and is_email_verified too */
extern const struct schema tenant_user_role_schema;
extern const struct schema tenant_user_answer_schema;

enum err handle_tenant_user_create(struct request *req, struct response *res);
/* The same for access keys, too; answers with the user alone. */
enum err handle_user_create(struct request *req, struct response *res);
enum err handle_tenant_user_get(struct request *req, struct response *res);
enum err handle_tenant_user_patch(struct request *req, struct response *res);
enum err handle_tenant_user_delete(struct request *req, struct response *res);
enum err handle_tenant_user_role(struct request *req, struct response *res);
enum err handle_tenant_user_end_sessions(struct request *req, struct response *res);
