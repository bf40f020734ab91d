/*
 * The console of a tenant's owner and administrators: pages below /dashboard/admin, one file each,
 * over the same models as the API. Their forms post to routes of their own and answer 303, or show
 * the page again with what was wrong.
 */
#pragma once

#include "app/http.h"

enum err handle_console_overview(struct request *req, struct response *res);
enum err handle_console_users(struct request *req, struct response *res);
enum err handle_console_audit(struct request *req, struct response *res);
