/* What a platform key opens: all tenants, their life, the platform's keys and figures. */
#pragma once

#include "app/http.h"
#include "models/creation.h"

extern const struct schema admin_tenant_schema;
extern const struct schema admin_tenants_query_schema;
extern const struct schema admin_tenants_schema;
extern const struct schema admin_tenant_created_schema;
extern const struct schema admin_tenant_patch_schema;
extern const struct schema admin_key_rotate_schema;
extern const struct schema admin_key_made_schema;
extern const struct schema admin_keys_schema;
extern const struct schema admin_stats_schema;

enum err handle_admin_tenants(struct request *req, struct response *res);
enum err handle_admin_tenant_create(struct request *req, struct response *res);
enum err handle_admin_tenant_get(struct request *req, struct response *res);
enum err handle_admin_tenant_patch(struct request *req, struct response *res);
enum err handle_admin_tenant_delete(struct request *req, struct response *res);
enum err handle_admin_tenant_suspend(struct request *req, struct response *res);
enum err handle_admin_tenant_restore(struct request *req, struct response *res);
enum err handle_admin_keys(struct request *req, struct response *res);
enum err handle_admin_key_create(struct request *req, struct response *res);
enum err handle_admin_key_rotate(struct request *req, struct response *res);
enum err handle_admin_key_delete(struct request *req, struct response *res);
enum err handle_admin_stats(struct request *req, struct response *res);
