/* The documentation pages. What they show of a tenant is what GET /tenants/info tells everybody. */
#include "handlers/docs.h"

#include <string.h>

#include "app/app.h"
#include "app/page.h"
#include "handlers/docs_reference.h"
#include "models/tenant.h"

enum err handle_docs(struct request *req, struct response *res)
{
    const char *development = app_is_development(req->ctx.app) ? "yes" : NULL;
    struct template_var groups = {0};

    TRY(docs_reference(&req->ctx, "groups", &groups));

    const struct template_var vars[] = {
        groups,
        {.name = "base", .text = app_config(req->ctx.app)->server.public_url},
        {.name = "development", .text = development},
    };
    const struct page page = {
        .template_name = "docs",
        .title = "API reference",
        .prefix = "",
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return page_respond(req, res, 200, &page);
}

/* By UUID or slug, as {cid} everywhere. What names no tenant is a page that is not there. */
static enum err find_tenant(struct request *req, const struct tenant **ret_tenant)
{
    const char *text = request_param(req, "client_id");
    struct uuid id;
    const enum err found = uuid_parse(text, &id) ? tenant_get_by_id(&req->ctx, &id, ret_tenant)
                                                 : tenant_get_by_slug(&req->ctx, text, ret_tenant);

    return found == ERR_TENANT_NOT_FOUND
               ? fail(&req->ctx, found, NULL, "There is no tenant with this id.")
               : found;
}

enum err handle_docs_tenant(struct request *req, struct response *res)
{
    const struct tenant *tenant = NULL;
    const char *issuer = NULL;
    char id[UUID_TEXT_SIZE];

    TRY(find_tenant(req, &tenant));
    TRY(tenant_issuer(&req->ctx, tenant, &issuer));
    uuid_text(&tenant->id, id);

    const struct template_var vars[] = {
        {.name = "id", .text = id},
        {.name = "slug", .text = tenant->slug},
        {.name = "name", .text = tenant->name},
        {.name = "issuer", .text = issuer},
        {.name = "base", .text = app_config(req->ctx.app)->server.public_url},
    };
    const struct page page = {
        .template_name = "docs-tenant",
        .title = arena_printf(req->ctx.arena, "%s: API", tenant->name),
        .brand = tenant->name,
        .slug = tenant->slug,
        .prefix = arena_printf(req->ctx.arena, "/t/%s", tenant->slug),
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return page_respond(req, res, 200, &page);
}
