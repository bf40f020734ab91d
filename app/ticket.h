/*
 * HS256 tickets that only this service reads (libjwt): form tokens, later the authorization
 * request. Each use has its own key, derived from the tenant's MAC key, and its own
 * typ; text is checked as in jws.h before libjwt sees it. Any thread.
 */
#pragma once

#include <stdint.h>

#include "app/ctx.h"
#include "app/keys.h"

/* A form token bound to tenant, use ("login", "logout", …) and binding (session id or browser
 * nonce). */
CHECKED enum err ticket_form_issue(struct ctx *ctx, const char *use, const char *binding,
                                   const char **ret_token);
/* ERR_FORM_TOKEN unless genuine, unexpired (1 h), of this use and binding. */
CHECKED enum err ticket_form_check(struct ctx *ctx, const char *use, const char *binding,
                                   const char *token);
