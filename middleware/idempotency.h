/*
 * `Idempotency-Key` on routes with ROUTE_IDEMPOTENT (api.md §10 "Retries"). Begins before the
 * handler and ends after it; without the header both do nothing.
 */
#pragma once

#include "app/http.h"

/* Answers by itself (res->status is set) when the request was answered before. */
CHECKED enum err idempotency_begin(struct request *req, struct response *res);
/* code is the handler's; the result is what becomes of it. */
CHECKED enum err idempotency_end(struct request *req, struct response *res, enum err code);
