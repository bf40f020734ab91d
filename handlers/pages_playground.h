/*
 * /playground of a tenant, in development only: a page that walks the authorization code flow with
 * PKCE against the tenant's own issuer, step by step. It is itself the application: a public client
 * whose redirect URI is the page. The walk is templates/static/playground.js.
 */
#pragma once

#include "app/http.h"

enum err handle_playground(struct request *req, struct response *res);
