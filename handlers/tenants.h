/* Tenants: registration, public information, lists, figures, settings, and what hints were seen. */
#pragma once

#include "app/http.h"

extern const struct schema tenant_register_input_schema;
extern const struct schema tenant_registered_schema;
extern const struct schema tenant_info_schema;
extern const struct schema tenant_list_schema;
extern const struct schema tenant_stats_schema;
extern const struct schema tenant_resolve_schema;
extern const struct schema tenant_current_schema;
extern const struct schema tenant_delete_input_schema;
extern const struct schema tenant_deletion_schema;
extern const struct schema settings_input_schema;
extern const struct schema settings_schema;

enum err handle_tenant_register(struct request *req, struct response *res);
enum err handle_tenant_info(struct request *req, struct response *res);
enum err handle_tenant_list(struct request *req, struct response *res);
enum err handle_tenant_stats(struct request *req, struct response *res);
enum err handle_tenant_resolve(struct request *req, struct response *res);
enum err handle_settings_get(struct request *req, struct response *res);
enum err handle_settings_put(struct request *req, struct response *res);
/* Decodes, checks and stores the members of an object; null gives one back. version is that which
 * the tenant must have, 0 any: ERR_PRECONDITION. The ctx's tenant is the changed one afterwards.
 * For the form of the console, too. */
CHECKED enum err settings_apply(struct request *req, const struct value *given, int64_t version);
enum err handle_tenant_current_get(struct request *req, struct response *res);
enum err handle_tenant_current_patch(struct request *req, struct response *res);
enum err handle_tenant_current_delete(struct request *req, struct response *res);

/* Settings and tenant are one document: what If-Match asks of it, as it is now. *ret_version is
 * what the change must be bound to, 0 = nothing. ERR_PRECONDITION. */
CHECKED enum err tenant_expected_version(struct request *req, int64_t *ret_version);
