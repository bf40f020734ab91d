/*
 * The OpenAPI 3.1 description of the service, written from the route table and the field tables. It
 * depends on nothing else, so the text is the same on every installation. Each operation carries
 * what OpenAPI has no word for under "x-tenantd"; tests generate their matrix from that. Any
 * thread.
 */
#pragma once

#include "app/buf.h"

#define OPENAPI_MAX_SIZE ((size_t)2 * 1024 * 1024)

void openapi_write(struct buf *out);
