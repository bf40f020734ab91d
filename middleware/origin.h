/*
 * Where a browser says a request comes from. Shared by cors and csrf. Pure functions over the
 * request and the configuration. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "app/http.h"

/* The Origin is the one this request was sent to, or that of server.public_url. */
bool origin_is_own(const struct request *req, const char *origin);
/* Development: http://localhost and names below it, on any port. */
bool origin_is_local(const struct request *req, const char *origin);
/* Pages of this origin may read the answers of the request's tenant and write to it with cookies
 * (api.md §11): one of its allowed_origins, or local. */
bool origin_is_allowed(const struct request *req, const char *origin);
