/*
 * Charging the budgets of api.md §1 and §10, and the headers that tell them. Which budgets a
 * request counts against is decided in rate_address.c (before any credential is looked at) and
 * rate_key.c (once the caller is known).
 *
 * Requests with an access key count against the key. Whether a key is good is not known before it
 * is proved, and proving costs; so a request that shows one on a route that takes one is first
 * charged to a budget of its own for "keys from this address" and gets that back when the key was
 * good. Good keys thus never wear out an address, guessed ones do, and the sign-in budgets of the
 * address are charged for a key that turned out not to be used.
 */
#pragma once

#include "app/http.h"
#include "app/limit.h"

/* The budgets of an address for this route. */
CHECKED enum err rate_take_address(struct request *req, struct response *res);
CHECKED enum err rate_take_shown_key(struct request *req, struct response *res);
void rate_refund_shown_key(struct request *req);
/* By the plan of ctx.tenant, once per request; nothing while there is none. */
CHECKED enum err rate_take_tenant(struct request *req, struct response *res);
CHECKED enum err rate_take_key(struct request *req, struct response *res);
/* The client of the request by its share of the plan (limits.client_percent), and its tenant by the
 * plan. A password that it shows is a sign-in. */
CHECKED enum err rate_take_client(struct request *req, struct response *res);
CHECKED enum err rate_take_sign_in(struct request *req, struct response *res);
/* The route takes access keys and the request shows something that looks like one. */
bool rate_shows_key(const struct request *req);
/* A tenant that was not created does not count against the budget of tenants. */
void rate_settle_create(struct request *req, const struct response *res);
