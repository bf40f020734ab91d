/* The tenants of the development start: made by `tenantd seed demo`, shown by the landing page. Constant
 * data; never present in production unless somebody seeds them there. */
#pragma once

#include <stddef.h>

struct demo_tenant {
    const char *slug;
    const char *name;
    const char *username;
    const char *email;
    const char *password;
};

extern const struct demo_tenant demo_tenants[];
extern const size_t demo_tenant_count;

/* NULL when the slug is none of them. */
const struct demo_tenant *demo_tenant_find(const char *slug);
