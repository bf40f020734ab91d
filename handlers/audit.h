/* The audit log of a tenant: in pages for people and programs, whole as NDJSON. */
#pragma once

#include "app/http.h"

extern const struct schema audit_query_schema;
extern const struct schema audit_page_schema;
extern const struct schema audit_export_query_schema;

enum err handle_audit_list(struct request *req, struct response *res);
enum err handle_admin_tenant_audit(struct request *req, struct response *res);
enum err handle_admin_audit(struct request *req, struct response *res);
enum err handle_audit_export(struct request *req, struct response *res);
