/*
 * The public OAuth client with which a tenant's playground (handlers/pages_playground.h) walks the
 * code flow: made by `tenantd seed demo`. Development only.
 */
#pragma once

#include "app/ctx.h"

#define DEMO_CLIENT_NAME  "Playground"
#define DEMO_CLIENT_SCOPE "openid profile email offline_access read write"

/* "<issuer>/playground" of the ctx's tenant: page and redirect URI at once. */
CHECKED enum err demo_client_redirect(struct ctx *ctx, const char **ret_uri);
/* Makes the client of the ctx's tenant, or adds the redirect URI of today's issuer to it. */
CHECKED enum err demo_client_ensure(struct ctx *ctx);
