/*
 * The steps of the pipeline (dispatch.c), one function per file, in the order of api.md §10. Each
 * returns ERR_OK to go on. They may set response headers; only cors may answer by itself
 * (preflight: it then sets res->status).
 */
#pragma once

#include "app/http.h"

typedef enum err (*middleware_fn)(struct request *req, struct response *res);

enum err mw_request_id(struct request *req, struct response *res);
enum err mw_cors(struct request *req, struct response *res);
/* Once the answer is known, and with it the tenant: which origin may read it. */
void mw_cors_answer(struct request *req, struct response *res);
/* Collects and checks hints, decides the tenant when a hint names one (api.md §2). */
enum err mw_tenant(struct request *req, struct response *res);
/* Limits by address and tenant: before any credential is looked at. */
enum err mw_rate_address(struct request *req, struct response *res);
/* Proves the credential, compares tenants, and takes the tenant from it when no hint named one. */
enum err mw_authenticate(struct request *req, struct response *res);
/* On routes for OAuth clients, with the form at hand: proves the client, compares tenants like
 * mw_authenticate, and charges the client's limits. */
enum err mw_client(struct request *req, struct response *res);
/* Limits by key. */
enum err mw_rate_key(struct request *req, struct response *res);
enum err mw_authorize(struct request *req, struct response *res);
/* Cross-site rule for requests that set or use cookies. */
enum err mw_csrf(struct request *req, struct response *res);
/* Audits what any of the steps or the handler refused with code, once a minute of what is alike. */
void mw_refused(struct request *req, enum err code);
/* After the answer is complete. */
void mw_access_log(const struct request *req, const struct response *res);
