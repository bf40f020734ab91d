/*
 * A tenant's metadata: GET /.well-known/openid-configuration (OpenID Connect Discovery 1.0) and
 * /.well-known/oauth-authorization-server (RFC 8414), one document. Made from configuration and
 * tenant, never from the request; its text is kept, so an answer costs one look into a cache.
 */
#pragma once

#include "app/http.h"

extern const struct schema discovery_schema;

enum err handle_discovery(struct request *req, struct response *res);
/* The loader of app->discovery (cache.h); the ctx's tenant is the one of the key. */
enum err discovery_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
