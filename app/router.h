/*
 * From the raw target to a route: percent-decoding once per segment, tenant prefixes, /api/v1
 * aliases, fixed segments before parameters, 404 against 405. Works on the route table alone. Any
 * thread.
 */
#pragma once

#include "app/http.h"
#include "app/routes.h"

/* Builds the index over the table; once, before the first match. */
void router_init(void);

/* raw_path is the request target up to "?". Fills req->path, routed_path, path_tenant, params,
 * route. ERR_BAD_REQUEST for paths that are refused whole: bad escapes, %00, encoded slash or
 * backslash, control bytes, "." and ".." segments, invalid UTF-8, empty segments. ERR_NOT_FOUND,
 * ERR_METHOD (then *ret_allowed holds the methods that exist). */
CHECKED enum err router_match(struct request *req, const char *raw_path, enum method method,
                              unsigned *ret_allowed);
/* Every first and second segment of our routes and the words of C21: cannot be slugs. */
bool router_is_reserved_slug(const char *slug);
