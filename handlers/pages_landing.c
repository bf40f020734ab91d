/* The front page outside of any tenant: what this is, how it is, and in development where to go. */
#include "handlers/pages.h"

#include <string.h>

#include "app/app.h"
#include "app/db.h"
#include "app/localhost.h"
#include "handlers/pages_internal.h"
#include "models/demo.h"
#include "models/tenant.h"

#define TENANTS_SHOWN   24
#define VARS_PER_TENANT 6

static const char *when(bool is_so)
{
    return is_so ? "yes" : NULL;
}

/* scheme://<slug>.<base domain>[:port] by the configuration: never from what the client sent
 * (HT-7). */
static const char *tenant_url(struct ctx *ctx, const char *slug)
{
    const struct config *config = app_config(ctx->app);
    const char *url = config->server.public_url, *scheme_end = strstr(url, "://");
    const char *base = config->tenants.base_domains.count > 0
                           ? config->tenants.base_domains.items[0]
                           : "localhost";

    if (scheme_end == NULL)
        return "";

    const char *port = strrchr(scheme_end + 3, ':');

    if (port != NULL && strchr(port, ']') != NULL)
        port = NULL;
    return arena_printf(ctx->arena, "%.*s%s.%s%s", (int)(scheme_end + 3 - url), url, slug, base,
                        port != NULL ? port : "");
}

/* --- the tenants of a development start --- */

static enum err describe(struct ctx *ctx, const struct tenant *tenant,
                         struct template_vars *ret_item)
{
    struct template_var *vars = arena_array(ctx->arena, VARS_PER_TENANT, sizeof *vars);
    const char *url = tenant_url(ctx, tenant->slug), *password = NULL;

    TRY(demo_password(ctx, tenant->slug, &password));
    if (vars == NULL || url == NULL)
        return ERR_MEMORY;
    vars[0] = (struct template_var){.name = "name", .text = tenant->name};
    vars[1] = (struct template_var){.name = "slug", .text = tenant->slug};
    vars[2] = (struct template_var){.name = "url", .text = url};
    vars[3] = (struct template_var){.name = "username", .text = DEMO_USERNAME};
    vars[4] = (struct template_var){.name = "password", .text = password};
    vars[5] = (struct template_var){.name = "accent", .text = page_accent(ctx, tenant->slug)};
    *ret_item = (struct template_vars){.vars = vars, .count = VARS_PER_TENANT};
    return ERR_OK;
}

/* The demo tenants come first: their logins are what a newcomer looks for. */
static enum err list_tenants(struct ctx *ctx, struct template_var *ret_var)
{
    struct list found = {0};
    struct template_vars *items;
    size_t count = 0;

    TRY(tenant_list_public(ctx, NULL, TENANTS_SHOWN, &found));
    items = arena_array(ctx->arena, found.count + 1, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;

    const struct tenant *tenants = found.items;

    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < found.count; i++) {
            if (demo_has(tenants[i].slug) == (pass == 0))
                TRY(describe(ctx, &tenants[i], &items[count++]));
        }
    }
    ret_var->items = items;
    ret_var->item_count = count;
    return ERR_OK;
}

/* The name that a system may or may not resolve by itself. */
static enum localhost_answer resolves(const struct request *req)
{
    const struct config *config = app_config(req->ctx.app);
    const bool is_localhost = config->tenants.base_domains.count > 0 &&
                              strcmp(config->tenants.base_domains.items[0], "localhost") == 0;

    return is_localhost ? localhost_resolves("client1.localhost") : LOCALHOST_UNKNOWN;
}

/* A front page without its list still tells that the database is away. */
static enum err look(struct request *req, struct template_var *ret_tenants, bool *ret_database)
{
    enum err looked = db_ping(&req->ctx);

    if (looked == ERR_OK && app_is_development(req->ctx.app))
        looked = list_tenants(&req->ctx, ret_tenants);
    *ret_database = looked == ERR_OK;
    if (looked == ERR_MEMORY)
        return looked;
    fail_clear(&req->ctx);
    return ERR_OK;
}

enum err pages_landing(struct request *req, struct response *res)
{
    const bool development = app_is_development(req->ctx.app);
    const enum localhost_answer answer = development ? resolves(req) : LOCALHOST_UNKNOWN;
    const bool ready = atomic_load(&req->ctx.app->ready);
    struct template_var tenants = {.name = "tenants"};
    bool database = false;

    TRY(look(req, &tenants, &database));
    if (tenants.items == NULL)
        tenants.text = NULL;

    const struct template_var vars[] = {
        tenants,
        {.name = "development", .text = when(development)},
        {.name = "base", .text = app_config(req->ctx.app)->server.public_url},
        {.name = "database-up", .text = when(database)},
        {.name = "serving", .text = when(ready && database)},
        {.name = "version", .text = TENANTD_VERSION},
        {.name = "resolves", .text = when(answer == LOCALHOST_RESOLVES)},
        {.name = "does-not-resolve", .text = when(answer == LOCALHOST_DOES_NOT)},
    };
    const struct page page = {
        .template_name = "landing",
        .title = "tenantd",
        .prefix = "",
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    response_no_store(res);
    return page_respond(req, res, 200, &page);
}
