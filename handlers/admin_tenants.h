/* The document of a tenant as the platform sees it; shared by the files of /admin. */
#pragma once

#include "app/http.h"
#include "models/tenant.h"

struct admin_tenant {
    struct uuid id;
    const char *slug, *name, *industry, *domain;
    int plan, status;
    bool discoverable;
    struct tenant_overrides limits;
    int64_t users, max_users;
    bool has_max_users;
    int64_t created_at, status_changed_at, purge_at, version;
};

struct admin_tenant admin_tenant_of(const struct app *app, const struct tenant *tenant,
                                    int64_t users);
/* {id} of the path; ERR_NOT_FOUND when it is none. */
CHECKED enum err admin_id(const struct request *req, struct uuid *ret_id);
/* The tenant with its figures; 202 for what will only happen later. */
CHECKED enum err admin_answer(struct request *req, struct response *res, int status,
                              const struct tenant *tenant);
