/* What the page is given: issuer, redirect URI, and the public clients that may use it. */
#include "handlers/pages_playground.h"

#include <string.h>

#include "app/app.h"
#include "handlers/pages_internal.h"
#include "models/demo_client.h"
#include "models/oauth_client_admin.h"
#include "models/tenant.h"

#define CLIENTS_SHOWN 200

static enum err list_clients(struct request *req, const char *redirect,
                             struct template_var *ret_var)
{
    static const struct uuid everybody;
    struct list page = {0};
    struct template_vars *items;
    size_t count = 0;

    TRY(oauth_client_list(&req->ctx, &everybody, NULL, CLIENTS_SHOWN, &page));
    items = arena_array(req->ctx.arena, page.count + 1, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;

    const struct oauth_client *clients = page.items;

    for (size_t i = 0; i < page.count; i++) {
        struct template_var *vars = arena_array(req->ctx.arena, 2, sizeof *vars);

        if (vars == NULL)
            return ERR_MEMORY;
        if (!oauth_client_is_public(&clients[i]) ||
            !oauth_client_has_redirect(&clients[i], redirect))
            continue;
        vars[0] = (struct template_var){.name = "client-id", .text = clients[i].id};
        vars[1] = (struct template_var){.name = "client-name", .text = clients[i].name};
        items[count++] = (struct template_vars){.vars = vars, .count = 2};
    }
    ret_var->items = items;
    ret_var->item_count = count;
    return ERR_OK;
}

static enum err show(struct request *req, struct response *res, const char *issuer,
                     const char *redirect)
{
    struct template_var clients = {.name = "clients"};

    TRY(list_clients(req, redirect, &clients));

    const struct template_var vars[] = {
        clients,
        {.name = "issuer", .text = issuer},
        {.name = "redirect", .text = redirect},
        {.name = "scope", .text = DEMO_CLIENT_SCOPE},
        {.name = "slug", .text = req->ctx.tenant->slug},
    };
    const struct page page = {
        .template_name = "playground",
        .title = arena_printf(req->ctx.arena, "Playground of %s", req->ctx.tenant->name),
        .script = "playground.js",
        .vars = vars,
        .var_count = sizeof vars / sizeof vars[0],
    };

    return pages_respond(req, res, 200, &page);
}

/* The page is reached as the issuer is: then it is its own redirect URI, and everything that it
 * asks stands on its own origin. */
static bool is_reached_as(const struct request *req, const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
    const size_t length = path != NULL ? (size_t)(path - host) - 3 : 0;

    return length > 0 && req->authority != NULL && strlen(req->authority) == length &&
           strncmp(req->authority, host + 3, length) == 0 && strcmp(req->path, path) == 0;
}

enum err handle_playground(struct request *req, struct response *res)
{
    const char *issuer = NULL, *redirect = NULL;

    if (req->ctx.tenant == NULL)
        return respond_redirect(req, res, "/#tenants-title");
    TRY(tenant_issuer(&req->ctx, req->ctx.tenant, &issuer));
    TRY(demo_client_redirect(&req->ctx, &redirect));
    return is_reached_as(req, redirect) ? show(req, res, issuer, redirect)
                                        : respond_redirect(req, res, redirect);
}
