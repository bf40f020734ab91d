/*
 * Optimistic concurrency over HTTP: the ETag of an object is its version in quotes, If-Match names
 * the versions that a change may meet (RFC 9110 §13.1.1). One request's thread.
 */
#pragma once

#include "app/http.h"

CHECKED enum err etag_set(struct request *req, struct response *res, int64_t version);
/* Whether If-None-Match names this version (weak comparison): the answer to a GET then is
 * respond_empty with 304. */
bool etag_is_known(const struct request *req, int64_t version);
/* Without If-Match every version will do, unless the tenant demands one (required):
 * ERR_IF_MATCH_REQUIRED. For before the object is read. */
CHECKED enum err etag_demand(const struct request *req, bool required);
/* ERR_PRECONDITION unless this version is among those of If-Match. The change must then be bound to
 * *ret_version: 0 when any will do. */
CHECKED enum err etag_match(struct request *req, int64_t version, int64_t *ret_version);
