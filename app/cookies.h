/*
 * The tenant's cookies (api.md §11): session, access, refresh, device. One place knows their names,
 * paths and attributes.
 */
#pragma once

#include "app/http.h"

/* "session-acme", or "__Host-session-acme" over https; kind is session, access, refresh or device.
 */
CHECKED enum err cookie_name(struct request *req, const char *kind, const char *slug,
                             const char **ret_name);

/* Sets the cookie of that kind for the request's tenant; max_age in seconds; "" with 0 expires it.
 */
CHECKED enum err tenant_cookie_set(struct request *req, struct response *res, const char *kind,
                                   const char *value, int64_t max_age);
/* Its value in this request, NULL when absent or empty. */
CHECKED enum err tenant_cookie_get(struct request *req, const char *kind, const char **ret_value);
/* Expires what this browser still holds of a caller whose sessions and grants just ended. */
CHECKED enum err caller_cookies_expire(struct request *req, struct response *res);
