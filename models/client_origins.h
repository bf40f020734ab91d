/*
 * The origins of the redirect URIs that a tenant's OAuth clients registered: their pages may call
 * token, revoke, userinfo and API of that tenant without further configuration (api.md §11 "CORS").
 * One snapshot per tenant holds all of them, so neither a known nor an unknown Origin costs a read.
 * Any thread.
 */
#pragma once

#include <stdbool.h>

#include "app/ctx.h"

/* Whether the text of an Origin header is the origin of a redirect URI of one of the tenant's
 * clients. Through app->client_origins; errors count as no. */
bool client_origin_is_registered(struct ctx *ctx, const struct uuid *tenant_id, const char *origin);
/* The loader of app->client_origins (cache.h). */
enum err client_origins_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
/* A client of the ctx's tenant was changed here; other instances learn by the stream. */
void client_origins_forget(struct ctx *ctx);
