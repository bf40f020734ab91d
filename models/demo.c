/* Demo tenants: the same user name everywhere, so that isolation shows at once. */
#include "models/demo.h"

#include <string.h>

const struct demo_tenant demo_tenants[] = {
    {"client1", "Client One"},
    {"client2", "Client Two"},
    {"default", "Default"},
};
const size_t demo_tenant_count = sizeof demo_tenants / sizeof demo_tenants[0];

bool demo_has(const char *slug)
{
    for (size_t i = 0; i < demo_tenant_count; i++) {
        if (strcmp(demo_tenants[i].slug, slug) == 0)
            return true;
    }
    return false;
}

enum err demo_password(struct ctx *ctx, const char *slug, const char **ret_password)
{
    *ret_password = NULL;
    if (!demo_has(slug))
        return ERR_OK;
    *ret_password = arena_printf(ctx->arena, "demo-%s-password", slug);
    return *ret_password == NULL ? ERR_MEMORY : ERR_OK;
}
