/* Demo tenants: one login each, the same name everywhere, so that isolation shows at once. */
#include "models/demo.h"

#include <string.h>

const struct demo_tenant demo_tenants[] = {
    {"client1", "Client One", "demo", "demo@client1.example", "demo-client1"},
    {"client2", "Client Two", "demo", "demo@client2.example", "demo-client2"},
    {"default", "Default", "demo", "demo@default.example", "demo-default"},
};
const size_t demo_tenant_count = sizeof demo_tenants / sizeof demo_tenants[0];

const struct demo_tenant *demo_tenant_find(const char *slug)
{
    for (size_t i = 0; i < demo_tenant_count; i++) {
        if (strcmp(demo_tenants[i].slug, slug) == 0)
            return &demo_tenants[i];
    }
    return NULL;
}
